//! The requests that the writer takes.
//!
//! There are three kinds of work, each made for its main cost. A [`Script`] consists of statements
//! that are known beforehand and takes one trip to the database thread. [`Steps`] read first and
//! decide by the result, which takes one trip per statement. Accepted messages arrive in bursts and
//! are stored together, with one statement per table however many they are.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use crate::store::{
    error::StoreError,
    outbox::{Accept, NewRow},
    script::Script,
};

/// How soon a job is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// In the next batch, because somebody waits for it.
    Now,
    /// First in the next batch. Nobody waits for it, but urgent jobs have to find it done.
    FirstDeferrable,
    /// Within some milliseconds, to share a commit with others, because nobody waits for it.
    Deferrable,
}

/// Channel for the result of a job.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;
/// Answers a job. Takes whether its batch was committed.
pub(super) type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A request to the writer.
pub(super) enum Request {
    Job(Job, Urgency),
    /// Store an accepted message.
    Accept(Box<NewRow>, Answer<Accept>),
    /// Truncate the write-ahead log, which happens between two transactions.
    EmptyLog(Answer<bool>),
}

/// Work within a transaction.
pub(super) enum Job {
    /// Statements that are known beforehand; either all or none take effect. The answer is the
    /// number of rows that a single statement changed.
    Script(Script, Answer<u64>),
    /// Statements that depend on what was read before.
    Steps(Box<dyn Steps>),
}

impl Request {
    pub(super) fn urgency(&self) -> Urgency {
        match self {
            Self::Job(_, urgency) => *urgency,
            Self::Accept(..) | Self::EmptyLog(_) => Urgency::Now,
        }
    }
}

impl Job {
    /// Answers a job that was not begun.
    pub(super) fn refuse(self, error: StoreError) {
        match self {
            Self::Script(_, answer) => drop(answer.send(Err(error))),
            Self::Steps(steps) => steps.refuse(error),
        }
    }
}

/// Makes the reply to a job: its result, or why its batch was not committed.
pub(super) fn reply<T: Send + 'static>(answer: Answer<T>, result: Result<T, StoreError>) -> Reply {
    Box::new(move |committed| {
        // The receiver may be gone; the work is done all the same.
        let _ = answer.send(result.and_then(|value| committed.map(|()| value)));
    })
}

/// The outcome of running [`Steps`].
pub(super) struct Done {
    /// The statements that are left to be run, or the error because of which the job has to be
    /// undone.
    pub(super) rest: Result<Script, StoreError>,
    pub(super) reply: Reply,
}

/// A job whose statements depend on what it reads. The trait hides the type of its result.
pub(super) trait Steps: Send {
    fn run(self: Box<Self>, connection: &mut SqliteConnection) -> BoxFuture<'_, Done>;

    /// Answers steps that were not begun.
    fn refuse(self: Box<Self>, error: StoreError);
}

/// A closure that does the work, with the channel for its result.
pub(super) struct Asked<T, F> {
    pub(super) work: F,
    pub(super) answer: Answer<T>,
}

impl<T, F> Steps for Asked<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(T, Script), StoreError>>
        + Send
        + 'static,
{
    fn run(self: Box<Self>, connection: &mut SqliteConnection) -> BoxFuture<'_, Done> {
        Box::pin(async move {
            let Self { work, answer } = *self;
            match work(connection).await {
                Ok((value, rest)) => Done {
                    rest: Ok(rest),
                    reply: reply(answer, Ok(value)),
                },
                Err(error) => Done {
                    rest: Err(error.clone()),
                    reply: reply(answer, Err(error)),
                },
            }
        })
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        // The receiver may be gone.
        let _ = self.answer.send(Err(error));
    }
}
