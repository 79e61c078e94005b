//! Statements that go to the database's thread together, with all their arguments: a trip there and back costs more than
//! most of them.
//!
//! Each text is prepared once and kept, so texts are to be few: what differs from call to call is an argument.

use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type, sqlite::SqliteArguments};

use super::StoreError;

#[derive(Debug, Default)]
pub(super) struct Script {
    sql: String,
    arguments: SqliteArguments,
}

impl Script {
    /// Adds a statement, whose placeholders are `?`, bound in their order over all statements.
    pub(super) fn add(&mut self, sql: &'static str) {
        self.sql.push_str(sql);
        self.sql.push_str("; ");
    }

    /// The next argument.
    pub(super) fn bind<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> Result<(), StoreError> {
        self.arguments.add(value).map_err(|error| StoreError::Database(error.to_string()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sql.is_empty()
    }

    /// Runs it between two other statements.
    pub(super) async fn run(self, connection: &mut SqliteConnection, before: &str, behind: &str) -> Result<(), sqlx::Error> {
        // Constants of the callers.
        let sql = AssertSqlSafe([before, &self.sql, behind].concat());
        sqlx::query_with(sql, self.arguments).execute(connection).await.map(drop)
    }
}
