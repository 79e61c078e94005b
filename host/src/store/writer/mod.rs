//! The one writer, and group commit.
//!
//! Whoever writes sends a request to a thread of its own, which commits together what has queued up
//! meanwhile. `queue` decides what goes into the next batch, `batch` is its transaction,
//! `connection` what it runs on, `job` the shapes of work. Transactions and savepoints are plain
//! statements: those of sqlx make its thread wait until each was heard of.

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

/// Asks the thread that writes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    /// None: the writer is closed.
    requests: Arc<Mutex<Option<mpsc::Sender<Request>>>>,
    sender: mpsc::WeakSender<Request>,
    /// True when the thread has done its last work; closed when it broke off.
    over: watch::Receiver<bool>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread. `connection` was made of `options`, and is to the file of `place`.
    ///
    /// # Errors
    /// When the system has no room for a thread.
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
                // Fails when nobody waits for the end.
                let _ = end.send(true);
            })?;
        Ok(Self {
            sender: sender.downgrade(),
            requests: Arc::new(Mutex::new(Some(sender))),
            over,
        })
    }

    /// Runs `work` inside the next transaction; returns when that is on the disk.
    ///
    /// # Errors
    /// What the work fails with, which undoes it; or why its batch was not committed.
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

    /// As [`Writer::write`], for what nobody waits for.
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

    /// As [`Writer::write`], for work that leaves the last of its statements to be run with the
    /// commit.
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

    /// Runs statements inside one of the next transactions, all or none; returns when that is on
    /// the disk.
    ///
    /// # Errors
    /// When a statement fails, or why the batch was not committed.
    pub(super) async fn script(&self, script: Script, urgency: Urgency) -> Result<(), StoreError> {
        self.run(script, urgency).await.map(drop)
    }

    /// Runs one statement inside the next transaction; how many rows it changed. Returns when that
    /// is on the disk.
    ///
    /// # Errors
    /// As [`Writer::script`].
    pub(super) async fn statement(&self, statement: Statement) -> Result<u64, StoreError> {
        self.run(Script::of(statement)?, Urgency::Now).await
    }

    /// As [`Writer::statement`], for what nobody waits for.
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

    /// Stores a send, together with those that are in the same batch.
    ///
    /// # Errors
    /// Why it, or its batch, was not committed.
    pub(super) async fn accept(&self, row: NewRow) -> Result<Accept, StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Request::Accept(Box::new(row), answer), result)
            .await
    }

    /// See [`super::file::empty_log`].
    ///
    /// # Errors
    /// When the database refuses.
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
        // Nobody answers when the work panicked, or when the writer has ended meanwhile.
        result.await.unwrap_or_else(|_| {
            Err(if self.sender.upgrade().is_some() {
                StoreError::broken_off()
            } else {
                StoreError::closed()
            })
        })
    }

    /// Resolves when the thread that writes has ended: nothing is written any more.
    pub(super) async fn ended(&self) {
        let _ = self.over.clone().wait_for(|over| *over).await;
    }

    /// Does what is queued and ends.
    pub(super) async fn close(&self) {
        self.requests.lock().await.take();
        if self.over.clone().wait_for(|over| *over).await.is_err() {
            error!("the writer of the database ended badly");
        }
    }
}
