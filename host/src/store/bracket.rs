//! Where the transaction of a batch stands, and the savepoint of the piece of work that is done in it at the moment.
//!
//! What has to be said before a piece of work goes with its first statement: each trip to sqlx's thread and back costs
//! more than most statements.

use sqlx::SqliteConnection;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bracket {
    /// Not begun.
    #[default]
    Closed,
    /// Begun; there is no savepoint yet.
    Begun,
    /// Nothing was done since the savepoint.
    Clean,
    /// What was done since the savepoint is to be kept.
    Used,
}

impl Bracket {
    /// To be said with the next statement, or before it: what is done from there on can be undone by itself.
    pub(super) fn opening(&mut self) -> &'static str {
        match std::mem::replace(self, Self::Used) {
            Self::Closed => "BEGIN IMMEDIATE; SAVEPOINT job; ",
            Self::Begun => "SAVEPOINT job; ",
            Self::Clean => "",
            Self::Used => "RELEASE job; SAVEPOINT job; ",
        }
    }

    /// Undoes what was done since the savepoint.
    pub(super) async fn undo(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        say(connection, "ROLLBACK TO job").await?;
        *self = Self::Clean;
        Ok(())
    }

    /// To be said with the next statement, or before it: what is done from there on is kept.
    pub(super) fn keeping(&mut self) -> &'static str {
        match self {
            Self::Closed => {
                *self = Self::Begun;
                "BEGIN IMMEDIATE; "
            }
            Self::Clean => {
                *self = Self::Used;
                ""
            }
            Self::Begun | Self::Used => "",
        }
    }
}

pub(super) async fn say(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    if sql.is_empty() {
        return Ok(());
    }
    sqlx::query(sql).execute(connection).await.map(drop)
}
