//! What the driver's errors mean to a caller.

use dacapo_store::error::StoreError;
use sqlx::error::ErrorKind;

/// Converts the error of a statement that reads or writes `table`.
pub(crate) fn on(table: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| match &error {
        // SQLite names the columns of the key in its message, not the index.
        sqlx::Error::Database(database) if database.kind() == ErrorKind::UniqueViolation => {
            StoreError::Conflict { key: database.message().to_owned() }
        }
        sqlx::Error::ColumnDecode { index, source } => {
            corrupt(table, format!("column {index}: {source}"))
        }
        sqlx::Error::Decode(source) => corrupt(table, source.to_string()),
        _ => unavailable(error),
    }
}

/// For everything that leaves the outcome open: another process holds the lock
/// for too long, the disk is full, the file can't be read.
pub(crate) fn unavailable(
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Unavailable { source: source.into() }
}

fn corrupt(table: &'static str, reason: String) -> StoreError {
    StoreError::Corrupt { table, column: "a column", row: "a row".to_owned(), reason }
}
