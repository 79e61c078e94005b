//! The media host: takes encrypted files from pages, serves them by path, and shows tests what it
//! has taken.
//!
//! The bytes are in files without a name, so that large ones need no memory and nothing is left
//! behind, however the stand-in ends.

mod download;
mod files;
mod open;
mod upload;

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use futures_util::stream;
use http_body_util::BodyExt;

pub use self::{files::Upload, open::ReceivedMedia};
pub(crate) use self::{
    files::{Files, Stored},
    open::{Sealed, open_for_recipient},
};
use crate::{
    settings::Settings,
    world::{World, now},
};

/// How many bytes are read from a file at once.
const PIECE: usize = 256 * 1024;

pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new()
        .route("/mms/{*path}", get(download::serve).post(upload::take))
        .route("/v/{*path}", get(download::serve_below_v))
        .route("/_control/media/{*path}", put(store).delete(forget))
        .route("/_control/messages/{id}/media", get(opened))
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::clone(world))
}

/// Puts a file on the host, encrypted as the sender's phone has done it.
async fn store(State(world): State<Arc<World>>, Path(path): Path<String>, body: Body) -> Response {
    let Ok(file) = tempfile::tempfile() else {
        return StatusCode::INSUFFICIENT_STORAGE.into_response();
    };
    let Ok(size) = receive(body, &file, 0, |_| true).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let stored = Stored::unsigned(file, size);
    world.change(|state| state.media.put(path, stored));
    StatusCode::NO_CONTENT.into_response()
}

async fn forget(State(world): State<Arc<World>>, Path(path): Path<String>) -> StatusCode {
    if world.change(|state| state.media.drop_file(&path)) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

/// The plain bytes of a message's file, as its recipient sees them.
async fn opened(State(world): State<Arc<World>>, Path(id): Path<String>) -> Response {
    let Some(sealed) = world.lock().media.sealed(&id) else {
        return (
            StatusCode::NOT_FOUND,
            "no message with this id has a file that can be opened",
        )
            .into_response();
    };
    let plain = tokio::task::spawn_blocking(move || sealed.plain_file()).await;
    match plain {
        Ok(Ok((file, size))) => whole(Arc::new(file), 0, size, None),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Writes a body to a file from `start` on, and returns where it ends. Before each piece is written
/// `goes_on` is asked with its length; when it refuses, the rest of the body is not read.
async fn receive(
    mut body: Body,
    file: &File,
    start: u64,
    mut goes_on: impl FnMut(u64) -> bool,
) -> anyhow::Result<u64> {
    let mut at = start;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else {
            continue;
        };
        file.write_all_at(&piece, at)?;
        at += piece.len() as u64;
        anyhow::ensure!(goes_on(piece.len() as u64), "the connection is to break");
    }
    Ok(at)
}

/// An answer with the bytes of a file from `start` to `end`; with `cut` the connection breaks after
/// so many of them.
fn whole(file: Arc<File>, start: u64, end: u64, cut: Option<u64>) -> Response {
    let breaks = cut.map(|after| start + after);
    let pieces = stream::unfold(Some(start), move |at| {
        let file = Arc::clone(&file);
        async move {
            let at = at?;
            if breaks.is_some_and(|breaks| at >= breaks) {
                return Some((
                    Err(std::io::Error::other("the connection is to break")),
                    None,
                ));
            }
            let until = breaks.map_or(end, |breaks| end.min(breaks));
            if at >= end {
                return None;
            }
            let mut piece =
                vec![0; usize::try_from(until - at).map_or(PIECE, |left| left.min(PIECE))];
            match file.read_exact_at(&mut piece, at) {
                Ok(()) => {
                    let next = at + piece.len() as u64;
                    Some((Ok(Bytes::from(piece)), Some(next)))
                }
                Err(error) => Some((Err(error), None)),
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            header::CONTENT_LENGTH,
            end.saturating_sub(start).to_string(),
        ),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

/// An answer in which the connection breaks.
fn dropped() -> Response {
    let broken = stream::once(async {
        Err::<Bytes, _>(std::io::Error::other("the connection is to break"))
    });
    Body::from_stream(broken).into_response()
}

/// The answer that the settings want for the next request, from one of their lists; a status of 0
/// breaks the connection.
fn failure(world: &World, list: impl FnOnce(&mut Settings) -> &mut Vec<u16>) -> Option<Response> {
    let status = world.change(|state| {
        let list = list(&mut state.settings);
        (!list.is_empty()).then(|| list.remove(0))
    })?;
    if status == 0 {
        return Some(dropped());
    }
    StatusCode::from_u16(status)
        .ok()
        .map(IntoResponse::into_response)
}

/// Waits as long as the settings hold requests back.
async fn held(world: &World, held: impl Fn(&Settings) -> bool) {
    let mut bell = world.bell();
    let ended = world.ended();
    let free = async {
        loop {
            let waits = held(&world.lock().settings);
            if !waits || bell.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = free => {}, () = ended => {} }
}

/// A field of a query, as it stands there: none of those that are read has characters that are
/// written in another way.
fn field<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn seconds() -> u64 {
    u64::try_from(now()).unwrap_or(0)
}
