//! Serves one connection, from its first byte to its end.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use axum::{Router, body::Body, extract::Request};
use futures_util::FutureExt;
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{
    body::{RequestBody, ResponseBody},
    limiter::Slot,
    limits::Limits,
    peer::ProbesOnly,
    stream::Stream,
};
use crate::config::MAX_LARGE_BODY;

/// The most bytes of a request's header, and of the read buffer.
const BUFFER: usize = 64 << 10;
/// The header deadline of a connection on which only probes are answered.
const PROBE: Duration = Duration::from_secs(2);
/// After a refusal, the rest of the request is read and discarded for this long, and up to the size
/// of the largest body. If the socket were closed with unread data, the kernel would reset the
/// connection and the client might never see the refusal.
const LINGER: Duration = Duration::from_secs(2);

/// Serves requests on `socket` until one side closes the connection.
pub(super) async fn serve_connection(
    socket: TcpStream,
    mut slot: Slot,
    limits: Limits,
    router: Router,
    closing: CancellationToken,
) {
    let probes_only = slot.probes_only;
    let limits = if probes_only {
        Limits {
            header: limits.header.min(PROBE),
            ..limits
        }
    } else {
        limits
    };
    let peer = Arc::clone(&slot.peer);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        peer.asked();
        let (parts, body) = request.into_parts();
        let mut request = if body.is_end_stream() {
            Request::from_parts(parts, Body::empty())
        } else {
            let mut request = Request::from_parts(
                parts,
                Body::new(RequestBody::new(body, Arc::clone(&peer), limits)),
            );
            request.extensions_mut().insert(Arc::clone(&peer));
            request
        };
        if probes_only {
            request.extensions_mut().insert(ProbesOnly);
        }
        let peer = Arc::clone(&peer);
        router
            .clone()
            .call(request)
            .map(|answer| answer.map(|response| response.map(|body| ResponseBody { body, peer })))
    });
    let io = TokioIo::new(Stream::new(socket, Arc::clone(&peer)));
    let mut http = http1::Builder::new();
    http.max_buf_size(BUFFER)
        .max_header_size(BUFFER)
        .keep_alive(!probes_only);
    let mut connection = http.serve_connection(io, service);
    let end = {
        let mut alarm = std::pin::pin!(sleep_until(
            peer.deadline(&limits).unwrap_or_else(Instant::now)
        ));
        let mut closing = std::pin::pin!(closing.cancelled());
        let mut is_leaving = false;
        poll_fn(|cx| {
            let mut connection = Pin::new(&mut connection);
            // hyper does not shut the socket down itself: it would close it before all input is
            // read.
            if let Poll::Ready(end) = connection.poll_without_shutdown(cx) {
                return Poll::Ready(Some(end));
            }
            if !is_leaving
                && (closing.as_mut().poll(cx).is_ready()
                    || Pin::new(&mut slot.leave).poll(cx).is_ready())
            {
                if peer.deadline(&limits).is_some() {
                    return Poll::Ready(None);
                }
                // A request in progress is answered to its end.
                is_leaving = true;
                connection.as_mut().graceful_shutdown();
                if let Poll::Ready(end) = connection.poll_without_shutdown(cx) {
                    return Poll::Ready(Some(end));
                }
            }
            // The timer is reset only when the deadline has come nearer. If the deadline has moved
            // further away, this is noticed when the timer fires.
            while let Some(deadline) = peer.deadline(&limits) {
                if alarm.is_elapsed() || deadline < alarm.deadline() {
                    alarm.as_mut().reset(deadline);
                }
                if alarm.as_mut().poll(cx).is_pending() {
                    break;
                }
                if deadline <= Instant::now() {
                    return Poll::Ready(None);
                }
            }
            Poll::Pending
        })
        .await
    };
    if let Some(end) = end {
        // hyper has also answered a request that it could not parse.
        finish(
            connection.into_parts().io.into_inner().into_socket(),
            peer.is_unread() || end.is_err(),
        )
        .await;
    }
    drop(slot);
}

/// Closes the connection in such a way that the last response arrives.
async fn finish(mut socket: TcpStream, is_unread: bool) {
    let _ = socket.shutdown().await;
    if !is_unread {
        return;
    }
    let rest = async {
        let (mut buffer, mut left) = ([0; 4096], MAX_LARGE_BODY);
        while left > 0 {
            if socket.readable().await.is_err() {
                return;
            }
            match socket.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => left = left.saturating_sub(read),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = timeout(LINGER, rest).await;
}
