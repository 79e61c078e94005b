//! Who may call.
//!
//! With keys: whoever shows one, for what that key may do ([`super::route`]) and with the sessions
//! that it may see ([`crate::services::View`]). Without (the bind is loopback then, or the gateway
//! does not start): programs of this machine, but no web page that a browser of this machine has
//! open, whatever name its host resolves to, and nobody who comes through a proxy.
//!
//! All of it is decided here, before a byte of the body is read.

mod cors;
mod guard;
mod local;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub(super) use self::guard::{Guard, guard};
use self::{
    cors::Cors,
    local::{HELPER, Local, is_reference},
};
use super::{
    caller::Caller,
    error::{ApiError, Code},
    route::Need,
};
use crate::{
    config::{self, Scope},
    model::ClientId,
};

/// Paths that need no key: probes of a platform.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/health"];
const METRICS: &str = "/metrics";

/// Names under which keys are put into addresses.
const IN_ADDRESS: [&str; 7] = [
    "key",
    "apikey",
    "api_key",
    "api-key",
    "x-api-key",
    "token",
    "access_token",
];

/// Characters of a caller's own request id.
const MAX_REQUEST_ID: usize = 128;

#[derive(Debug)]
pub(super) struct Access {
    keys: Vec<Known>,
    open_metrics: bool,
    local: Local,
    cors: Cors,
}

/// One key.
struct Known {
    /// SHA-256 of it.
    digest: [u8; 32],
    caller: Caller,
    /// None: it may do everything.
    rights: Option<Rights>,
}

/// Without the digest: short keys can be found from it.
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known")
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

/// What a key of `[[api.key]]` may do.
#[derive(Debug)]
struct Rights {
    name: String,
    scopes: Vec<Scope>,
    /// None: all sessions.
    sessions: Option<BTreeSet<ClientId>>,
}

/// A call that may go on.
struct Admitted<'a> {
    caller: Caller,
    /// The place of its key, where that may not do everything.
    limited: Option<(usize, &'a Rights)>,
}

fn refuse<T>(code: Code, message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::new(code, message))
}

impl Access {
    /// `public` is the address that people are told for helper pages.
    pub(super) fn new(settings: &config::Api, public: &str) -> Self {
        let known = |key: &config::Secret, rights| {
            let digest = key.digest();
            Known {
                digest,
                caller: Caller(hex::encode(&digest[..8])),
                rights,
            }
        };
        let limited = |entry: &config::Key| {
            let all = entry.sessions.iter().any(|id| id == "*");
            let sessions = (!all).then(|| {
                entry
                    .sessions
                    .iter()
                    .filter_map(|id| id.parse().ok())
                    .collect()
            });
            known(
                &entry.key,
                Some(Rights {
                    name: entry.name.clone(),
                    scopes: entry.scopes.clone(),
                    sessions,
                }),
            )
        };
        Self {
            keys: settings
                .keys
                .iter()
                .map(|key| known(key, None))
                .chain(settings.key.iter().map(limited))
                .collect(),
            open_metrics: settings.open_metrics,
            local: Local::new(&settings.cors_origins, public),
            cors: Cors::new(&settings.cors_origins),
        }
    }

    fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Admitted<'_>, ApiError> {
        let caller = |name: &str| {
            Ok(Admitted {
                caller: Caller(name.into()),
                limited: None,
            })
        };
        let path = uri.path();
        if self.keys.is_empty() {
            return if path.starts_with(HELPER) && self.local.is_public(uri, headers) {
                // A person with a link, who may come through a proxy.
                local::no_foreign_page(method, path, headers, false)?;
                caller("helper")
            } else {
                self.local.check(method, uri, headers)?;
                caller("local")
            };
        }
        // A helper page needs no key but its token.
        if path.starts_with(HELPER) {
            return caller("helper");
        }
        let open =
            PROBES.contains(&path) || is_reference(path) || (path == METRICS && self.open_metrics);
        match presented(headers) {
            Ok(Some(key)) => match self.known(&Sha256::digest(key).into()) {
                Some((place, known)) => Ok(Admitted {
                    caller: known.caller.clone(),
                    limited: known.rights.as_ref().map(|rights| (place, rights)),
                }),
                None if open => caller("open"),
                None => refuse(Code::InvalidApiKey, "this API key is not known"),
            },
            _ if open => caller("open"),
            Ok(None) if has_key_in_address(uri) => {
                let message = "a key in the address is not read, because addresses stand in logs: send it as Authorization: Bearer <key>, or X-Api-Key: <key>, and make another one";
                refuse(Code::ApiKeyInAddress, message)
            }
            Ok(None) => refuse(
                Code::MissingApiKey,
                "an API key is needed: Authorization: Bearer <key>, or X-Api-Key: <key>",
            ),
            Err(error) => Err(error),
        }
    }

    /// Looks at every key and every byte, so that the time taken tells nothing.
    fn known(&self, digest: &[u8; 32]) -> Option<(usize, &Known)> {
        let is_same = |key: &Known| bool::from(key.digest.ct_eq(digest));
        self.keys
            .iter()
            .enumerate()
            .fold(None, |found, (place, key)| {
                if is_same(key) {
                    Some((place, key))
                } else {
                    found
                }
            })
    }
}

impl Rights {
    /// Whether the key may make a call that needs this.
    fn check(&self, need: Need) -> Result<(), ApiError> {
        let (scope, all) = match need {
            Need::Nothing | Need::Token => return Ok(()),
            Need::Of(scope) => (scope, false),
            Need::All(scope) => (scope, true),
        };
        if !self.scopes.contains(&scope) {
            let message = format!(
                "this call needs the scope {:?}, which the key {:?} has not",
                scope.as_str(),
                self.name
            );
            return refuse(Code::ScopeMissing, message);
        }
        if all && self.sessions.is_some() {
            let message = format!(
                "this call is about all sessions, and the key {:?} is for some of them",
                self.name
            );
            return refuse(Code::ScopeMissing, message);
        }
        Ok(())
    }
}

/// The key that is shown. Two of them are none: whoever put the second one there may be another
/// than who sent the first.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let several = || {
        refuse(
            Code::SeveralApiKeys,
            "the request shows more than one key; send one, in one header",
        )
    };
    let one = |name: &str| {
        let mut all = headers.get_all(name).iter();
        let first = all.next();
        if all.next().is_some() {
            several()
        } else {
            Ok(first.and_then(|value| value.to_str().ok()))
        }
    };
    let bearer = one("authorization")?.and_then(|value| {
        value
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
    });
    match (bearer.map(|(_, key)| key.trim()), one("x-api-key")?) {
        (Some(bearer), Some(other)) if bearer != other => several(),
        (bearer, other) => Ok(bearer.or(other)),
    }
}

fn has_key_in_address(uri: &Uri) -> bool {
    let names = uri
        .query()
        .unwrap_or("")
        .split('&')
        .filter_map(|pair| pair.split('=').next());
    names.into_iter().any(|name| {
        IN_ADDRESS
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    })
}

/// A caller's own request id goes into answers and logs, so it is short and plain, or a new one
/// takes its place.
pub(super) fn bounded_id(mut request: Request) -> Request {
    const NAME: HeaderName = HeaderName::from_static("x-request-id");
    let is_good = |value: &HeaderValue| {
        (1..=MAX_REQUEST_ID).contains(&value.len())
            && value.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    let mut all = request.headers().get_all(NAME).iter();
    if let Some(first) = all.next()
        && (!is_good(first) || all.next().is_some())
    {
        request.headers_mut().remove(NAME);
    }
    request
}
