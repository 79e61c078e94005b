//! The HTTP listener: limits the number of connections and the time of each phase.
//!
//! Anybody who can reach the port can open connections before an API key is checked. So the number
//! of connections is bounded below the descriptor limit, and each has deadlines. When all slots
//! are taken, the oldest connection without a request in progress is closed to make room. If all
//! are busy, a few more are accepted on which only probes are answered, so that a platform does not
//! restart a gateway that is merely busy.

mod body;
mod connection;
mod descriptors;
mod limiter;
mod limits;
mod peer;
mod stream;
#[cfg(test)]
mod tests;

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::TcpListener,
    pin, select,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use self::descriptors::raise as raise_descriptor_limit;
pub(super) use self::peer::{Peer, ProbesOnly};
use self::{limiter::ConnectionLimiter, limits::Limits};
use crate::config;

/// The pause after a failed accept, for instance when no descriptor is free.
const RETRY: Duration = Duration::from_millis(100);
/// How often that failure is logged.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Serves connections until `stop` resolves, then waits for the requests in progress.
///
/// # Errors
/// If the listener's address cannot be read.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &config::Server,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let limits = Limits {
        header: settings.header_timeout.duration(),
        idle: settings.idle_timeout.duration(),
        body: settings.body_timeout.duration(),
        rate: settings.body_rate.0.max(1),
        answer: settings.answer_timeout.duration(),
    };
    let limiter = Arc::new(ConnectionLimiter::new(descriptors::connections(
        settings.max_connections,
    )));
    info!(connections = limiter.most(), address = %listener.local_addr()?, "connections at a time");
    let closing = CancellationToken::new();
    // Dropping this aborts every connection.
    let mut connections = JoinSet::new();
    pin!(stop);
    let mut said: Option<Instant> = None;
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // The client had disconnected before the connection was accepted.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) =>
            {
                continue;
            }
            Err(error) => {
                if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
                    warn!(%error, "a connection cannot be accepted; retrying");
                    said = Some(Instant::now());
                }
                limiter.evict();
                sleep(RETRY).await;
                continue;
            }
        };
        // Without this, a small response would wait for the TCP acknowledgement of the previous
        // one.
        drop(stream.set_nodelay(true));
        let slot = select! {
            biased;
            () = &mut stop => break,
            slot = limiter.acquire() => slot,
        };
        connections.spawn(connection::serve_connection(
            stream,
            slot,
            limits,
            router.clone(),
            closing.clone(),
        ));
    }
    drop(listener);
    closing.cancel();
    while connections.join_next().await.is_some() {}
    Ok(())
}
