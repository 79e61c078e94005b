//! CORS: which web pages of other origins may call the API (`[api] cors_origins`).
//!
//! A browser sends a preflight without the page's API key, so a preflight needs none. This holds
//! only for allowed origins; any other `OPTIONS` request is handled like every other call.

use axum::http::{HeaderMap, HeaderValue, Method, header};

const METHODS: &str = "GET, POST, PUT, DELETE";
const HEADERS: &str =
    "content-type, authorization, x-api-key, idempotency-key, prefer, x-request-id";
/// Response headers that a page may read in addition to those that browsers always expose.
const EXPOSED: &str =
    "location, retry-after, preference-applied, x-request-id, www-authenticate, allow";

/// The allowed origins.
#[derive(Debug)]
pub(super) struct Cors {
    origins: Vec<HeaderValue>,
}

impl Cors {
    pub(super) fn new(origins: &[String]) -> Self {
        Self {
            origins: origins
                .iter()
                .filter_map(|origin| origin.parse().ok())
                .collect(),
        }
    }

    /// The request's `Origin` header, if it is an allowed origin.
    pub(super) fn allowed<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        headers
            .get(header::ORIGIN)
            .filter(|origin| self.origins.contains(origin))
    }

    pub(super) fn is_preflight(&self, method: &Method, headers: &HeaderMap) -> bool {
        method == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && self.allowed(headers).is_some()
    }

    /// Adds the CORS headers to a response. `origin` is the allowed origin of the request, if any.
    pub(super) fn decorate(
        &self,
        origin: Option<HeaderValue>,
        is_preflight: bool,
        headers: &mut HeaderMap,
    ) {
        if self.origins.is_empty() {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        let Some(origin) = origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if is_preflight {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static(METHODS),
            );
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static(HEADERS),
            );
        } else {
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(EXPOSED),
            );
        }
    }
}
