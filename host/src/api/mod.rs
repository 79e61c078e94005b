//! REST: handlers parse, call one method of a service, and shape the answer. The only place that
//! knows HTTP status codes.
//!
//! A handler's file has all of its call: path, method, what a caller needs, the request and the
//! answer as types.

mod access;
mod app;
mod bodies;
mod caller;
mod content;
mod earlier;
mod edge;
mod error;
mod extract;
mod fault;
mod helper;
mod json;
mod object;
mod once;
mod openapi;
mod pairing;
mod paths;
mod probes;
mod recipient;
mod reference;
mod route;
mod routes;
mod seed;
mod session;
mod submit;
mod time;
mod v1;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, middleware};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
};

pub use self::edge::{raise_descriptor_limit, serve};
use self::{
    access::{Access, Guard},
    app::App,
    error::ApiError,
    paths::Paths,
    reference::Document,
    route::MAX_BODY,
};
use crate::{
    config::Config,
    services::{HelperAddress, Services},
};

/// The OpenAPI document of this version, as JSON.
#[must_use]
pub fn document() -> String {
    let (_, calls) = routes::all().split();
    openapi::document(&calls).to_string()
}

/// All routes over `services`; `helper` is where people reach helper pages.
pub fn router(services: Services, config: &Config, helper: HelperAddress) -> Router {
    let access = Access::new(&config.api, &helper.base);
    let app = App::new(services, config, helper, Document::new(document));
    let (routes, calls) = routes::all().split();
    let paths = Paths::new(calls.iter());
    let guard = Arc::new(Guard::new(access, &app, &routes, calls));
    // One layer: each layer of a router of its own is a box more to be cloned for every request.
    let inside = ServiceBuilder::new()
        // What the guard says on every answer, it says of a panic too.
        .layer(middleware::from_fn_with_state(guard, access::guard))
        .layer(CatchPanicLayer::custom(ApiError::panicked))
        .layer(DefaultBodyLimit::max(MAX_BODY));
    // Around the whole router: it says which methods a path takes outside of its own layers.
    let around = ServiceBuilder::new()
        .map_request(access::bounded_id)
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(middleware::from_fn_with_state(
            Arc::new(paths),
            error::shape,
        ))
        .layer(CatchPanicLayer::custom(ApiError::panicked));
    Router::new()
        .fallback_service(routes.layer(inside).with_state(app))
        .layer(around)
}
