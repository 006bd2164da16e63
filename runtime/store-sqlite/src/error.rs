//! What the driver's errors mean to a caller.

use std::borrow::Cow;

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
        sqlx::Error::Database(database) if is(&[SQLITE_CORRUPT], database.code()) => {
            corrupt(table, database.message().to_owned())
        }
        _ => unavailable(error),
    }
}

/// Like [`on`], of a statement that reads what is stored of certain runs. What can't
/// be read there may be readable elsewhere: those whose rows are damaged are found one
/// by one.
pub(crate) fn of_run(table: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| match &error {
        // The disk does not give a page back.
        sqlx::Error::Database(database) if is(&[SQLITE_IOERR], database.code()) => {
            corrupt(table, database.message().to_owned())
        }
        _ => on(table)(error),
    }
}

/// Like [`on`], of a statement that writes what runs have recorded. SQLite may
/// answer that it does not take it, and would not the next time.
pub(crate) fn of_commit(table: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| match &error {
        sqlx::Error::Encode(source) => {
            StoreError::Rejected { reason: source.to_string(), may_pass: false }
        }
        sqlx::Error::Database(database)
            if database.kind() != ErrorKind::UniqueViolation && is(ABOUT_ROWS, database.code()) =>
        {
            StoreError::Rejected { reason: database.message().to_owned(), may_pass: false }
        }
        _ => on(table)(error),
    }
}

const SQLITE_IOERR: u32 = 10;
/// A page does not hold what it should.
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_TOOBIG: u32 = 18;
const SQLITE_CONSTRAINT: u32 = 19;
const SQLITE_MISMATCH: u32 = 20;

/// What may be due to what is written, and to where, and not to how the whole file is.
const ABOUT_ROWS: &[u32] = &[SQLITE_CORRUPT, SQLITE_TOOBIG, SQLITE_CONSTRAINT, SQLITE_MISMATCH];

/// Extended codes have the code in their last byte.
fn is(codes: &[u32], code: Option<Cow<'_, str>>) -> bool {
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| codes.contains(&(code & 0xff)))
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
