//! What the driver's errors mean to a caller.

use dacapo_store::error::StoreError;
use sqlx::error::ErrorKind;

/// Raised by `assert_row_count` in `queries/commit.sql`.
const NO_DATA_FOUND: &str = "P0002";

/// Converts the error of a statement that reads or writes `table`.
pub(crate) fn on(table: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| match &error {
        sqlx::Error::Database(database) if database.kind() == ErrorKind::UniqueViolation => {
            StoreError::Conflict { key: database.constraint().unwrap_or(table).to_owned() }
        }
        sqlx::Error::Database(database) if database.code().as_deref() == Some(NO_DATA_FOUND) => {
            corrupt(table, database.message())
        }
        sqlx::Error::ColumnDecode { index, source } => {
            corrupt(table, &format!("column {index}: {source}"))
        }
        sqlx::Error::Decode(source) => corrupt(table, &source.to_string()),
        _ => unavailable(error),
    }
}

/// For everything that leaves the outcome open: no connection, a timeout, a
/// server that shuts down, a transaction that lost a deadlock.
pub(crate) fn unavailable(
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Unavailable { source: source.into() }
}

fn corrupt(table: &'static str, reason: &str) -> StoreError {
    StoreError::Corrupt {
        table,
        column: "a column",
        row: "a row".to_owned(),
        reason: reason.to_owned(),
    }
}
