//! The thread that writes: takes one batch after the other, commits it and gives the answers.
//!
//! It is a thread of its own, because each statement is a trip to sqlx's thread and back, and on
//! the way back it would wait behind whatever else the runtime has to do.

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

/// Commits what comes in until nobody can ask any more. Work that panics costs its batch and the
/// connection.
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
            // From within the runtime: waking one of its tasks from another thread costs more than
            // a task of its own.
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
        // Whoever asked for a write is told of an error of the database, and says it with what was
        // to be written.
        Err(error @ StoreError::Database(_)) => {
            debug!(%error, "a batch of writes was not committed")
        }
        Err(error) if trouble.is_new(error) => {
            error!(%error, "a batch of writes was not committed; more of the same cause are not told")
        }
        Ok(()) if trouble.is_over() => info!("writes are committed again"),
        _ => {}
    }
}
