//! What the writer is asked for.
//!
//! Work has three shapes, because each saves what costs most in its place. A [`Script`] is known
//! before it begins and takes one trip to the database's thread. Steps read first and decide by
//! what they find, at a trip for each statement. Sends come in floods and are stored together, with
//! a statement for each table however many they are.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use crate::store::{
    error::StoreError,
    outbox::{Accept, NewRow},
    script::Script,
};

/// How soon a job has to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody waits for it: in the next batch.
    Now,
    /// Nobody waits for it, but what is urgent must find it done: it runs first in the next batch.
    FirstDeferrable,
    /// Nobody waits for it: it waits some milliseconds for others to share a commit with.
    Deferrable,
}

/// Where the result of a job goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;
/// Answers a job, once it is known whether its batch was committed.
pub(super) type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What the writer is asked for.
pub(super) enum Request {
    Job(Job, Urgency),
    /// A send to be stored.
    Accept(Box<NewRow>, Answer<Accept>),
    /// The write-ahead log to be emptied, which is done between two transactions.
    EmptyLog(Answer<bool>),
}

/// Work for a transaction.
pub(super) enum Job {
    /// Statements that are known before they run, all or none of them. The answer is how many rows
    /// a single one changed.
    Script(Script, Answer<u64>),
    /// Statements that depend on what is read first.
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

/// The answer to a job, given when its batch has ended: the result, or why the batch was not
/// committed.
pub(super) fn reply<T: Send + 'static>(answer: Answer<T>, result: Result<T, StoreError>) -> Reply {
    Box::new(move |committed| {
        // The asker may be gone; the work is done all the same.
        let _ = answer.send(result.and_then(|value| committed.map(|()| value)));
    })
}

/// What steps came to.
pub(super) struct Done {
    /// The statements that are left to be run, or why what was done is to be undone.
    pub(super) rest: Result<Script, StoreError>,
    pub(super) reply: Reply,
}

/// A job whose statements depend on each other, whatever its result is.
pub(super) trait Steps: Send {
    fn run(self: Box<Self>, connection: &mut SqliteConnection) -> BoxFuture<'_, Done>;

    /// Answers steps that were not begun.
    fn refuse(self: Box<Self>, error: StoreError);
}

/// Steps with the one who waits for their result.
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
        // The asker may be gone.
        let _ = self.answer.send(Err(error));
    }
}
