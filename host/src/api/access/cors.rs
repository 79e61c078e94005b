//! Web pages of other origins that the operator lets call (`[api] cors_origins`).
//!
//! A preflight asks on behalf of a page and shows no key, so it is answered without one, but only
//! for a page that may call: any other `OPTIONS` is a call like every other.

use axum::http::{HeaderMap, HeaderValue, Method, header};

const METHODS: &str = "GET, POST, DELETE";
const HEADERS: &str =
    "content-type, authorization, x-api-key, idempotency-key, prefer, x-request-id";
/// What a page may read of an answer beside what every page may.
const EXPOSED: &str =
    "location, retry-after, preference-applied, x-request-id, www-authenticate, allow";

/// Those pages.
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

    /// The origin of the request, if it may call.
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

    /// Says in the answer to a request of `origin` that its page may read it.
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
