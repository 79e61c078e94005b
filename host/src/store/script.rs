//! Several statements that are sent to the database thread together with their arguments, because a
//! trip there and back costs more than most statements.
//!
//! Each distinct text is prepared once and cached, so there should be few of them: whatever differs
//! between calls has to be an argument.

use sqlx::{
    Arguments, AssertSqlSafe, Encode, Execute, Sqlite, SqliteConnection, Type, query::Query,
    sqlite::SqliteArguments,
};

use super::error::StoreError;

/// One statement with its arguments.
pub(super) type Statement = Query<'static, Sqlite, SqliteArguments>;

#[derive(Debug, Default)]
pub(super) struct Script {
    sql: String,
    arguments: SqliteArguments,
    statements: usize,
}

impl Script {
    /// Makes a script of one statement.
    ///
    /// # Errors
    /// When an argument cannot be encoded.
    pub(super) fn of(mut statement: Statement) -> Result<Self, StoreError> {
        let arguments = statement
            .take_arguments()
            .map_err(|error| StoreError::Database(error.to_string()))?;
        Ok(Self {
            sql: statement.sql().as_str().to_owned(),
            arguments: arguments.unwrap_or_default(),
            statements: 1,
        })
    }

    /// Adds a statement. Its placeholders are `?` and are bound in order across all statements.
    pub(super) fn add(&mut self, sql: &'static str) {
        self.sql.push_str(sql);
        self.sql.push_str("; ");
        self.statements += 1;
    }

    /// Binds the next argument.
    pub(super) fn bind<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(
        &mut self,
        value: T,
    ) -> Result<(), StoreError> {
        self.arguments
            .add(value)
            .map_err(|error| StoreError::Database(error.to_string()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.statements == 0
    }

    /// Whether it is a single statement, which SQLite executes completely or not at all.
    pub(super) fn is_single(&self) -> bool {
        self.statements == 1
    }

    /// Runs the script as one text, between `before` and `behind`. Returns the number of changed
    /// rows, which is only correct for a single statement with empty `before` and `behind`: for
    /// statements such as `BEGIN`, SQLite repeats the count of the previous statement.
    ///
    /// # Errors
    /// When a statement fails; those before it have taken effect.
    pub(super) async fn run(
        self,
        connection: &mut SqliteConnection,
        before: &str,
        behind: &str,
    ) -> Result<u64, sqlx::Error> {
        // Safe: all texts are constants of the callers.
        let sql = AssertSqlSafe([before, &self.sql, behind].concat());
        Ok(sqlx::query_with(sql, self.arguments)
            .execute(connection)
            .await?
            .rows_affected())
    }
}
