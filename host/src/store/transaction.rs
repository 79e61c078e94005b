//! The state of a batch's transaction, and of the savepoint of the job that runs in it.
//!
//! What has to be said before a job (`BEGIN`, `SAVEPOINT`) goes in one text with the job's first
//! statement: each trip to sqlx's thread and back costs more than most statements.

use sqlx::SqliteConnection;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NotBegun,
    /// There is no savepoint yet.
    Begun,
    /// Nothing was done since the savepoint.
    Clean,
    /// What was done since the savepoint is to be kept.
    Used,
}

#[derive(Debug)]
pub(super) struct Transaction {
    state: State,
    /// It is for one job alone, which needs no savepoint: undoing it is a rollback.
    single: bool,
}

impl Transaction {
    /// A transaction for so many jobs; nothing is said to SQLite yet.
    pub(super) fn of(jobs: usize) -> Self {
        Self {
            state: State::NotBegun,
            single: jobs == 1,
        }
    }

    pub(super) fn is_single(&self) -> bool {
        self.single
    }

    /// To be run with the next statement, or before it. What is done from there on can be undone by
    /// itself.
    pub(super) fn opening(&mut self) -> &'static str {
        match std::mem::replace(&mut self.state, State::Used) {
            State::NotBegun if self.single => "BEGIN IMMEDIATE; ",
            State::NotBegun => "BEGIN IMMEDIATE; SAVEPOINT job; ",
            State::Begun => "SAVEPOINT job; ",
            State::Clean => "",
            State::Used => "RELEASE job; SAVEPOINT job; ",
        }
    }

    /// To be run before the next statement, which needs no undoing: SQLite does it whole or not at
    /// all.
    pub(super) fn keeping(&mut self) -> &'static str {
        match self.state {
            State::NotBegun => {
                self.state = State::Begun;
                "BEGIN IMMEDIATE; "
            }
            State::Clean => {
                self.state = State::Used;
                ""
            }
            State::Begun | State::Used => "",
        }
    }

    /// Undoes what was done since the last [`Transaction::opening`].
    ///
    /// # Errors
    /// When SQLite has ended the transaction by itself, or the connection is broken.
    pub(super) async fn undo(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        let (sql, state) = if self.single {
            ("ROLLBACK", State::NotBegun)
        } else {
            ("ROLLBACK TO job", State::Clean)
        };
        execute(connection, sql).await?;
        self.state = state;
        Ok(())
    }

    /// Notes that it was committed: [`COMMIT`] has gone with the last statement.
    pub(super) fn committed(&mut self) {
        self.state = State::NotBegun;
    }

    /// Commits, if there is something to commit and that was not done with the last job.
    ///
    /// # Errors
    /// When SQLite refuses; nobody knows then what is kept.
    pub(super) async fn commit(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        if self.state != State::NotBegun {
            execute(connection, COMMIT).await?;
            self.committed();
        }
        Ok(())
    }
}

/// Ends a transaction; may go in one text with the last statement of the last job.
pub(super) const COMMIT: &str = "COMMIT";

/// Runs a statement that takes nothing and gives nothing.
pub(super) async fn execute(
    connection: &mut SqliteConnection,
    sql: &'static str,
) -> Result<(), sqlx::Error> {
    if sql.is_empty() {
        return Ok(());
    }
    sqlx::query(sql).execute(connection).await.map(drop)
}
