//! The one writing connection, and group commit.
//!
//! Whatever has queued up while the last commit was flushed goes into the next transaction. Each piece of work has a
//! savepoint of its own, so one that fails does not take its neighbours with it; answers are given after the commit.
//! Accepted sends, the one kind of work that comes in floods, go in together, a statement per table for all of them.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use sqlx::{Connection, SqliteConnection, SqlitePool};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinHandle,
};
use tracing::error;

use super::{
    StoreError,
    outbox::{self, Accept, NewRow},
};

/// Work that may wait before more is refused.
const QUEUE: usize = 4096;
/// Work in one transaction.
const BATCH: usize = 256;

/// Tells the asker, once it is known whether the batch was committed.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Work = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, (bool, Reply)> + Send>;
type Answer = oneshot::Sender<Result<Accept, StoreError>>;

enum Job {
    Work(Work),
    Accept(Box<NewRow>, Answer),
}

#[derive(Clone)]
pub(super) struct Writer {
    jobs: Arc<Mutex<Option<mpsc::Sender<Job>>>>,
    sender: mpsc::WeakSender<Job>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn start(pool: SqlitePool) -> Self {
        let (sender, inbox) = mpsc::channel(QUEUE);
        let task = tokio::spawn(run(pool, inbox));
        Self { sender: sender.downgrade(), jobs: Arc::new(Mutex::new(Some(sender))), task: Arc::new(Mutex::new(Some(task))) }
    }

    /// Runs `work` inside the next transaction; returns when that is on the disk.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let work: Work = Box::new(move |connection| {
            Box::pin(async move {
                let done = work(connection).await;
                let keep = done.is_ok();
                let reply: Reply = Box::new(move |committed| {
                    // The asker may be gone; the work is done all the same.
                    let _ = answer.send(committed.and(done));
                });
                (keep, reply)
            })
        });
        self.ask(Job::Work(work), result).await
    }

    /// Stores a send together with those that wait.
    pub(super) async fn accept(&self, row: NewRow) -> Result<Accept, StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Job::Accept(Box::new(row), answer), result).await
    }

    async fn ask<T>(&self, job: Job, result: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
        let closed = || StoreError::Database("the store is closed".into());
        let sender = self.sender.upgrade().ok_or_else(closed)?;
        sender.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        result.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Does what is queued and ends.
    pub(super) async fn close(&self) {
        self.jobs.lock().await.take();
        if let Some(task) = self.task.lock().await.take()
            && let Err(error) = task.await
        {
            error!(%error, "the writer of the database ended badly");
        }
    }
}

async fn run(pool: SqlitePool, mut inbox: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(BATCH);
    while inbox.recv_many(&mut jobs, BATCH).await > 0 {
        let mut replies = Vec::with_capacity(jobs.len());
        let result = batch(&pool, &mut jobs, &mut replies).await.map_err(StoreError::from);
        if let Err(error) = &result {
            error!(%error, "a batch of writes was not committed");
        }
        jobs.clear();
        for reply in replies {
            reply(result.clone());
        }
    }
    pool.close().await;
}

async fn batch(pool: &SqlitePool, jobs: &mut Vec<Job>, replies: &mut Vec<Reply>) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let (mut rows, mut answers) = (Vec::new(), Vec::new());
    for job in jobs.drain(..) {
        let work = match job {
            Job::Work(work) => work,
            Job::Accept(row, answer) => {
                rows.push(*row);
                answers.push(answer);
                continue;
            }
        };
        // A nested transaction of sqlx is a savepoint.
        let mut savepoint = transaction.begin().await?;
        let (keep, reply) = work(&mut savepoint).await;
        replies.push(reply);
        if keep {
            savepoint.commit().await?;
        } else {
            savepoint.rollback().await?;
        }
    }
    if !rows.is_empty() {
        let accepted = outbox::accept_all(&mut transaction, &rows).await;
        for (answer, done) in answers.into_iter().zip(accepted) {
            replies.push(Box::new(move |committed| {
                let _ = answer.send(committed.and(done));
            }));
        }
    }
    transaction.commit().await
}
