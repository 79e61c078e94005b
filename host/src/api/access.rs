//! Who may call.
//!
//! With keys: whoever shows one. Without (the bind is loopback then, or the gateway does not start): programs of this
//! machine, but no web page that a browser of this machine has open, whatever name its host resolves to.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use super::{App, reply::Failure};
use crate::config;

/// Paths that need no key: probes of a platform.
const OPEN: [&str; 3] = ["/livez", "/readyz", "/health"];

/// Below it everything has a token of its own.
const HELPER: &str = "/passkey/";

#[derive(Debug)]
pub(super) struct Access {
    /// SHA-256 of each key.
    keys: Vec<[u8; 32]>,
    open_metrics: bool,
    cors_origins: Vec<String>,
    /// Host of the address that people are told.
    public_host: Option<String>,
}

/// Whose call it is: the scope of idempotency keys.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) String);

impl Access {
    /// `public` is the address that people are told for helper pages.
    pub(super) fn new(settings: &config::Api, public: &str) -> Self {
        let digest = |key: &String| match key.strip_prefix("sha256:").and_then(|hash| hex::decode(hash).ok()?.try_into().ok()) {
            Some(digest) => digest,
            None => Sha256::digest(key).into(),
        };
        Self {
            keys: settings.keys.iter().map(digest).collect(),
            open_metrics: settings.open_metrics,
            cors_origins: settings.cors_origins.clone(),
            public_host: url::Url::parse(public).ok().and_then(|url| url.host_str().map(ToOwned::to_owned)),
        }
    }

    fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<Caller, Failure> {
        // A helper page needs no key but its token. Without keys other pages of this machine's browser are kept out all the same.
        let is_helper = path.starts_with(HELPER);
        if is_helper && (!self.keys.is_empty() || self.is_public(headers)) {
            return Ok(Caller("helper".into()));
        }
        let open = OPEN.contains(&path) || (path == "/metrics" && self.open_metrics);
        if self.keys.is_empty() {
            return self.local(method, headers).map(|()| Caller("local".into()));
        }
        match presented(headers).map(|key| <[u8; 32]>::from(Sha256::digest(key))) {
            Some(digest) if self.known(&digest) => Ok(Caller(hex::encode(&digest[..8]))),
            _ if open => Ok(Caller("open".into())),
            Some(_) => Err(Failure::new(StatusCode::UNAUTHORIZED, "invalid_api_key", "Unauthorized", "this API key is not known")),
            None => Err(Failure::new(
                StatusCode::UNAUTHORIZED,
                "missing_api_key",
                "Unauthorized",
                "an API key is needed: Authorization: Bearer <key>, or X-Api-Key: <key>",
            )),
        }
    }

