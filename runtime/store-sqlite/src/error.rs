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

/// Like [`on`], of a statement that writes what runs have recorded. SQLite may
/// answer that it does not take it, and would not the next time.
pub(crate) fn of_commit(table: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| match &error {
        sqlx::Error::Encode(source) => StoreError::Rejected { reason: source.to_string() },
        sqlx::Error::Database(database)
            if database.kind() != ErrorKind::UniqueViolation
                && database.code().is_some_and(|code| is_about_rows(&code)) =>
        {
            StoreError::Rejected { reason: database.message().to_owned() }
        }
        _ => on(table)(error),
    }
}

/// Whether a result code is due to what is written, and not to how the file is.
fn is_about_rows(code: &str) -> bool {
    const SQLITE_TOOBIG: u32 = 18;
    const SQLITE_CONSTRAINT: u32 = 19;
    const SQLITE_MISMATCH: u32 = 20;
    // Extended codes have the code in their last byte.
    let code = code.parse::<u32>().map(|code| code & 0xff);
    matches!(code, Ok(SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH))
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
