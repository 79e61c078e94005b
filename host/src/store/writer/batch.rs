//! A batch: one transaction, and one flush to the disk, for all requests that are taken from the
//! queue at a time.
//!
//! A failed job does not affect the others: it is rolled back to its savepoint, and the transaction
//! continues. Messages are stored last, together. The last work includes the commit where possible,
//! and replies are sent after the commit. An error that is not the job's own fault (a full disk, an
//! I/O error, a lock) fails the whole batch.

use std::collections::VecDeque;

use sqlx::SqliteConnection;

use super::{
    connection::WriteConnection,
    job::{Answer, Done, Job, Reply, Request, reply},
};
use crate::store::{
    error::{StoreError, primary_code},
    file,
    outbox::{self, Accept, NewRow},
    script::Script,
    transaction::{COMMIT, Transaction, execute},
};

/// The remaining work of a batch.
#[derive(Default)]
pub(super) struct Batch {
    /// Requests to truncate the write-ahead log.
    empty_log: Vec<Answer<bool>>,
    jobs: VecDeque<Job>,
    sends: Vec<(NewRow, Answer<Accept>)>,
}

impl Batch {
    pub(super) fn of(requests: Vec<Request>) -> Self {
        let mut batch = Self::default();
        for request in requests {
            match request {
                Request::Job(job, _) => batch.jobs.push_back(job),
                Request::Accept(row, answer) => batch.sends.push((*row, answer)),
                Request::EmptyLog(answer) => batch.empty_log.push(answer),
            }
        }
        batch
    }

    /// Does the work and commits it. Adds to `replies` what has to be sent afterwards. Work that
    /// was not begun when the batch fails stays in the batch.
    ///
    /// # Errors
    /// When the transaction failed. Then nothing was committed, unless the commit itself failed
    /// with an unknown result.
    pub(super) async fn commit(
        &mut self,
        connection: &mut WriteConnection,
        replies: &mut Vec<Reply>,
    ) -> Result<(), StoreError> {
        for answer in self.empty_log.drain(..) {
            // The receiver may be gone.
            let _ = answer.send(empty_log(connection).await);
        }
        if self.jobs.is_empty() && self.sends.is_empty() {
            return Ok(());
        }
        let result = self.transaction(connection.get().await?, replies).await;
        if result.is_err() {
            connection.close().await;
        }
        result
    }

    /// Answers the work that was not begun.
    pub(super) fn refuse(self, error: &StoreError) {
        for job in self.jobs {
            job.refuse(error.clone());
        }
        for (_, answer) in self.sends {
            let _ = answer.send(Err(error.clone()));
        }
    }

    async fn transaction(
        &mut self,
        connection: &mut SqliteConnection,
        replies: &mut Vec<Reply>,
    ) -> Result<(), StoreError> {
        let mut transaction = Transaction::of(self.jobs.len() + self.sends.len());
        while let Some(job) = self.jobs.pop_front() {
            let last = self.jobs.is_empty() && self.sends.is_empty();
            match job {
                Job::Script(script, answer) => {
                    run_script(connection, &mut transaction, script, answer, last, replies).await?
                }
                Job::Steps(steps) => {
                    if let Err(error) = execute(connection, transaction.opening()).await {
                        let error = StoreError::from(error);
                        steps.refuse(error.clone());
                        return Err(error);
                    }
                    let done = steps.run(connection).await;
                    run_rest(connection, &mut transaction, done, last, replies).await?;
                }
            }
        }
        if !self.sends.is_empty() {
            let (rows, answers): (Vec<_>, Vec<_>) = self.sends.drain(..).unzip();
            let results = outbox::accept_all(connection, &mut transaction, &rows).await;
            replies.extend(
                answers
                    .into_iter()
                    .zip(results)
                    .map(|(answer, result)| reply(answer, result)),
            );
        }
        Ok(transaction.commit(connection).await?)
    }
}

/// See [`file::empty_log`].
async fn empty_log(connection: &mut WriteConnection) -> Result<bool, StoreError> {
    Ok(file::empty_log(connection.get().await?).await?)
}

/// Runs a script. If it fails through its own fault, only its caller gets an error. Otherwise its
/// caller, like all others, is told why the batch was not committed.
async fn run_script(
    connection: &mut SqliteConnection,
    transaction: &mut Transaction,
    script: Script,
    answer: Answer<u64>,
    last: bool,
    replies: &mut Vec<Reply>,
) -> Result<(), sqlx::Error> {
    let single = script.is_single();
    let done = if !single {
        run_with_commit(connection, transaction.opening(), script, last).await
    } else if transaction.is_single() {
        // A single statement is a transaction by itself.
        script.run(connection, "", "").await
    } else {
        match execute(connection, transaction.keeping()).await {
            Ok(()) => script.run(connection, "", "").await,
            Err(error) => Err(error),
        }
    };
    match done {
        Ok(changed) => {
            if last && !single {
                transaction.committed();
            }
            replies.push(reply(answer, Ok(changed)));
        }
        Err(error) if is_own_fault(&error) => {
            replies.push(reply(answer, Err(error.into())));
            if !single {
                transaction.undo(connection).await?;
            }
        }
        Err(error) => {
            replies.push(reply(answer, Ok(0)));
            return Err(error);
        }
    }
    Ok(())
}

/// Runs the statements that a `Steps` job has left for the end, or undoes the job if it failed.
async fn run_rest(
    connection: &mut SqliteConnection,
    transaction: &mut Transaction,
    done: Done,
    last: bool,
    replies: &mut Vec<Reply>,
) -> Result<(), StoreError> {
    let Done { rest, reply } = done;
    let failure = match rest {
        Ok(rest) if rest.is_empty() => {
            replies.push(reply);
            return Ok(());
        }
        Ok(rest) => match run_with_commit(connection, "", rest, last).await {
            Ok(_) => {
                if last {
                    transaction.committed();
                }
                replies.push(reply);
                return Ok(());
            }
            Err(error) if is_own_fault(&error) => StoreError::from(error),
            Err(error) => {
                replies.push(reply);
                return Err(error.into());
            }
        },
        Err(failure) => failure,
    };
    let told = failure.clone();
    replies.push(Box::new(move |_| reply(Err(told))));
    // On a full disk SQLite may have rolled back the statement or the transaction, so nothing is
    // relied on.
    if failure == StoreError::Full {
        return Err(failure);
    }
    // The rollback fails if SQLite has ended the transaction; the first error says why.
    transaction.undo(connection).await.map_err(|_| failure)
}

/// Runs a script, followed by the commit if it is the last work of the batch.
async fn run_with_commit(
    connection: &mut SqliteConnection,
    opening: &str,
    script: Script,
    last: bool,
) -> Result<u64, sqlx::Error> {
    script
        .run(connection, opening, if last { COMMIT } else { "" })
        .await
}

/// Whether the failed statement itself is to blame, so that `SQLite` has undone only that statement
/// and the transaction can continue. A full disk, an I/O error or a lock concerns the whole batch.
fn is_own_fault(error: &sqlx::Error) -> bool {
    /// `ERROR`, `TOOBIG`, `CONSTRAINT`, `MISMATCH` and `RANGE`, see
    /// <https://www.sqlite.org/rescode.html>.
    const OWN: [i32; 5] = [1, 18, 19, 20, 25];
    primary_code(error).is_some_and(|code| OWN.contains(&code))
}
