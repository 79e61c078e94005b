//! Memory and CPU limits for large request bodies.
//!
//! A bulk order may have 16 MiB. If eight of them were parsed on the async worker threads, every
//! other call would wait for seconds, probes included. So a body over 64 KiB is not read until the
//! memory budget has room for it, the budget counts it as long as its bytes are held, and it is
//! parsed outside the async workers. Unauthenticated callers are refused before this point.

use std::{future::poll_fn, num::NonZero, pin::Pin, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::block_in_place,
    time::timeout,
};

use super::{
    error::{ApiError, Code},
    method::takes_body,
};

/// Bytes above which a body is large.
const LARGE: usize = 64 << 10;
/// How long a large body waits for memory.
const PATIENCE: Duration = Duration::from_secs(30);
/// The `Retry-After` of a refusal for lack of memory, in seconds.
const RETRY_AFTER: u64 = 5;

/// The memory budget of large bodies, and the limit of those parsed at a time.
#[derive(Debug)]
pub(super) struct Bodies {
    /// The memory budget: one permit per byte.
    room: Arc<Semaphore>,
    turns: Semaphore,
}

/// A body with its share of the memory budget.
struct BudgetedBytes {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for BudgetedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    /// `room` is the memory budget in bytes.
    pub(super) fn new(room: u64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let room = usize::try_from(room)
            .unwrap_or(usize::MAX)
            .clamp(LARGE, Semaphore::MAX_PERMITS);
        Self {
            room: Arc::new(Semaphore::new(room)),
            turns: Semaphore::new((cores / 2).max(1)),
        }
    }

    /// Reads a large body of at most `most` bytes into memory. A small body is left for the handler
    /// to read.
    ///
    /// # Errors
    /// If the body is larger than `most`, if there is no memory for it within 30 seconds, or if it
    /// breaks off.
    pub(super) async fn receive(&self, request: Request, most: usize) -> Result<Request, ApiError> {
        let size = request.body().size_hint();
        let is_small = size.upper().is_some_and(|upper| upper <= LARGE as u64);
        if is_small || !takes_body(request.method()) {
            return Ok(request);
        }
        if size.lower() > most as u64 {
            return Err(too_large());
        }
        let room = size
            .upper()
            .and_then(|upper| usize::try_from(upper).ok())
            .unwrap_or(most)
            .min(most);
        let wanted = u32::try_from(room).unwrap_or(u32::MAX);
        let Ok(Ok(mut permit)) =
            timeout(PATIENCE, Arc::clone(&self.room).acquire_many_owned(wanted)).await
        else {
            let message = "too many large bodies are being read; nothing was stored";
            return Err(ApiError::new(Code::Busy, message).after(RETRY_AFTER));
        };
        let (parts, body) = request.into_parts();
        let bytes = read(body, most, room).await?;
        // A body without a declared size may be smaller than the memory reserved for it.
        drop(permit.split(room.saturating_sub(bytes.len())));
        Ok(Request::from_parts(
            parts,
            Body::from(Bytes::from_owner(BudgetedBytes {
                bytes,
                _room: permit,
            })),
        ))
    }

    /// Does work on a body of this many bytes; if it is large, without blocking other tasks of this
    /// thread.
    pub(super) async fn apart<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> T {
        if bytes <= LARGE || Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            return work();
        }
        let _turn = self.turns.acquire().await;
        block_in_place(work)
    }
}

/// Reads a body of at most `most` bytes. It holds at most `room` bytes, and in the end as many as
/// there are, because the budget counts no more.
async fn read(mut body: Body, most: usize, room: usize) -> Result<Vec<u8>, ApiError> {
    let is_size_known = body.size_hint().exact().is_some();
    let mut bytes = Vec::with_capacity(if is_size_known { room } else { 0 });
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let broken = |error: axum::Error| ApiError::new(Code::BodyNotReadable, error.to_string());
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        let size = bytes.len() + data.len();
        if size > most {
            return Err(too_large());
        }
        if size > bytes.capacity() {
            // Doubled as by the Vec itself, which would exceed the room.
            let capacity = (2 * bytes.capacity()).min(room).max(size);
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    bytes.shrink_to_fit();
    Ok(bytes)
}

fn too_large() -> ApiError {
    let message = "the body is larger than this call takes; nothing was stored";
    ApiError::new(Code::BodyTooLarge, message)
}

#[cfg(test)]
mod tests {
    use axum::{http::Method, response::IntoResponse};

    use super::*;

    fn post(body: Body) -> Request {
        Request::builder()
            .method(Method::POST)
            .body(body)
            .expect("request")
    }

    fn status(result: Result<Request, ApiError>) -> u16 {
        result.map_or_else(|error| error.into_response().status().as_u16(), |_| 200)
    }

    async fn whole(request: Request) -> Bytes {
        axum::body::to_bytes(request.into_body(), usize::MAX)
            .await
            .expect("bytes")
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_room_and_keep_it_as_long_as_their_bytes_live() {
        let bodies = Bodies::new(4 * LARGE as u64);
        let large = || Body::from(vec![b'x'; 3 * LARGE]);
        let first = whole(
            bodies
                .receive(post(large()), 4 * LARGE)
                .await
                .expect("room"),
        )
        .await;
        assert_eq!(first.len(), 3 * LARGE);
        assert_eq!(
            status(
                bodies
                    .receive(post(Body::from(vec![b'x'; LARGE])), LARGE)
                    .await
            ),
            200,
            "a small one needs no room"
        );
        assert_eq!(
            status(bodies.receive(post(large()), 4 * LARGE).await),
            503,
            "no room in time"
        );
        let second = async { status(bodies.receive(post(large()), 4 * LARGE).await) };
        let (second, ()) = tokio::join!(second, async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert_eq!(second, 200, "its turn came");
        assert_eq!(status(bodies.receive(post(large()), 2 * LARGE).await), 413);
    }

    #[tokio::test]
    async fn a_body_holds_no_more_memory_than_the_budget_counts() {
        let frames = |count: usize| {
            let stream = futures_util::stream::iter(
                (0..count).map(|_| Ok::<_, std::io::Error>(vec![b'x'; LARGE])),
            );
            Body::from_stream(stream)
        };
        for count in [1, 2, 3, 5, 9] {
            let room = 9 * LARGE;
            let bytes = read(frames(count), room, room).await.expect("read");
            assert_eq!(
                (bytes.len(), bytes.capacity()),
                (count * LARGE, count * LARGE)
            );
        }
        let size = 3 * LARGE + 1;
        let bytes = read(Body::from(vec![b'x'; size]), 9 * LARGE, size).await;
        assert_eq!(bytes.expect("read").capacity(), size);
    }

    #[tokio::test]
    async fn a_body_that_does_not_say_its_size_gives_back_what_it_does_not_need() {
        let bodies = Bodies::new(4 * LARGE as u64);
        let chunks = |count: usize| {
            let stream = futures_util::stream::iter(
                (0..count).map(|_| Ok::<_, std::io::Error>(vec![b'x'; LARGE])),
            );
            Body::from_stream(stream)
        };
        let first = whole(
            bodies
                .receive(post(chunks(2)), 4 * LARGE)
                .await
                .expect("room"),
        )
        .await;
        assert_eq!(
            (first.len(), bodies.room.available_permits()),
            (2 * LARGE, 2 * LARGE)
        );
        drop(first);
        assert_eq!(
            status(bodies.receive(post(chunks(5)), 4 * LARGE).await),
            413,
            "endless"
        );
        assert_eq!(bodies.room.available_permits(), 4 * LARGE);
    }
}
