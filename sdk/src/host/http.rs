//! HTTP requests to the origins that the operator has granted in `grants.http`, at any extension
//! point. A call waits for the answer, and its wall time (`timeout` in the plugin's entry) goes on.
//!
//! The host follows no redirects and reads an answer of at most 1 MiB. It ends a request shortly
//! before the call's own deadline, so that a plugin can still decide what a missing answer means.
//! A decision that asks the network cannot be repeated later with the same result.
//!
//! ```
//! use wharf_plugin::{http, testing::Host};
//!
//! let host = Host::new();
//! host.answer_http("https://consent.example.org/15551234567", Ok(http::Response::new(204)));
//! let answer = http::get("https://consent.example.org/15551234567").send().unwrap();
//! assert_eq!(answer.status, 204);
//! ```

use std::{fmt, time::Duration};

use serde::de::DeserializeOwned;

use super::backend;

/// A request that is being put together; [`send`](Request::send) makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request is made by `send`"]
#[non_exhaustive]
pub struct Request {
    /// The method.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// Names and values of the headers. The host sets those of the connection and of the framing.
    pub headers: Vec<(String, String)>,
    /// The body, at most 2 MiB.
    pub body: Vec<u8>,
    /// The longest wait for the head of the answer. The end of the call is a limit in any case.
    pub timeout: Option<Duration>,
}

/// An answer. Every status is an answer, also 404 and 500.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names, in lower case, and values of the headers. A value that is no UTF-8 has replacement
    /// characters.
    pub headers: Vec<(String, String)>,
    /// The whole body, at most 1 MiB.
    pub body: Vec<u8>,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The operator has not granted this origin.
    NotGranted(String),
    /// The origin is granted, but lies in a private network, which is not.
    PrivateAddress(String),
    /// This call has made as many requests as the operator allows.
    TooManyRequests,
    /// The request itself is not allowed: its URL, its method, a header or the size of its body.
    InvalidRequest(String),
    /// The receiver could not be reached, or its answer is no HTTP.
    Unreachable(String),
    /// There was no whole answer in time.
    TimedOut,
    /// The answer has more than 1 MiB, or its headers more than 32 KiB.
    TooLarge,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted(origin) => write!(
                f,
                "{origin} is not granted; add it to `http` in the plugin's grants"
            ),
            Self::PrivateAddress(origin) => write!(
                f,
                "{origin} is in a private network; `http_private = true` in the plugin's grants allows it"
            ),
            Self::TooManyRequests => f.write_str(
                "the call has made as many requests as `http_requests` in the plugin's entry allows",
            ),
            Self::InvalidRequest(why) => write!(f, "the request cannot be made: {why}"),
            Self::Unreachable(why) => write!(f, "the receiver could not be reached: {why}"),
            Self::TimedOut => f.write_str("there was no answer in time"),
            Self::TooLarge => f.write_str("the answer is larger than 1 MiB, or its headers than 32 KiB"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::NotGranted(_) | Error::PrivateAddress(_) => Self::NotGranted(error.to_string()),
            Error::Unreachable(_) | Error::TimedOut => Self::Unavailable(error.to_string()),
            Error::TooManyRequests | Error::InvalidRequest(_) | Error::TooLarge => {
                Self::Internal(error.to_string())
            }
        }
    }
}

/// A GET request.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// A POST request with this body. Add its `Content-Type`.
pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", url).body(body)
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the longest wait for the head of the answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Makes the request and waits for the whole answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn send(self) -> Result<Response, Error> {
        backend::http(self)
    }

    /// The scheme, the authority, and the path with the query, which begins with a slash. A
    /// fragment is left out, as nothing sends it.
    pub(crate) fn parts(&self) -> Result<(&str, &str, String), Error> {
        let wrong = || {
            Error::InvalidRequest(
                "its URL must be absolute, such as https://example.org/path".into(),
            )
        };
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wrong)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if scheme.is_empty() || authority.is_empty() {
            return Err(wrong());
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok((scheme, authority, format!("{slash}{path}")))
    }

    /// The origin, without what may be secret in a URL.
    pub(crate) fn origin(&self) -> Result<String, Error> {
        let (scheme, authority, _) = self.parts()?;
        let host = authority.rsplit('@').next().unwrap_or(authority);
        Ok(format!("{scheme}://{host}"))
    }
}

impl Response {
    /// An answer without headers and body, for tests.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Sets the body, for tests.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Whether the status is 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] if the body is not what `T` reads: the receiver does not work
    /// as the plugin expects.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, crate::Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            crate::Error::Unavailable(format!("the answer is not the expected JSON: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn a_url_is_split_where_its_parts_end() {
        for (url, scheme, authority, path) in [
            ("https://a.example", "https", "a.example", "/"),
            ("https://a.example?x=1/2", "https", "a.example", "/?x=1/2"),
            ("http://[::1]:8080/a?b#c", "http", "[::1]:8080", "/a?b"),
            ("http://u:p@h:1/x", "http", "u:p@h:1", "/x"),
        ] {
            assert_eq!(
                get(url).parts(),
                Ok((scheme, authority, path.to_owned())),
                "{url}"
            );
        }
        assert_eq!(
            get("http://u:secret@h:1/x").origin(),
            Ok("http://h:1".into())
        );
        for url in ["", "/path", "a.example/x", "https://", "https:///x", "://a"] {
            assert!(
                matches!(get(url).send(), Err(Error::InvalidRequest(_))),
                "{url}"
            );
        }
    }

    #[test]
    fn a_scripted_host_answers_in_order_and_keeps_what_it_was_asked() {
        let host = Host::new();
        let url = "https://consent.example.org/check";
        host.answer_http(url, Ok(Response::new(200).with_body(r#"{"ok":true}"#)));
        host.answer_http(url, Err(Error::TimedOut));
        let first = post(url, "x").header("A", "b").send().expect("an answer");
        assert!(first.is_success());
        assert_eq!(
            first.json::<serde_json::Value>().expect("JSON"),
            serde_json::json!({"ok": true})
        );
        assert!(matches!(
            first.json::<Vec<u8>>(),
            Err(crate::Error::Unavailable(_))
        ));
        assert_eq!(post(url, "y").send(), Err(Error::TimedOut));
        assert!(
            matches!(get(url).send(), Err(Error::Unreachable(why)) if why.contains("no answer"))
        );
        assert_eq!(
            get("https://other.example/?token=secret").send(),
            Err(Error::NotGranted("https://other.example".into()))
        );
        let asked = host.http_requests();
        assert_eq!(asked.len(), 4);
        assert_eq!(asked[0].headers, [("A".to_owned(), "b".to_owned())]);
        drop(host);
        assert!(matches!(get(url).send(), Err(Error::NotGranted(_))));
    }
}
