//! Limits on the size and the headers of a plugin's request. They are checked before the request is
//! built, because the types of the `http` crate panic beyond limits of their own, and a plugin must
//! not be able to cause that.
//!
//! Only the gateway decides where a call goes and how it is framed, because the grants depend on
//! that. With a `Host` header of its own, a plugin could reach another site at the same address,
//! and with framing headers it could smuggle another request into the connection. Headers that
//! concern only the receiver (`Authorization`, `Cookie`, `User-Agent`, `X-Forwarded-For`) are up to
//! the plugin, because the operator has granted that receiver.

use reqwest::header::HeaderName;

/// Maximum number of header lines. Receivers commonly accept about a hundred.
const MAX_HEADERS: usize = 100;
/// Maximum number of bytes of all header names and values. Servers commonly refuse more than 8 to
/// 32 KiB.
pub const MAX_HEADER_BYTES: usize = 32 << 10;
/// Maximum length of the URL in bytes.
const MAX_URL: usize = 8 << 10;
/// Maximum length of the method in bytes.
const MAX_METHOD: usize = 32;
/// Maximum length of the body in bytes.
pub const MAX_BODY: usize = 2 << 20;

/// Bytes of a header name that an error message quotes.
const MAX_TOLD: usize = 64;

/// Headers that only the gateway sets: those of the connection and of the framing, and `Host`.
const OURS: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "trailer",
    "te",
    "connection",
    "keep-alive",
    "upgrade",
    "http2-settings",
    "expect",
];
const OURS_BEGIN: &str = "proxy-";

/// Methods that plugins may not use.
const NOT_MADE: [&str; 2] = ["CONNECT", "TRACE"];

/// A request that a plugin wants to be made. Nothing of it was checked yet.
#[derive(Clone)]
pub struct Request {
    /// The method, such as `POST`.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// The names and values of the headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Prints neither the URL, which may contain a secret, nor headers and body.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("headers", &self.headers.len())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A request that breaks a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The part that is wrong.
    pub part: Part,
    /// What is wrong with it and what is allowed, for people.
    pub words: String,
}

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Part {
    Method,
    Url,
    Headers,
    Body,
}

/// Why a request is refused, or `None` if it is allowed.
pub(super) fn fault(request: &Request) -> Option<Fault> {
    let Request {
        method,
        url,
        headers,
        body,
    } = request;
    let header_bytes: usize = headers
        .iter()
        .map(|(name, value)| name.len().saturating_add(value.len()))
        .sum();
    let fault = |part| move |words| Fault { part, words };
    [
        (Part::Method, "bytes of method", method.len(), MAX_METHOD),
        (Part::Url, "bytes of URL", url.len(), MAX_URL),
        (Part::Headers, "headers", headers.len(), MAX_HEADERS),
        (
            Part::Headers,
            "bytes of headers",
            header_bytes,
            MAX_HEADER_BYTES,
        ),
        (Part::Body, "bytes of body", body.len(), MAX_BODY),
    ]
    .into_iter()
    .find(|(_, _, is, most)| is > most)
    .map(|(part, what, is, most)| Fault {
        part,
        words: format!("the plugin's request has {is} {what}, and may have {most}"),
    })
    .or_else(|| {
        NOT_MADE
            .contains(&&*method.to_ascii_uppercase())
            .then(|| {
                format!("the plugin's request has the method {method:?}, which is not allowed")
            })
            .map(fault(Part::Method))
    })
    .or_else(|| {
        headers
            .iter()
            .find_map(|(name, _)| header(name))
            .map(fault(Part::Headers))
    })
}

/// Whether only the gateway sets the header of this name, which is in lower case.
#[must_use]
pub fn sets_only_gateway(name: &str) -> bool {
    OURS.contains(&name) || name.starts_with(OURS_BEGIN)
}

/// Why a header of this name is refused, or `None` if it is allowed.
fn header(name: &str) -> Option<String> {
    let told = &name[..name.floor_char_boundary(MAX_TOLD)];
    let small = name.to_ascii_lowercase();
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Some(format!(
            "the plugin's request sets {told:?}, which is no header name"
        ));
    }
    sets_only_gateway(&small)
        .then(|| format!("the plugin's request sets the header {told:?}, which the gateway sets by itself; leave it out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_request_is_measured() {
        let request = |headers: usize, value: usize, url: usize, body: usize| Request {
            method: "POST".into(),
            url: "u".repeat(url),
            headers: (0..headers)
                .map(|n| (format!("x-{n:05}"), vec![b'v'; value]))
                .collect(),
            body: vec![0; body],
        };
        assert_eq!(fault(&request(100, 300, 8 << 10, 2 << 20)), None);
        for (request, said) in [
            (request(101, 1, 9, 0), "101 headers, and may have 100"),
            (request(26_000, 1, 9, 0), "26000 headers"),
            (request(1, 40 << 10, 9, 0), "bytes of headers"),
            (request(0, 0, 9 << 10, 0), "bytes of URL"),
            (request(0, 0, 9, 3 << 20), "bytes of body"),
            (
                Request {
                    method: "X".repeat(33),
                    ..request(0, 0, 9, 0)
                },
                "bytes of method",
            ),
        ] {
            assert!(
                fault(&request).is_some_and(|fault| fault.words.contains(said)),
                "{said}"
            );
        }
    }

    #[test]
    fn what_says_where_a_call_goes_and_how_it_is_framed_is_not_the_plugins_to_set() {
        for name in [
            "Host",
            "host",
            "Content-Length",
            "Transfer-Encoding",
            "TRAILER",
            "TE",
            "Connection",
            "Keep-Alive",
            "Proxy-Authorization",
            "proxy-connection",
            "Upgrade",
            "HTTP2-Settings",
            "Expect",
        ] {
            let said = header(name).expect(name);
            assert!(
                said.contains(&format!("{name:?}")) && said.contains("leave it out"),
                "{said}"
            );
        }
        for name in [
            "host ",
            "ho\r\nst",
            "",
            ":authority",
            "hóst",
            &"x\n".repeat(1 << 20),
        ] {
            let said = header(name).expect(name);
            assert!(
                said.contains("no header name") && said.len() < 300 && !said.contains('\n'),
                "{said}"
            );
        }
        for name in [
            "Authorization",
            "Content-Type",
            "Cookie",
            "User-Agent",
            "X-Webhook-Hmac",
            "X-Forwarded-For",
            "Hosts",
            "Date",
        ] {
            assert_eq!(header(name), None, "{name}");
        }
        let request = |method: &str| Request {
            method: method.into(),
            url: "https://x".into(),
            headers: vec![
                ("a".into(), b"b".to_vec()),
                ("HOST".into(), b"other".to_vec()),
            ],
            body: vec![],
        };
        assert!(fault(&request("POST")).is_some_and(|fault| fault.words.contains("\"HOST\"")));
        assert!(
            fault(&request("Connect")).is_some_and(|fault| fault.words.contains("\"Connect\""))
        );
    }
}
