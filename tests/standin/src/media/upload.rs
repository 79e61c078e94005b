//! Uploads by a page: the question how much is there, whole files, pieces, and the end of a stream.
//! What arrived before a connection broke is kept, and an upload can go on from there.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::{Arc, atomic::Ordering},
};

use aws_lc_rs::digest;
use axum::{
    Json,
    body::Body,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE};
use serde_json::json;

use super::{PIECE, dropped, failure, field, files::Partial, held, receive};
use crate::world::World;

pub(super) async fn take(
    State(world): State<Arc<World>>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Response {
    let Some((kind, hash)) = path.split_once('/') else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let query = query.unwrap_or_default();
    let question = field(&query, "resume").is_some();
    let last = field(&query, "final_hash").is_some();
    world.change(|state| {
        let upload = state.media.record(kind, hash);
        if question {
            upload.questions += 1;
        } else {
            upload.posts += 1;
        }
    });
    held(&world, |settings| settings.upload_hold).await;
    let refused = failure(&world, |settings| {
        if question {
            &mut settings.resume_failures
        } else {
            &mut settings.upload_failures
        }
    });
    if let Some(refused) = refused {
        return refused;
    }
    if field(&query, "auth") != Some(&*world.lock().media.auth) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if question {
        return resume(&world, kind, hash);
    }
    let start = field(&query, "bytestart")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let partial = if last {
        world.lock().media.begun(hash)
    } else {
        match store(&world, kind, hash, start, body).await {
            Ok(partial) => Some(partial),
            Err(answer) => return answer,
        }
    };
    let Some(partial) = partial else {
        return (StatusCode::BAD_REQUEST, "nothing of this file has arrived").into_response();
    };
    if field(&query, "stream").is_some() && !last {
        return Json(json!({})).into_response();
    }
    finish(&world, kind, hash, partial).await
}

/// How many bytes are there, or where the complete file is.
fn resume(world: &World, kind: &str, hash: &str) -> Response {
    let state = world.lock();
    if let Some(path) = state.media.link(kind, hash, state.settings.media_validity) {
        return Json(json!({"resume": "complete", "direct_path": path, "url": address(&path)}))
            .into_response();
    }
    let there = state
        .media
        .begun(hash)
        .map_or(0, |partial| partial.length.load(Ordering::Relaxed));
    Json(json!({"resume": there.to_string()})).into_response()
}

async fn store(
    world: &World,
    kind: &str,
    hash: &str,
    start: u64,
    body: Body,
) -> Result<Arc<Partial>, Response> {
    // An earlier attempt has sent the same bytes, or the file will have another hash.
    let known = world.lock().media.begun(hash);
    let partial = if let Some(partial) = known {
        partial
    } else {
        let file =
            tempfile::tempfile().map_err(|_| StatusCode::INSUFFICIENT_STORAGE.into_response())?;
        world.change(|state| state.media.begin(hash, file))
    };
    if start > partial.length.load(Ordering::Relaxed) {
        return Err((
            StatusCode::BAD_REQUEST,
            "bytes before bytestart are missing",
        )
            .into_response());
    }
    let cut = world.change(|state| {
        state.media.record(kind, hash).from = start;
        let cuts = &mut state.settings.upload_cuts;
        (!cuts.is_empty()).then(|| cuts.remove(0))
    });
    let mut at = start;
    let goes_on = |length: u64| {
        at += length;
        partial.length.fetch_max(at, Ordering::Relaxed);
        // Without notifying those who wait for a change: there are thousands of pieces.
        world.lock().media.record(kind, hash).bytes += length;
        cut.is_none_or(|cut| at - start < cut)
    };
    let received = receive(body, &partial.file, start, goes_on).await;
    world.change(|_| ());
    let end = received.map_err(|_| dropped())?;
    partial.length.store(end, Ordering::Relaxed);
    Ok(partial)
}

/// Takes a complete file if its bytes have the hash that its address says.
async fn finish(world: &World, kind: &str, hash: &str, partial: Arc<Partial>) -> Response {
    let measured = Arc::clone(&partial);
    let found = tokio::task::spawn_blocking(move || {
        hash_of(&measured.file, measured.length.load(Ordering::Relaxed))
    })
    .await;
    let Ok(Ok(found)) = found else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if found != hash {
        world.change(|state| state.media.give_up(hash));
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "hash mismatch").into_response();
    }
    let link = world.change(|state| {
        state.media.complete(kind, hash, &partial).ok()?;
        state.media.link(kind, hash, state.settings.media_validity)
    });
    link.map_or_else(
        || StatusCode::INSUFFICIENT_STORAGE.into_response(),
        |path| Json(json!({"url": address(&path), "direct_path": path})).into_response(),
    )
}

fn address(path: &str) -> String {
    format!("https://mmg.whatsapp.net{path}&mms3=true")
}

fn hash_of(file: &File, size: u64) -> std::io::Result<String> {
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < size {
        let length = usize::try_from(size - at).map_or(PIECE, |left| left.min(PIECE));
        let Some(piece) = piece.get_mut(..length) else {
            break;
        };
        file.read_exact_at(piece, at)?;
        hash.update(piece);
        at += length as u64;
    }
    Ok(BASE64_URL_SAFE.encode(hash.finish()))
}
