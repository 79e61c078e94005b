//! Statements that go to the database's thread together, with all their arguments: a trip there and
//! back costs more than most of them.
//!
//! Each text is prepared once and kept, so texts are to be few: what differs from call to call is
//! an argument.

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
    /// A script of one statement.
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

    /// Adds a statement, whose placeholders are `?`, bound in their order over all statements.
    pub(super) fn add(&mut self, sql: &'static str) {
        self.sql.push_str(sql);
        self.sql.push_str("; ");
        self.statements += 1;
    }

    /// The next argument.
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

    /// Whether it is a single statement, which SQLite does whole or not at all.
    pub(super) fn is_single(&self) -> bool {
        self.statements == 1
    }

    /// Runs it, in one text between `before` and `behind`. How many rows it changed, which is right
    /// for a single statement between nothing alone: SQLite counts the rows of a statement before
    /// again for one like `BEGIN`.
    ///
    /// # Errors
    /// When a statement fails; those before it are done.
    pub(super) async fn run(
        self,
        connection: &mut SqliteConnection,
        before: &str,
        behind: &str,
    ) -> Result<u64, sqlx::Error> {
        // Constants of the callers.
        let sql = AssertSqlSafe([before, &self.sql, behind].concat());
        Ok(sqlx::query_with(sql, self.arguments)
            .execute(connection)
            .await?
            .rows_affected())
    }
}
