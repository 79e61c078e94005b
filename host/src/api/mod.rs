//! REST: handlers parse, call one method of [`Core`], and shape the answer. The only place that knows HTTP status codes.

mod access;
mod answers;
mod body;
mod content;
mod core;
mod earlier;
mod edge;
mod extract;
mod helper;
mod json;
mod linking;
mod object;
mod once;
mod paths;
mod probes;
mod problem;
mod recipient;
mod reply;
mod restricted;
mod routes;
mod seed;
mod storage;
mod submit;
mod v1;
mod vcard;

use std::{any::Any, sync::Arc, time::Instant};

use axum::{Router, extract::DefaultBodyLimit, http::StatusCode, middleware, response::Response};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
};

pub use self::core::{Core, HeldAction, SendCall, SendFailure, SendReply, SessionAction, SessionFailure};
pub use self::edge::{raise_descriptor_limit, serve};
pub use self::linking::LinkFailure;
pub use self::v1::passkey::{HelperAddress, PasskeyFailure};
use self::{
    access::{Access, Guard},
    body::Bodies,
    reply::Failure,
};
use crate::config;

/// Bytes of a request body.
const MAX_BODY: usize = 1 << 20;
/// Calls of helper pages a minute, all of them together. A page that is open makes 30.
const HELPER_CALLS: u32 = 600;

/// What handlers share.
#[derive(Debug, Clone)]
struct App {
    core: Arc<dyn Core>,
    access: Arc<Access>,
    bodies: Arc<Bodies>,
    started: Instant,
    helper: Arc<helper::Limit>,
}

/// All routes over `core`.
pub fn router(core: Arc<dyn Core>, settings: &config::Api, server: &config::Server) -> Router {
    let access = Arc::new(Access::new(settings, &core.helper().base));
    let bodies = Arc::new(Bodies::new(server.large_bodies.0));
    let app = App { core, access, bodies, started: Instant::now(), helper: Arc::new(helper::Limit::new(HELPER_CALLS)) };
    let (routes, needs, paths) = routes::all();
    let routes = routes
        .fallback(|| async { Failure::new(StatusCode::NOT_FOUND, "not_found", "Not found", "there is no such path") })
        .method_not_allowed_fallback(|| async {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", "this path does not take that method")
        });
    let guard = Arc::new(Guard::new(&app, &routes, needs));
    // One layer: each layer of a router of its own is a box more to be cloned for every request.
    let inside = ServiceBuilder::new()
        // What the guard says on every answer, it says of a panic too.
        .layer(middleware::from_fn_with_state(guard, access::guard))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::max(MAX_BODY));
    // Around the whole router: it says which methods a path takes outside of its own layers.
    let around = ServiceBuilder::new()
        .map_request(access::bounded_id)
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(middleware::from_fn_with_state(Arc::new(paths), answers::shape))
        .layer(CatchPanicLayer::custom(panicked));
    Router::new().fallback_service(routes.layer(inside).with_state(app)).layer(around)
}

/// The words of a panic may quote anything; they go to the log by the panic hook, never to a caller.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    use axum::response::IntoResponse;
    Failure::internal("a panic; standard error says where").into_response()
}
