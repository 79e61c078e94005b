//! The writer thread: takes one batch after the other, commits it and sends the replies.
//!
//! It is a thread of its own, because each statement is a trip to sqlx's thread and back, and the
//! way back would have to wait for other tasks of the main runtime.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::{runtime::Handle, sync::mpsc};
use tracing::{debug, error, info};

use super::{
    batch::Batch,
    connection::WriteConnection,
    job::{Reply, Request},
    queue::{FEW, Queue},
};
use crate::{store::error::StoreError, tasks::Trouble};

/// Commits batches until the queue is closed. If work panics, its batch fails and the connection is
/// reopened.
pub(super) async fn run(
    mut connection: WriteConnection,
    inbox: mpsc::Receiver<Request>,
    askers: Handle,
) {
    let mut queue = Queue::new(inbox);
    let mut trouble = Trouble::default();
    while let Some(requests) = queue.next().await {
        let many = requests.len() > FEW;
        let mut replies = Vec::with_capacity(requests.len());
        let mut batch = Batch::of(requests);
        let result = match AssertUnwindSafe(batch.commit(&mut connection, &mut replies))
            .catch_unwind()
            .await
        {
            Ok(result) => result,
            Err(_) => {
                connection.close().await;
                Err(StoreError::broken_off())
            }
        };
        log(&result, &mut trouble);
        let outcome = result.clone();
        let answer = move || {
            replies
                .into_iter()
                .for_each(|reply: Reply| reply(outcome.clone()))
        };
        if many {
            // Replies are sent from within the main runtime, because waking several of its tasks
            // from another thread costs more than spawning a task.
            askers.spawn(async move { answer() });
        } else {
            answer();
        }
        if let Err(error) = result {
            batch.refuse(&error);
        }
    }
    connection.close().await;
}

fn log(result: &Result<(), StoreError>, trouble: &mut Trouble) {
    match result {
        // Callers get this error and log it together with what they wanted to write.
        Err(error @ StoreError::Database(_)) => {
            debug!(%error, "a batch of writes was not committed")
        }
        Err(error) if trouble.is_new(error) => {
            error!(%error, "a batch of writes was not committed; further failures with the same cause are not logged")
        }
        Ok(()) if trouble.is_over() => info!("writes are committed again"),
        _ => {}
    }
}
