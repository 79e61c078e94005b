//! Authentication and authorisation of API calls.
//!
//! If API keys are configured, a call needs one of them. The key's scopes say which calls it may
//! make ([`super::route`]), and its sessions what it can see ([`crate::services::View`]). Without
//! keys the gateway listens on a loopback address only (otherwise it does not start) and answers
//! programs of this machine. It then refuses web pages that a browser has open, also those whose
//! host name resolves to this machine, and requests that came through a proxy.
//!
//! All of this is decided before a byte of the body is read.

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
use self::{cors::Cors, local::Local};
use super::{
    caller::Caller,
    error::{ApiError, Code},
    route::Need,
};
use crate::{
    config::{self, Scope},
    model::ClientId,
};

/// Names of query parameters in which callers put API keys by mistake.
const IN_ADDRESS: [&str; 7] = [
    "key",
    "apikey",
    "api_key",
    "api-key",
    "x-api-key",
    "token",
    "access_token",
];

/// The most characters of a request id that the caller gives.
const MAX_REQUEST_ID: usize = 128;

#[derive(Debug)]
pub(super) struct Access {
    keys: Vec<Known>,
    open_metrics: bool,
    local: Local,
    cors: Cors,
}

/// A configured API key.
struct Known {
    /// The SHA-256 of the key.
    digest: [u8; 32],
    caller: Caller,
    /// `None` for a key without restrictions.
    rights: Option<Rights>,
}

/// Leaves the digest out: a short key can be found from it by trying.
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
    /// `None` means all sessions.
    sessions: Option<BTreeSet<ClientId>>,
}

/// A call that has passed authentication.
struct Admitted<'a> {
    caller: Caller,
    /// The index and the rights of its key, if the key is restricted.
    limited: Option<(usize, &'a Rights)>,
}

fn refuse<T>(code: Code, message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::new(code, message))
}

impl Access {
    /// `public` is the public address of helper pages.
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

    /// `need` is what the route of the request requires; none when there is no such route.
    fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        need: Option<Need>,
    ) -> Result<Admitted<'_>, ApiError> {
        let caller = |name: &str| {
            Ok(Admitted {
                caller: Caller(name.into()),
                limited: None,
            })
        };
        if self.keys.is_empty() {
            return if need == Some(Need::Token) && self.local.is_public(uri, headers) {
                // A person who opens a link. The request may come through a proxy.
                local::no_foreign_page(method, headers, need, false)?;
                caller("helper")
            } else {
                self.local.check(method, uri, headers, need)?;
                caller("local")
            };
        }
        let open = match need {
            // The token in its path authorises a call of a helper page.
            Some(Need::Token) => return caller("helper"),
            Some(Need::Probe | Need::Reference) => true,
            Some(Need::Metrics) => self.open_metrics,
            Some(Need::Of(_) | Need::All(_)) | None => false,
        };
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
                let message = "an API key in the query string is not accepted, because addresses are written to logs; replace the key, and send the new one as Authorization: Bearer <key> or X-Api-Key: <key>";
                refuse(Code::ApiKeyInAddress, message)
            }
            Ok(None) => refuse(
                Code::MissingApiKey,
                "an API key is needed: Authorization: Bearer <key>, or X-Api-Key: <key>",
            ),
            Err(error) => Err(error),
        }
    }

    /// The key with this digest and its index. Compares every key in constant time, so that the
    /// duration says nothing about them.
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
    /// Checks that the key may make a call with this need.
    fn check(&self, need: Need) -> Result<(), ApiError> {
        let Some((scope, all)) = need.scope() else {
            return Ok(());
        };
        if !self.scopes.contains(&scope) {
            let message = format!(
                "this call needs the scope {:?}, which the key {:?} does not have",
                scope.as_str(),
                self.name
            );
            return refuse(Code::ScopeMissing, message);
        }
        if all && self.sessions.is_some() {
            let message = format!(
                "this call concerns all sessions, and the key {:?} is limited to some of them",
                self.name
            );
            return refuse(Code::ScopeMissing, message);
        }
        Ok(())
    }
}

/// The API key of the request. Two different keys are refused: a proxy may have added the second
/// one.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let several = || {
        refuse(
            Code::SeveralApiKeys,
            "the request has more than one API key; send one key in one header",
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

/// Removes a caller's request id that is not 1 to 128 visible ASCII characters, or that is given
/// more than once; a new one then takes its place. Ids appear in responses and log lines.
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
