//! Who may call.
//!
//! With keys: whoever shows one, for what that key may do ([`super::route`]) and with the sessions that it may see
//! ([`crate::services::View`]). Without (the bind is loopback then, or the gateway does not start): programs of this machine, but
//! no web page that a browser of this machine has open, whatever name its host resolves to, and nobody who comes through a
//! proxy.
//!
//! All of it is decided here, before a byte of the body is read.

mod cors;
mod local;

use std::{collections::BTreeSet, fmt, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tower::{Service, ServiceBuilder};
use tower_http::{catch_panic::CatchPanicLayer, request_id::RequestId};

use self::{
    cors::Cors,
    local::{HELPER, Local, is_reference},
};
use super::{
    app::App,
    caller::Caller,
    edge::{Crowded, Peer},
    error::{ApiError, Code},
    route::{Calls, MAX_BODY, Need},
};
use crate::{
    config::{self, Scope},
    model::ClientId,
    services::View,
};

/// Paths that need no key: probes of a platform.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/health"];
const METRICS: &str = "/metrics";

/// Names under which keys are put into addresses.
const IN_ADDRESS: [&str; 7] = ["key", "apikey", "api_key", "api-key", "x-api-key", "token", "access_token"];

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
        f.debug_struct("Known").field("rights", &self.rights).finish_non_exhaustive()
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
            Known { digest, caller: Caller(hex::encode(&digest[..8])), rights }
        };
        let limited = |entry: &config::Key| {
            let all = entry.sessions.iter().any(|id| id == "*");
            let sessions = (!all).then(|| entry.sessions.iter().filter_map(|id| id.parse().ok()).collect());
            known(&entry.key, Some(Rights { name: entry.name.clone(), scopes: entry.scopes.clone(), sessions }))
        };
        Self {
            keys: settings.keys.iter().map(|key| known(key, None)).chain(settings.key.iter().map(limited)).collect(),
            open_metrics: settings.open_metrics,
            local: Local::new(&settings.cors_origins, public),
            cors: Cors::new(&settings.cors_origins),
        }
    }

    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Admitted<'_>, ApiError> {
        let caller = |name: &str| Ok(Admitted { caller: Caller(name.into()), limited: None });
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
        let open = PROBES.contains(&path) || is_reference(path) || (path == METRICS && self.open_metrics);
        match presented(headers) {
            Ok(Some(key)) => match self.known(&Sha256::digest(key).into()) {
                Some((place, known)) => Ok(Admitted { caller: known.caller.clone(), limited: known.rights.as_ref().map(|rights| (place, rights)) }),
                None if open => caller("open"),
                None => refuse(Code::InvalidApiKey, "this API key is not known"),
            },
            _ if open => caller("open"),
            Ok(None) if has_key_in_address(uri) => {
                let message = "a key in the address is not read, because addresses stand in logs: send it as Authorization: Bearer <key>, or X-Api-Key: <key>, and make another one";
                refuse(Code::ApiKeyInAddress, message)
            }
            Ok(None) => refuse(Code::MissingApiKey, "an API key is needed: Authorization: Bearer <key>, or X-Api-Key: <key>"),
            Err(error) => Err(error),
        }
    }

    /// Looks at every key and every byte, so that the time taken tells nothing.
    fn known(&self, digest: &[u8; 32]) -> Option<(usize, &Known)> {
        let is_same = |key: &Known| bool::from(key.digest.ct_eq(digest));
        self.keys.iter().enumerate().fold(None, |found, (place, key)| if is_same(key) { Some((place, key)) } else { found })
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
            let message = format!("this call needs the scope {:?}, which the key {:?} has not", scope.as_str(), self.name);
            return refuse(Code::ScopeMissing, message);
        }
        if all && self.sessions.is_some() {
            let message = format!("this call is about all sessions, and the key {:?} is for some of them", self.name);
            return refuse(Code::ScopeMissing, message);
        }
        Ok(())
    }
}

/// The key that is shown. Two of them are none: whoever put the second one there may be another than who sent the first.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let several = || refuse(Code::SeveralApiKeys, "the request shows more than one key; send one, in one header");
    let one = |name: &str| {
        let mut all = headers.get_all(name).iter();
        let first = all.next();
        if all.next().is_some() { several() } else { Ok(first.and_then(|value| value.to_str().ok())) }
    };
    let bearer = one("authorization")?.and_then(|value| value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")));
    match (bearer.map(|(_, key)| key.trim()), one("x-api-key")?) {
        (Some(bearer), Some(other)) if bearer != other => several(),
        (bearer, other) => Ok(bearer.or(other)),
    }
}

