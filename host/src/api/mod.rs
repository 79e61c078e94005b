//! The REST API. A handler parses a request, calls one method of a service and shapes the response.
//! Only this module knows HTTP status codes.
//!
//! A handler's file defines its call completely: path, method, required scope, and the types of
//! request and response.

mod access;
mod app;
mod bodies;
mod caller;
mod content;
mod edge;
mod error;
mod extract;
mod fault;
mod helper;
mod idempotency;
mod json;
mod legacy_digests;
mod method;
mod object;
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
pub mod written;

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

/// The router of all calls over `services`. `helper` is the public address of helper pages.
pub fn router(services: Services, config: &Config, helper: HelperAddress) -> Router {
    let access = Access::new(&config.api, &helper.base);
    let app = App::new(services, config, helper, Document::new(document));
    let (routes, calls) = routes::all().split();
    let paths = Paths::new(calls.iter());
    let guard = Arc::new(Guard::new(access, &app, &routes, calls));
    // One combined layer, because every separate layer of a router is one more box that each
    // request clones.
    let inside = ServiceBuilder::new()
        // The panic handler is inside the guard, so the response to a panic gets the guard's
        // headers too.
        .layer(middleware::from_fn_with_state(guard, access::guard))
        .layer(CatchPanicLayer::custom(ApiError::panicked))
        .layer(DefaultBodyLimit::max(MAX_BODY));
    // Around the whole router, because axum adds the `Allow` header of a 405 outside the router's
    // own layers.
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
