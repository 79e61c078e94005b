//! Access control of a gateway without API keys: which requests of this machine are answered.
//!
//! The gateway then listens on a loopback address, so every client is a program of this machine.
//! Two kinds of program act for somebody else and are refused: a browser, for any web page that it
//! has open, and a reverse proxy, for its own clients.

use axum::http::{HeaderMap, Method, Uri, header, uri::Authority};

use crate::api::{
    error::{ApiError, Code},
    extract::is_json,
    method::takes_body,
    route::Need,
};

/// The operator's settings for access without API keys.
#[derive(Debug)]
pub(super) struct Local {
    cors_origins: Vec<String>,
    /// The host of the public address of helper pages.
    public_host: Option<String>,
}

impl Local {
    pub(super) fn new(cors_origins: &[String], public: &str) -> Self {
        let public_host = url::Url::parse(public)
            .ok()
            .and_then(|url| url.host_str().map(ToOwned::to_owned));
        Self {
            cors_origins: cors_origins.to_vec(),
            public_host,
        }
    }

    /// Whether the request was sent to the public address of helper pages.
    pub(super) fn is_public(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let is_public = |host: &str| {
            self.public_host
                .as_deref()
                .is_some_and(|public| public.eq_ignore_ascii_case(host))
        };
        named(headers).is_some_and(|host| is_public(host.host()))
            && uri.host().is_none_or(is_public)
    }

    pub(super) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        need: Option<Need>,
    ) -> Result<(), ApiError> {
        // The request line has a host too when the request has the form meant for a proxy.
        if !named(headers).is_some_and(|host| is_loopback(host.host()))
            || !uri.host().is_none_or(is_loopback)
        {
            let message = "without API keys only requests to localhost are answered; set WHARF_API_KEY to open the gateway to others";
            return Err(ApiError::new(Code::HostNotLoopback, message));
        }
        if let Some(sign) = headers.keys().find(|name| is_of_proxy(name.as_str())) {
            let message = format!(
                "the request came through a proxy (it has the header {sign}), and without API keys that would open the gateway to whoever reaches the proxy; set WHARF_API_KEY or [api] keys, and send a key"
            );
            return Err(ApiError::new(Code::ProxyWithoutApiKeys, message));
        }
        let origin = headers
            .get(header::ORIGIN)
            .map(|origin| origin.to_str().unwrap_or(""));
        let is_known = origin.map(|origin| {
            self.cors_origins.iter().any(|allowed| allowed == origin)
                || url::Url::parse(origin).is_ok_and(|url| url.host_str().is_some_and(is_loopback))
        });
        if is_known == Some(false) {
            let message =
                "requests of web pages are not answered; list their origin in [api] cors_origins";
            return Err(ApiError::new(Code::OriginNotAllowed, message));
        }
        no_foreign_page(method, headers, need, is_known == Some(true))?;
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let empty = text(header::CONTENT_LENGTH).is_none_or(|length| length == "0")
            && !headers.contains_key(header::TRANSFER_ENCODING);
        if takes_body(method) && !empty && !is_json(headers) {
            let message = "the body must be JSON, with Content-Type: application/json";
            return Err(
                ApiError::new(Code::UnsupportedMediaType, message).titled("Unsupported Media Type")
            );
        }
        Ok(())
    }
}

/// Refuses requests that a page of another site makes the browser send without an `Origin` header:
/// images, scripts, forms and links. A link may open the pages for people: the passkey helper and
/// the API reference. Another port of this machine is the same site.
pub(super) fn no_foreign_page(
    method: &Method,
    headers: &HeaderMap,
    need: Option<Need>,
    has_known_origin: bool,
) -> Result<(), ApiError> {
    let says = |name: &str, word: &str| headers.get_all(name).iter().any(|value| value == word);
    if has_known_origin || !says("sec-fetch-site", "cross-site") {
        return Ok(());
    }
    let is_link = *method == Method::GET
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document");
    if is_link && need.is_some_and(Need::is_for_people) {
        return Ok(());
    }
    let message = "what a web page of another site asks is not answered; list its origin in [api] cors_origins";
    Err(ApiError::new(Code::CrossSite, message))
}

fn named(headers: &HeaderMap) -> Option<Authority> {
    headers.get(header::HOST)?.to_str().ok()?.parse().ok()
}

fn is_of_proxy(header: &str) -> bool {
    matches!(
        header,
        "forwarded" | "via" | "x-real-ip" | "x-client-ip" | "true-client-ip" | "cf-connecting-ip"
    ) || header.starts_with("x-forwarded-")
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}
