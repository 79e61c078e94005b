//! Body wrappers: the body of a request has a deadline that is extended by each byte received, and
//! the body of a response notes when it ends.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    BoxError,
    body::{Body, Bytes},
};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{limits::Limits, peer::Peer};

/// The body was received too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly")]
struct Late;

/// The body of a request, with a deadline.
#[derive(Debug)]
pub(super) struct RequestBody {
    body: Incoming,
    peer: Arc<Peer>,
    limits: Limits,
    began: Option<Instant>,
    got: u64,
    alarm: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, peer: Arc<Peer>, limits: Limits) -> Self {
        Self {
            body,
            peer,
            limits,
            began: None,
            got: 0,
            alarm: None,
            is_over: false,
        }
    }

    /// Whether the deadline has passed: a fixed time, plus the time that the received bytes may
    /// take at the minimum rate.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let began = *self.began.get_or_insert_with(Instant::now);
        let due = began
            + self.limits.body
            + Duration::from_millis(self.got.saturating_mul(1000) / self.limits.rate);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        // Bytes received since the timer was set may have moved the deadline.
        while alarm.as_mut().poll(cx).is_ready() {
            if due <= Instant::now() {
                return true;
            }
            alarm.as_mut().reset(due);
        }
        false
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.got += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.is_over = self.body.is_end_stream();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                self.is_over = true;
                Poll::Ready(None)
            }
            Poll::Pending if self.is_late(cx) => {
                self.peer.set_late();
                Poll::Ready(Some(Err(Late.into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.is_over {
            self.peer.set_unread();
        }
    }
}

/// The body of a response. When it is dropped, the response is in the connection's buffers.
#[derive(Debug)]
pub(super) struct ResponseBody {
    pub(super) body: Body,
    pub(super) peer: Arc<Peer>,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.peer.answered();
    }
}
