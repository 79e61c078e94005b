//! Where connections come in: how many, and how long each may take for what.
//!
//! Everybody who reaches the port can open connections, before any key is asked for. So their
//! number is bounded below the descriptor limit, each has deadlines, and when the room is full the
//! oldest that has asked nothing yet makes room. Should all be at work, a few more are let in of
//! which only probes are answered: a busy gateway must not be restarted for it.

mod body;
mod connection;
mod descriptors;
mod limits;
mod peer;
mod room;
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
pub(super) use self::peer::{Crowded, Peer};
use self::{limits::Limits, room::Room};
use crate::config;

/// Between two attempts to accept while the system has no room for a connection.
const RETRY: Duration = Duration::from_millis(100);
/// Until it is said again.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Serves until `stop`, then finishes what is in flight.
///
/// # Errors
/// When the listener has no address.
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
    let room = Arc::new(Room::new(descriptors::connections(
        settings.max_connections,
    )));
    info!(connections = room.most(), address = %listener.local_addr()?, "connections at a time");
    let closing = CancellationToken::new();
    // Dropped, it ends every connection with it.
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
            // It had gone before it was accepted.
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
                    warn!(%error, "a connection cannot be accepted; it is tried again until it can");
                    said = Some(Instant::now());
                }
                room.evict();
                sleep(RETRY).await;
                continue;
            }
        };
        // An answer must not wait for the acknowledgement of the one before.
        drop(stream.set_nodelay(true));
        let seat = select! {
            biased;
            () = &mut stop => break,
            seat = room.seat() => seat,
        };
        connections.spawn(connection::attend(
            stream,
            seat,
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
