//! The control API: actions of phones, senders and networks.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::{Account, Inbound, View, World};

pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new()
        .route("/_control/state", get(state))
        .route(
            "/_control/messages",
            get(|world| async { Json(state(world).await.0.messages) }),
        )
        .route("/_control/qr.png", get(qr_png))
        .route("/_control/scan", post(scan))
        .route("/_control/enter-code", post(enter_code))
        .route("/_control/inbound", post(inbound))
        .route("/_control/settings", get(settings).post(patch))
        .route("/_control/network", post(network))
        .route("/_control/logout", post(logout))
        .route("/_control/push", post(push))
        .route("/_control/checkpoint", post(checkpoint))
        .route("/_control/passkey-again", post(passkey_again))
        .with_state(Arc::clone(world))
}

async fn state(State(world): State<Arc<World>>) -> Json<View> {
    Json(world.view())
}

async fn settings(State(world): State<Arc<World>>) -> Json<crate::Settings> {
    Json(world.lock().settings.clone())
}

async fn patch(State(world): State<Arc<World>>, Json(patch): Json<Value>) -> Response {
    match world.patch(patch) {
        Ok(settings) => Json(settings).into_response(),
        Err(error) => refuse(StatusCode::BAD_REQUEST, &error),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Scan {
    qr: Option<String>,
    #[serde(flatten)]
    account: Account,
}

async fn scan(State(world): State<Arc<World>>, Json(scan): Json<Scan>) -> Response {
    match world.scan(scan.qr.as_deref(), scan.account).await {
        Ok(()) => Json(json!({"linked": true})).into_response(),
        Err(error) => refuse(StatusCode::CONFLICT, &error),
    }
}

#[derive(Deserialize)]
struct Typed {
    code: String,
    #[serde(flatten)]
    account: Account,
}

async fn enter_code(State(world): State<Arc<World>>, Json(typed): Json<Typed>) -> Response {
    match world.enter_code(&typed.code, typed.account).await {
        Ok(()) => Json(json!({"linked": true})).into_response(),
        Err(error) => refuse(StatusCode::CONFLICT, &error),
    }
}

async fn inbound(State(world): State<Arc<World>>, Json(message): Json<Inbound>) -> Response {
    match world.inbound(message) {
        Ok(id) => Json(json!({"id": id})).into_response(),
        Err(error) => refuse(StatusCode::NOT_FOUND, &error),
    }
}

#[derive(Deserialize)]
struct Network {
    online: bool,
}

async fn network(State(world): State<Arc<World>>, Json(wanted): Json<Network>) -> StatusCode {
    world.network(wanted.online);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Target {
    account: Option<String>,
    frame: Value,
}

async fn logout(State(world): State<Arc<World>>, Json(target): Json<Target>) -> StatusCode {
    world.remove_device(target.account.as_deref());
    StatusCode::NO_CONTENT
}

async fn push(State(world): State<Arc<World>>, Json(target): Json<Target>) -> StatusCode {
    world.push(target.account.as_deref(), &target.frame);
    StatusCode::NO_CONTENT
}

async fn checkpoint(State(world): State<Arc<World>>) -> StatusCode {
    world.checkpoint();
    StatusCode::NO_CONTENT
}

async fn passkey_again(State(world): State<Arc<World>>) -> Response {
    match world.ask_passkey_again() {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refuse(StatusCode::CONFLICT, &error),
    }
}

async fn qr_png(State(world): State<Arc<World>>) -> Response {
    let Some(text) = world.view().qrs.pop() else {
        return refuse(StatusCode::NOT_FOUND, &"no page shows a QR now");
    };
    match picture(&text) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "image/png")], bytes).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error),
    }
}

/// Draws a QR code as PNG: black and white, eight pixels per module, with the quiet zone that a
/// scanner needs.
fn picture(text: &str) -> anyhow::Result<Vec<u8>> {
    const SCALE: usize = 8;
    const QUIET: usize = 4;
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::L)?;
    let (width, colors) = (code.width(), code.to_colors());
    let side = (width + 2 * QUIET) * SCALE;
    let dark = |x: usize, y: usize| {
        let (x, y) = (
            (x / SCALE).wrapping_sub(QUIET),
            (y / SCALE).wrapping_sub(QUIET),
        );
        x < width && y < width && colors[y * width + x] == qrcode::Color::Dark
    };
    let pixels: Vec<u8> = (0..side * side)
        .map(|at| if dark(at % side, at / side) { 0 } else { 255 })
        .collect();
    let mut bytes = Vec::new();
    let side = u32::try_from(side)?;
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

fn refuse(status: StatusCode, error: &dyn std::fmt::Display) -> Response {
    (status, Json(json!({"error": error.to_string()}))).into_response()
}
