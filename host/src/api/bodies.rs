//! Large bodies: how many at a time, and where they are read.
//!
//! A bulk order may have 16 MiB. Eight of them, taken apart by the threads that answer everybody,
//! keep every other call waiting for seconds, probes included. So a body over 64 KiB waits until
//! there is memory for it before its first byte is asked for, the memory stays counted for as long
//! as anybody holds the bytes, and it is taken apart on a thread that answers nobody. A caller
//! without a key never comes so far.

use std::{future::poll_fn, num::NonZero, pin::Pin, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::Method,
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::block_in_place,
    time::timeout,
};

use super::error::{ApiError, Code};

/// From here on a body is large.
const LARGE: usize = 64 << 10;
/// How long a large body waits for room.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a caller is told to wait before the next attempt.
const RETRY_AFTER: u64 = 5;

/// Room for large bodies, and turns at taking them apart.
#[derive(Debug)]
pub(super) struct Bodies {
    /// Bytes.
    room: Arc<Semaphore>,
    turns: Semaphore,
}

/// Bytes with the room they take.
struct Held {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    /// With room for so many bytes.
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

    /// Reads the body of a call that may have `most` bytes, if it is large; small ones are left to
    /// whoever wants them.
    ///
    /// # Errors
    /// When it is larger, when there is no room for it in time, or when it breaks off.
    pub(super) async fn receive(&self, request: Request, most: usize) -> Result<Request, ApiError> {
        let size = request.body().size_hint();
        let is_small = size.upper().is_some_and(|upper| upper <= LARGE as u64);
        if is_small || request.method() != Method::POST {
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
        let (parts, mut body) = request.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let broken =
                |error: axum::Error| ApiError::new(Code::BodyNotReadable, error.to_string());
            let Ok(data) = frame.map_err(broken)?.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > most {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
        // A body that did not say its size may be smaller than what was kept for it.
        drop(permit.split(room.saturating_sub(bytes.len())));
        Ok(Request::from_parts(
            parts,
            Body::from(Bytes::from_owner(Held {
                bytes,
                _room: permit,
            })),
        ))
    }

    /// Does work on so many bytes where it keeps nobody waiting.
    pub(super) async fn apart<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> T {
        if bytes <= LARGE || Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            return work();
        }
        let _turn = self.turns.acquire().await;
        block_in_place(work)
    }
}

fn too_large() -> ApiError {
    let message = "the body is larger than this call takes; nothing was stored";
    ApiError::new(Code::BodyTooLarge, message)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

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
