//! The savepoint of the piece of work that is done at the moment, within a transaction of many.

use sqlx::SqliteConnection;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Savepoint {
    /// There is none yet.
    #[default]
    None,
    /// Nothing was done since.
    Clean,
    /// What was done since is to be kept.
    Used,
}

impl Savepoint {
    /// What is done from here on can be undone by itself.
    pub(super) async fn renew(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let sql = match self {
            Self::None => "SAVEPOINT job",
            Self::Clean => "",
            Self::Used => "RELEASE job; SAVEPOINT job",
        };
        if !sql.is_empty() {
            sqlx::query(sql).execute(connection).await?;
        }
        *self = Self::Used;
        Ok(())
    }

    /// Undoes what was done since [`Savepoint::renew`].
    pub(super) async fn undo(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query("ROLLBACK TO job").execute(connection).await?;
        *self = Self::Clean;
        Ok(())
    }

    /// Something was done that is to be kept.
    pub(super) fn touched(&mut self) {
        if *self == Self::Clean {
            *self = Self::Used;
        }
    }
}
