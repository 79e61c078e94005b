//! The media host: serves the encrypted files that a phone has uploaded, by path.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, put},
};

use crate::world::World;

pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new()
        .route("/mms/{*path}", get(download))
        .route("/_control/media/{*path}", put(upload).delete(forget))
        .with_state(Arc::clone(world))
}

async fn upload(
    State(world): State<Arc<World>>,
    Path(path): Path<String>,
    file: Bytes,
) -> StatusCode {
    world.change(|state| state.media.insert(path, file));
    StatusCode::NO_CONTENT
}

async fn forget(State(world): State<Arc<World>>, Path(path): Path<String>) -> StatusCode {
    match world.change(|state| state.media.remove(&path)) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

async fn download(State(world): State<Arc<World>>, Path(path): Path<String>) -> Response {
    let failure = world.change(|state| {
        (!state.settings.media_failures.is_empty()).then(|| state.settings.media_failures.remove(0))
    });
    if let Some(status) = failure.and_then(|code| StatusCode::from_u16(code).ok()) {
        return status.into_response();
    }
    let file = world.lock().media.get(&path).cloned();
    file.map_or_else(
        || StatusCode::NOT_FOUND.into_response(),
        IntoResponse::into_response,
    )
}
