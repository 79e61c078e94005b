//! The single writer, which commits in groups.
//!
//! All writes are requests to one thread, which commits together what has queued up during the last
//! commit. `queue` decides what goes into the next batch, `batch` is its transaction, `connection`
//! the connection, `job` the kinds of work. Transactions and savepoints are plain statements,
//! because sqlx's own ones make its thread wait for an answer to each.

mod batch;
mod connection;
mod job;
mod queue;
#[cfg(test)]
mod tests;
mod thread;

use std::{fmt, io, sync::Arc};

use futures_util::future::BoxFuture;
use sqlx::{SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    runtime::{self, Handle},
    sync::{Mutex, mpsc, oneshot, watch},
};
use tracing::error;

use connection::WriteConnection;
pub use job::Urgency;
use job::{Asked, Job, Request};

use super::{
    error::StoreError,
    outbox::{Accept, NewRow},
    place::Place,
    script::{Script, Statement},
};

/// Handle to the writer thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    /// `None` once the writer is closed.
    requests: Arc<Mutex<Option<mpsc::Sender<Request>>>>,
    sender: mpsc::WeakSender<Request>,
    /// `true` once the thread has finished; closed without that if it panicked.
    over: watch::Receiver<bool>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread. `connection` was opened with `options` and is connected to the file of
    /// `place`.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be created.
    pub(super) fn start(
        options: SqliteConnectOptions,
        connection: SqliteConnection,
        place: Place,
    ) -> io::Result<Self> {
        let (sender, inbox) = mpsc::channel(queue::CAPACITY);
        let (end, over) = watch::channel(false);
        let askers = Handle::current();
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        std::thread::Builder::new()
            .name("wharf-writer".into())
            .spawn(move || {
                runtime.block_on(thread::run(
                    WriteConnection::new(options, connection, place),
                    inbox,
                    askers,
                ));
                // Fails if nobody waits for the end.
                let _ = end.send(true);
            })?;
        Ok(Self {
            sender: sender.downgrade(),
            requests: Arc::new(Mutex::new(Some(sender))),
            over,
        })
    }

    /// Runs `work` in the next transaction, and returns once that is on the disk.
    ///
    /// # Errors
    /// The error of the work, which is then undone, or the reason why its batch was not committed.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + 'static,
    {
        self.steps(
            move |connection| {
                Box::pin(async move { Ok((work(connection).await?, Script::default())) })
            },
            Urgency::Now,
        )
        .await
    }

    /// As [`Writer::write`], for work that may be deferred.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub(super) async fn write_deferrable<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + 'static,
    {
        self.steps(
            move |connection| {
                Box::pin(async move { Ok((work(connection).await?, Script::default())) })
            },
            Urgency::Deferrable,
        )
        .await
    }

    /// As [`Writer::write`], for work that returns its last statements as a script, which is run
    /// together with the commit.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub(super) async fn write_then<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(
                &'c mut SqliteConnection,
            ) -> BoxFuture<'c, Result<(T, Script), StoreError>>
            + Send
            + 'static,
    {
        self.steps(work, Urgency::Now).await
    }

    async fn steps<T, F>(&self, work: F, urgency: Urgency) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(
                &'c mut SqliteConnection,
            ) -> BoxFuture<'c, Result<(T, Script), StoreError>>
            + Send
            + 'static,
    {
        let (answer, result) = oneshot::channel();
        self.ask(
            Request::Job(Job::Steps(Box::new(Asked { work, answer })), urgency),
            result,
        )
        .await
    }

    /// Runs a script in one of the next transactions, all of it or nothing, and returns once that
    /// is on the disk.
    ///
    /// # Errors
    /// The error of a statement, or the reason why the batch was not committed.
    pub(super) async fn script(&self, script: Script, urgency: Urgency) -> Result<(), StoreError> {
        self.run(script, urgency).await.map(drop)
    }

    /// Runs one statement in the next transaction. Returns the number of changed rows once that is
    /// on the disk.
    ///
    /// # Errors
    /// As [`Writer::script`].
    pub(super) async fn statement(&self, statement: Statement) -> Result<u64, StoreError> {
        self.run(Script::of(statement)?, Urgency::Now).await
    }

    /// As [`Writer::statement`], for a statement that may be deferred.
    ///
    /// # Errors
    /// As [`Writer::script`].
    pub(super) async fn statement_deferrable(
        &self,
        statement: Statement,
    ) -> Result<u64, StoreError> {
        self.run(Script::of(statement)?, Urgency::Deferrable).await
    }

    async fn run(&self, script: Script, urgency: Urgency) -> Result<u64, StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Request::Job(Job::Script(script, answer), urgency), result)
            .await
    }

    /// Stores an accepted message, together with the others of its batch.
    ///
    /// # Errors
    /// Why it or its batch was not committed.
    pub(super) async fn accept(&self, row: NewRow) -> Result<Accept, StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Request::Accept(Box::new(row), answer), result)
            .await
    }

    /// See [`super::file::empty_log`].
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(super) async fn empty_log(&self) -> Result<bool, StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Request::EmptyLog(answer), result).await
    }

    async fn ask<T>(
        &self,
        request: Request,
        result: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let sender = self.sender.upgrade().ok_or_else(StoreError::closed)?;
        sender.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::closed(),
        })?;
        // There is no answer if the work panicked or the writer has ended meanwhile.
        result.await.unwrap_or_else(|_| {
            Err(if self.sender.upgrade().is_some() {
                StoreError::broken_off()
            } else {
                StoreError::closed()
            })
        })
    }

    /// Resolves when the writer thread has ended, after which nothing is written any more.
    pub(super) async fn ended(&self) {
        let _ = self.over.clone().wait_for(|over| *over).await;
    }

    /// Finishes the queued work and ends the thread.
    pub(super) async fn close(&self) {
        self.requests.lock().await.take();
        if self.over.clone().wait_for(|over| *over).await.is_err() {
            error!("the database's writer thread has panicked");
        }
    }
}