fn has_key_in_address(uri: &Uri) -> bool {
    let names = uri.query().unwrap_or("").split('&').filter_map(|pair| pair.split('=').next());
    names.into_iter().any(|name| IN_ADDRESS.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// What programs before us may read in another way than we do.
fn is_ambiguous(headers: &HeaderMap) -> Result<(), ApiError> {
    for name in [header::HOST, header::ORIGIN] {
        if headers.get_all(&name).iter().nth(1).is_some() {
            return refuse(Code::AmbiguousRequest, format!("the request has more than one {name} header"));
        }
    }
    Ok(())
}

/// A caller's own request id goes into answers and logs, so it is short and plain, or a new one takes its place.
pub(super) fn bounded_id(mut request: Request) -> Request {
    const NAME: HeaderName = HeaderName::from_static("x-request-id");
    let is_good = |value: &HeaderValue| (1..=MAX_REQUEST_ID).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    let mut all = request.headers().get_all(NAME).iter();
    if let Some(first) = all.next()
        && (!is_good(first) || all.next().is_some())
    {
        request.headers_mut().remove(NAME);
    }
    request
}

/// What [`guard`] knows.
#[derive(Debug)]
pub(super) struct Guard {
    access: Access,
    app: App,
    calls: Calls,
    /// The routes as each key sees them, where it does not see all.
    views: Vec<Option<Router>>,
}

impl Guard {
    /// Before `routes`, which share `app`.
    pub(super) fn new(access: Access, app: &App, routes: &Router<App>, calls: Calls) -> Self {
        let view = |known: &Known| {
            let rights = known.rights.as_ref()?;
            let may_link = rights.scopes.contains(&Scope::Control);
            if rights.sessions.is_none() && may_link {
                return None;
            }
            let app = app.restricted(&View { sessions: rights.sessions.clone(), may_link });
            let around = ServiceBuilder::new().layer(CatchPanicLayer::custom(ApiError::panicked)).layer(DefaultBodyLimit::max(MAX_BODY));
            Some(routes.clone().layer(around).with_state(app))
        };
        let views = access.keys.iter().map(view).collect();
        Self { access, app: app.clone(), calls, views }
    }

    async fn answer(&self, mut request: Request, next: Next) -> Result<Response, ApiError> {
        let access = &self.access;
        is_ambiguous(request.headers())?;
        let (path, matched) = (request.uri().path(), request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str));
        if request.extensions().get::<Crowded>().is_some() && !PROBES.contains(&path) && path != METRICS {
            let message = "every connection is taken, so only probes are answered; try again in a moment";
            return refuse(Code::TooManyConnections, message).map_err(|error: ApiError| error.after(1));
        }
        if !access.keys.is_empty() && access.cors.is_preflight(request.method(), request.headers()) {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let Admitted { caller, limited } = access.check(request.method(), request.uri(), request.headers())?;
        if access.cors.is_preflight(request.method(), request.headers()) {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let mut view = None;
        // A call that is not in the table is in no router either.
        let call = self.calls.find(matched, request.method());
        if let Some((place, rights)) = limited {
            call.map_or(Ok(()), |call| rights.check(call.need))?;
            view = self.views.get(place).and_then(Option::as_ref);
        }
        let most = call.map_or(MAX_BODY, |call| call.max_body);
        request.extensions_mut().insert(caller);
        let peer = request.extensions().get::<Arc<Peer>>().cloned();
        let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
        let response = match self.app.bodies().receive(request, most).await {
            Ok(request) => match view {
                Some(view) => seen_by(view, request).await,
                None => Ok(next.run(request).await),
            },
            Err(error) => Err(error),
        };
        if peer.is_some_and(|peer| peer.is_late()) {
            let message = "the body came too slowly; nothing was stored";
            return refuse(Code::BodyTooSlow, message);
        }
        let mut response = response?;
        if chunked {
            // Where somebody before us went by a Content-Length beside it, what follows would be another's request.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// Gives the request to another router. What this one has noted of the path would there be taken for a path around it.
async fn seen_by(view: &Router, mut request: Request) -> Result<Response, ApiError> {
    let mut before = std::mem::replace(request.extensions_mut(), Extensions::new());
    if let Some(caller) = before.remove::<Caller>() {
        request.extensions_mut().insert(caller);
    }
    if let Some(id) = before.remove::<RequestId>() {
        request.extensions_mut().insert(id);
    }
    match view.clone().call(request).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let cors = &guard.access.cors;
    let (origin, is_preflight) = (cors.allowed(request.headers()).cloned(), request.method() == Method::OPTIONS);
    let (mut response, is_refused) = match guard.answer(request, next).await {
        Ok(response) => (response, false),
        Err(error) => (error.into_response(), true),
    };
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // For what pages embed without asking. Pages of `cors_origins` ask, and are answered all the same.
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    cors.decorate(origin, is_preflight && status == StatusCode::NO_CONTENT, headers);
    // A body that was not read to its end ends the connection; a client that is not told would use it again and lose a call.
    if is_refused || status == StatusCode::PAYLOAD_TOO_LARGE {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &[&str], method: &Method, path: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let settings = config::Api { keys: keys.iter().map(|key| config::Secret::new(key)).collect(), ..config::Api::default() };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().expect("name"), value.parse().expect("value"));
        }
        let access = Access::new(&settings, "https://wharf.example.org");
        let answer = is_ambiguous(&map).and_then(|()| access.check(method, &path.parse().expect("uri"), &map));
        answer.map(|admitted| admitted.caller.0).map_err(|error| error.into_response().status().as_u16())
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
        for path in PROBES {
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
