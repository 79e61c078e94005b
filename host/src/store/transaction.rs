//! Tracks the transaction of a batch and the savepoint of the job that runs in it.
//!
//! `BEGIN` and `SAVEPOINT` go to SQLite in one text with the job's first statement, because each
//! trip to sqlx's thread and back costs more than most statements.

use sqlx::SqliteConnection;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NotBegun,
    /// Begun, without a savepoint.
    Begun,
    /// Nothing was executed since the savepoint.
    Clean,
    /// Statements were executed since the savepoint.
    Used,
}

#[derive(Debug)]
pub(super) struct Transaction {
    state: State,
    /// Whether it is for a single job, which needs no savepoint: it is undone by a rollback.
    single: bool,
}

impl Transaction {
    /// Creates the state of a transaction for `jobs` jobs. Nothing is sent to SQLite yet.
    pub(super) fn of(jobs: usize) -> Self {
        Self {
            state: State::NotBegun,
            single: jobs == 1,
        }
    }

    pub(super) fn is_single(&self) -> bool {
        self.single
    }

    /// SQL to run with the next statement or before it. It keeps what was done so far;
    /// [`Transaction::undo`] undoes only what follows.
    pub(super) fn opening(&mut self) -> &'static str {
        match std::mem::replace(&mut self.state, State::Used) {
            State::NotBegun if self.single => "BEGIN IMMEDIATE; ",
            State::NotBegun => "BEGIN IMMEDIATE; SAVEPOINT job; ",
            State::Begun => "SAVEPOINT job; ",
            State::Clean => "",
            State::Used => "RELEASE job; SAVEPOINT job; ",
        }
    }

    /// SQL to run before a single statement, which needs no savepoint because SQLite executes it
    /// completely or not at all.
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

    /// Records that [`COMMIT`] was executed together with the last statement.
    pub(super) fn committed(&mut self) {
        self.state = State::NotBegun;
    }

    /// Commits, unless there is nothing to commit or the last job has included the commit.
    ///
    /// # Errors
    /// When SQLite cannot commit; then it is unknown what was committed.
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

/// Ends a transaction. May be part of one text with the last statement of the last job.
pub(super) const COMMIT: &str = "COMMIT";

/// Runs a statement without arguments and results. Does nothing if it is empty.
pub(super) async fn execute(
    connection: &mut SqliteConnection,
    sql: &'static str,
) -> Result<(), sqlx::Error> {
    if sql.is_empty() {
        return Ok(());
    }
    sqlx::query(sql).execute(connection).await.map(drop)
}
