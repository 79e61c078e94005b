//! The guard: middleware that every request passes. It answers preflights, refuses requests that
//! may not proceed, and passes the others to the routes with the view of their API key.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tower::{Service, ServiceBuilder};
use tower_http::{catch_panic::CatchPanicLayer, request_id::RequestId};

use super::{Access, Admitted, Known, refuse};
use crate::{
    api::{
        app::App,
        caller::Caller,
        edge::{Peer, ProbesOnly},
        error::{ApiError, Code},
        route::{Calls, MAX_BODY, Need},
    },
    config::Scope,
    services::View,
};

/// The state of [`guard`].
#[derive(Debug)]
pub(in crate::api) struct Guard {
    access: Access,
    app: App,
    calls: Calls,
    /// For each key, by its index in `access.keys`: the routes over its restricted services. `None`
    /// for a key without restrictions.
    views: Vec<Option<Router>>,
}

impl Guard {
    /// A guard in front of `routes`. Each restricted key gets a copy of the routes whose state is
    /// its restricted `app`.
    pub(in crate::api) fn new(
        access: Access,
        app: &App,
        routes: &Router<App>,
        calls: Calls,
    ) -> Self {
        let view = |known: &Known| {
            let rights = known.rights.as_ref()?;
            let may_link = rights.scopes.contains(&Scope::Control);
            if rights.sessions.is_none() && may_link {
                return None;
            }
            let app = app.restricted(&View {
                sessions: rights.sessions.clone(),
                may_link,
            });
            let around = ServiceBuilder::new()
                .layer(CatchPanicLayer::custom(ApiError::panicked))
                .layer(DefaultBodyLimit::max(MAX_BODY));
            Some(routes.clone().layer(around).with_state(app))
        };
        let views = access.keys.iter().map(view).collect();
        Self {
            access,
            app: app.clone(),
            calls,
            views,
        }
    }

    async fn answer(&self, mut request: Request, next: Next) -> Result<Response, ApiError> {
        let access = &self.access;
        is_ambiguous(request.headers())?;
        let matched = request
            .extensions()
            .get::<MatchedPath>()
            .map_or("", MatchedPath::as_str);
        let need = self.calls.need(matched, request.method());
        if request.extensions().get::<ProbesOnly>().is_some()
            && !need.is_some_and(Need::is_of_monitoring)
        {
            let message =
                "every connection is taken, so only probes are answered; try again in a moment";
            return refuse(Code::TooManyConnections, message)
                .map_err(|error: ApiError| error.after(1));
        }
        if !access.keys.is_empty()
            && access
                .cors
                .is_preflight(request.method(), request.headers())
        {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let Admitted { caller, limited } =
            access.check(request.method(), request.uri(), request.headers(), need)?;
        if access
            .cors
            .is_preflight(request.method(), request.headers())
        {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let mut view = None;
        // A call that is not in the table is not routed either, so it needs no check.
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
            // A proxy in front of the gateway may have used a Content-Length that the request had
            // as well (request smuggling). The bytes that follow on this connection are therefore
            // not trusted.
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// Passes the request to the router of a restricted key. The extensions are removed, because axum
/// would take the path matched by the first router for the prefix of a nested one.
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

pub(in crate::api) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let cors = &guard.access.cors;
    let (origin, is_preflight) = (
        cors.allowed(request.headers()).cloned(),
        request.method() == Method::OPTIONS,
    );
    let (mut response, is_refused) = match guard.answer(request, next).await {
        Ok(response) => (response, false),
        Err(error) => (error.into_response(), true),
    };
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // Keeps other sites from embedding responses (`no-cors` requests). Pages of `cors_origins` use
    // CORS requests, which this header does not affect.
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("same-origin"),
    );
    cors.decorate(
        origin,
        is_preflight && status == StatusCode::NO_CONTENT,
        headers,
    );
    // The connection is closed when the request body was not read to its end. Without this header
    // the client would send its next request on it and lose that request.
    if is_refused || status == StatusCode::PAYLOAD_TOO_LARGE {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Refuses requests that a proxy in front of the gateway may interpret differently than the gateway
/// does.
pub(super) fn is_ambiguous(headers: &HeaderMap) -> Result<(), ApiError> {
    for name in [header::HOST, header::ORIGIN] {
        if headers.get_all(&name).iter().nth(1).is_some() {
            return refuse(
                Code::AmbiguousRequest,
                format!("the request has more than one {name} header"),
            );
        }
    }
    Ok(())
}
