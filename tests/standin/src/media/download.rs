//! Downloads: whole files, and parts of them by the query of the real page or by the header `Range`.

use std::sync::Arc;

use super::{failure, field, held, whole};
use crate::world::World;
use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

pub(super) async fn serve_below_v(
    world: State<Arc<World>>,
    Path(path): Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Response {
    serve(world, Path(format!("v/{path}")), query, headers).await
}

pub(super) async fn serve(
    State(world): State<Arc<World>>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    held(&world, |settings| settings.download_hold).await;
    if let Some(refused) = failure(&world, |settings| &mut settings.media_failures) {
        return refused;
    }
    let query = query.unwrap_or_default();
    let (found, cut) = world.change(|state| {
        let found = state
            .media
            .find(&path, &query, state.settings.media_expired);
        if found.is_ok() {
            state.media.downloaded(&path);
        }
        let cuts = &mut state.settings.download_cuts;
        (found, (!cuts.is_empty()).then(|| cuts.remove(0)))
    });
    let stored = match found {
        Ok(stored) => stored,
        Err(refused) => return refused.into_response(),
    };
    let size = stored.size;
    if let Some((start, end)) = ranged(&headers) {
        if start >= size {
            return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
        }
        let end = end.map_or(size, |end| size.min(end + 1));
        let mut answer = whole(stored.file, start, end, cut);
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        if let Ok(value) = HeaderValue::from_str(&format!("bytes {start}-{}/{size}", end - 1)) {
            answer.headers_mut().insert(header::CONTENT_RANGE, value);
        }
        return answer;
    }
    let number = |name: &str| field(&query, name).and_then(|text| text.parse::<u64>().ok());
    let start = number("bytestart").unwrap_or(0).min(size);
    // The last byte, inclusive.
    let end = number("byteend").map_or(size, |end| size.min(end + 1));
    let end = end.max(start);
    whole(stored.file, start, end, cut)
}

/// The first and the last byte that a header `Range` asks for; other forms of it are ignored.
fn ranged(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (start, end) = headers
        .get(header::RANGE)?
        .to_str()
        .ok()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    let start = start.parse().ok()?;
    if end.is_empty() {
        return Some((start, None));
    }
    let end = end.parse().ok()?;
    (start <= end).then_some((start, Some(end)))
}