    fn is_public(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).and_then(|host| host.parse::<Authority>().ok());
        host.is_some_and(|host| self.public_host.as_deref() == Some(host.host()))
    }

    /// Looks at every key and every byte, so that the time taken tells nothing.
    fn known(&self, digest: &[u8; 32]) -> bool {
        self.keys.iter().fold(false, |found, key| found | (key.iter().zip(digest).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0))
    }

    fn local(&self, method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
        let refuse = |code: &str, message: &str| Err(Failure::new(StatusCode::FORBIDDEN, code, "Forbidden", message));
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
        if !text(header::HOST).is_some_and(|host| host.parse::<Authority>().is_ok_and(|authority| is_loopback(authority.host()))) {
            return refuse(
                "host_not_loopback",
                "without API keys only requests to localhost are answered; set WHARF_API_KEY to open the gateway to others",
            );
        }
        let foreign = text(header::ORIGIN).filter(|origin| !self.cors_origins.iter().any(|allowed| allowed == origin));
        if foreign.is_some_and(|origin| !url::Url::parse(origin).is_ok_and(|url| url.host_str().is_some_and(is_loopback))) {
            return refuse("origin_not_allowed", "requests of web pages are not answered; list their origin in [api] cors_origins");
        }
        let empty = text(header::CONTENT_LENGTH).is_none_or(|length| length == "0") && !headers.contains_key(header::TRANSFER_ENCODING);
        if method == Method::POST && !empty && !is_json(headers) {
            let message = "the body must be JSON, with Content-Type: application/json";
            return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", message));
        }
        Ok(())
    }
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn presented(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")));
    bearer.map(|(_, key)| key.trim()).or_else(|| text("x-api-key"))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(super) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match app.access.check(request.method(), request.uri().path(), request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &[&str], method: &Method, path: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let settings = config::Api { keys: keys.iter().map(ToString::to_string).collect(), ..config::Api::default() };
        let pairs = headers.iter().map(|(name, value)| (name.parse::<header::HeaderName>().expect("name"), value.parse().expect("value")));
        let answer = Access::new(&settings, "https://wharf.example.org").check(method, path, &pairs.collect());
        answer.map(|caller| caller.0).map_err(|failure| failure.into_response().status().as_u16())
    }

    #[test]
    fn without_keys_only_this_machine_is_answered_and_no_web_page() {
        let get = |headers: &[(&str, &str)]| check(&[], &Method::GET, "/api/whatsapp/status", headers);
        for host in ["localhost:3001", "127.0.0.1", "[::1]:3001", "LOCALHOST"] {
            assert!(get(&[("host", host)]).is_ok(), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1:3001", "127.0.0.1.nip.io"] {
            assert_eq!(get(&[("host", host)]), Err(403), "{host}");
        }
        assert_eq!(get(&[]), Err(403), "no Host");
        assert_eq!(get(&[("host", "localhost"), ("origin", "https://evil.example")]), Err(403));
        assert!(get(&[("host", "localhost"), ("origin", "http://localhost:8080")]).is_ok());

        let post = |headers: &[(&str, &str)]| check(&[], &Method::POST, "/api/whatsapp/reconnect", headers);
        assert!(post(&[("host", "localhost")]).is_ok(), "no body, no Origin");
        assert!(post(&[("host", "localhost"), ("content-length", "2"), ("content-type", "application/json; charset=utf-8")]).is_ok());
        assert_eq!(post(&[("host", "localhost"), ("content-length", "2"), ("content-type", "text/plain")]), Err(415), "a form of another site");
        assert_eq!(post(&[("host", "localhost"), ("origin", "null")]), Err(403), "a sandboxed page");
    }

    #[test]
    fn with_keys_one_must_be_shown_by_either_header() {
        let hashed = format!("sha256:{}", hex::encode(Sha256::digest("second-key-0123456789")));
        let keys = ["first-key-0123456789", hashed.as_str()];
        let get = |path: &str, headers: &[(&str, &str)]| check(&keys, &Method::GET, path, headers);
        let status = "/api/whatsapp/status";
        assert_eq!(get(status, &[("host", "localhost")]), Err(401));
        assert_eq!(get(status, &[("x-api-key", "wrong-key-0123456789")]), Err(401));
        let first = get(status, &[("authorization", "Bearer first-key-0123456789")]).expect("known");
        let second = get(status, &[("x-api-key", "second-key-0123456789")]).expect("known by its hash");
        assert_ne!(first, second, "keys have scopes of their own");
        for path in OPEN {
            assert!(get(path, &[]).is_ok(), "{path}");
        }
        assert_eq!(get("/metrics", &[]), Err(401));
    }

    #[test]
    fn a_helper_page_needs_a_key_or_an_address_that_people_were_told() {
        let page = "/passkey/pk_0";
        assert!(check(&["first-key-0123456789"], &Method::GET, page, &[("host", "10.0.0.1")]).is_ok(), "its token is the key");
        assert!(check(&[], &Method::GET, page, &[("host", "localhost:3001")]).is_ok());
        assert!(check(&[], &Method::GET, page, &[("host", "wharf.example.org")]).is_ok());
        assert_eq!(check(&[], &Method::GET, page, &[("host", "10.0.0.1:3001")]), Err(403));
        assert_eq!(check(&[], &Method::GET, "/v1/sessions", &[("host", "wharf.example.org")]), Err(403), "that door is the helper's alone");
    }
}
