//! REST: handlers parse, call one method of [`Core`], and shape the answer. The only place that knows HTTP status codes.

mod access;
mod answers;
mod bulk;
mod content;
mod core;
mod deliveries;
mod earlier;
mod held;
mod json;
mod linking;
mod messages;
mod object;
mod once;
mod params;
mod passkey;
mod paths;
mod probes;
mod problem;
mod recipient;
mod reply;
mod seed;
mod sending;
mod sessions;
mod storage;
mod vcard;

use std::{any::Any, io, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, Method, StatusCode, header},
    middleware,
    response::Response,
    routing::{get, post},
    serve::ListenerExt,
};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::CorsLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
};

pub use self::core::{Core, HeldAction, SendCall, SendFailure, SendReply, SessionAction, SessionFailure};
pub use self::linking::LinkFailure;
pub use self::passkey::{HelperAddress, PasskeyFailure};
use self::{access::Access, paths::Routes, reply::Failure};
use crate::config;

/// Bytes of a request body.
const MAX_BODY: usize = 1 << 20;
/// Bytes of one with ten thousand recipients.
const MAX_BULK_BODY: usize = 16 << 20;
/// Calls of helper pages a minute, all of them together. A page that is open makes 30.
const HELPER_CALLS: u32 = 600;

/// What handlers share.
#[derive(Debug, Clone)]
struct App {
    core: Arc<dyn Core>,
    access: Arc<Access>,
    started: Instant,
    helper: Arc<passkey::Limit>,
}

/// All routes over `core`.
pub fn router(core: Arc<dyn Core>, settings: &config::Api) -> Router {
    let access = Arc::new(Access::new(settings, &core.helper().base));
    let app = App { core, access, started: Instant::now(), helper: Arc::new(passkey::Limit::new(HELPER_CALLS)) };
    let seed = Routes::new()
        .route("/health", get(seed::server_health))
        .route("/api/whatsapp/status", get(seed::status))
        .route("/api/whatsapp/qr", get(seed::qr))
        .route("/api/whatsapp/send", post(seed::send))
        .route("/api/whatsapp/health", get(seed::health))
        .route("/api/whatsapp/session-info", get(seed::session_info))
        .route("/api/whatsapp/pairing-code", post(linking::seed_code).delete(linking::seed_cancel))
        .route("/api/whatsapp/reconnect", post(seed::reconnect))
        .route("/api/whatsapp/cleanup-sessions", post(seed::cleanup));
    let own = Routes::new()
        .route("/v1/sessions", get(sessions::list).post(sessions::create))
        .route("/v1/sessions/{id}", get(sessions::get).delete(sessions::delete))
        .route("/v1/sessions/{id}/qr", get(sessions::qr))
        .route("/v1/sessions/{id}/pairing-code", post(linking::code).delete(linking::cancel))
        .route("/v1/sessions/{id}/passkey", get(passkey::get).post(passkey::answer).delete(passkey::cancel))
        .route("/v1/sessions/{id}/passkey/confirm", post(passkey::confirm))
        .route("/passkey/{token}", get(passkey::helper_page).post(passkey::helper_answer))
        .route("/passkey/{token}/confirm", post(passkey::helper_confirm))
        .verbs("/v1/sessions/{id}/{verb}", &sessions::VERBS, post(sessions::control))
        .route("/v1/sessions/{id}/messages", post(sending::send))
        .route("/v1/sessions/{id}/sending", get(messages::sending))
        .verbs("/v1/sessions/{id}/sending/{verb}", &messages::VERBS, post(messages::pause))
        .route("/v1/sessions/{id}/held", get(held::get))
        .verbs("/v1/sessions/{id}/held/{verb}", &held::VERBS, post(held::change))
        .route("/v1/bulk", post(bulk::create).layer(DefaultBodyLimit::max(MAX_BULK_BODY)))
        .route("/v1/bulk/{id}", get(bulk::get))
        .route("/v1/bulk/{id}/recipients", get(bulk::recipients))
        .route("/v1/bulk/{id}/cancel", post(bulk::cancel))
        .route("/v1/messages", get(messages::list).delete(messages::purge))
        .route("/v1/messages/{id}", get(messages::get))
        .route("/v1/messages/{id}/cancel", post(messages::cancel))
        .route("/v1/messages/{id}/retry", post(messages::retry))
        .route("/v1/deliveries", get(deliveries::list).delete(deliveries::purge_all))
        .route("/v1/deliveries/receivers", get(deliveries::receivers))
        .route("/v1/deliveries/retry", post(deliveries::retry_all))
        .route("/v1/deliveries/{id}", get(deliveries::get).delete(deliveries::purge))
        .route("/v1/deliveries/{id}/retry", post(deliveries::retry))
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(probes::metrics));
    let (routes, paths) = seed.merge(own).into_parts();
    // One layer: each layer of a router of its own is a box more to be cloned for every request.
    let inside = ServiceBuilder::new()
        .layer(middleware::map_response(close_after_refusal))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(app.clone(), access::guard));
    let routes = routes
        .fallback(|| async { Failure::new(StatusCode::NOT_FOUND, "not_found", "Not found", "there is no such path") })
        .method_not_allowed_fallback(|| async {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", "this path does not take that method")
        })
        .layer(inside)
        .with_state(app);
    // Around the whole router: it says which methods a path takes outside of its own layers.
    let around = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(cors(settings))
        .layer(middleware::from_fn_with_state(Arc::new(paths), answers::shape))
        .layer(CatchPanicLayer::custom(panicked));
    Router::new().fallback_service(routes).layer(around)
}

/// Serves until `stop`, then finishes what is in flight.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    // An answer must not wait for the acknowledgement of the one before.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// A body that was not read to its end ends the connection; a client that is not told would use it again and lose a call.
async fn close_after_refusal(mut response: Response) -> Response {
    if matches!(response.status(), StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn cors(settings: &config::Api) -> CorsLayer {
    let origins: Vec<HeaderValue> = settings.cors_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    if origins.is_empty() {
        return CorsLayer::new();
    }
    let headers = [header::CONTENT_TYPE, header::AUTHORIZATION]
        .into_iter()
        .chain(["x-api-key", "idempotency-key", "prefer"].map(header::HeaderName::from_static));
    CorsLayer::new().allow_origin(origins).allow_methods([Method::GET, Method::POST, Method::DELETE]).allow_headers(headers.collect::<Vec<_>>())
}

/// The words of a panic may quote anything; they go to the log by the panic hook, never to a caller.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    use axum::response::IntoResponse;
    Failure::internal("a panic; standard error says where").into_response()
}
