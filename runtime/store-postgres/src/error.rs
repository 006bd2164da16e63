//! What the driver's errors mean to a caller.

use dacapo_store::error::StoreError;
use sqlx::error::ErrorKind;

/// Raised by `assert_row_count` in `queries/commit.sql`.
const NO_DATA_FOUND: &str = "P0002";

const READ_ONLY_TRANSACTION: &str = "25006";
/// The server shuts down, crashes, starts, or ends the session.
const OPERATOR_INTERVENTION: &str = "57P0";

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
        sqlx::Error::Database(database) if database.code().is_some_and(|code| is_damage(&code)) => {
            corrupt(table, database.message())
        }
        _ => unavailable(error),
    }
}

/// Like [`on`], of a statement that reads what is stored of certain runs. What can't
/// be read there may be readable elsewhere: those whose rows are damaged are found one
/// by one.
pub(crate) fn of_run(table: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| match &error {
        sqlx::Error::Database(database)
            if database.code().is_some_and(|code| may_be_damage(&code)) =>
        {
            corrupt(table, database.message())
        }
        _ => on(table)(error),
    }
}

/// A page or an index does not hold what it should.
fn is_damage(code: &str) -> bool {
    matches!(code, "XX001" | "XX002")
}

/// The same, or a file does not give back what it should, or what the server makes of a
/// damaged row fails in a way that has no code of its own.
fn may_be_damage(code: &str) -> bool {
    is_damage(code) || matches!(code, "XX000" | "58030" | "58P01")
}

/// Like [`on`], of a statement that writes what runs have recorded. The server may
/// answer that it does not take it, and would not the next time.
pub(crate) fn of_commit(table: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| match &error {
        sqlx::Error::Encode(source) => {
            StoreError::Rejected { reason: source.to_string(), may_pass: false }
        }
        sqlx::Error::Database(database)
            if !is_known(database.kind(), database.code().as_deref())
                && database.code().is_some_and(|code| is_about_rows(&code)) =>
        {
            let may_pass = database.code().is_some_and(|code| may_pass(&code));
            StoreError::Rejected { reason: database.message().to_owned(), may_pass }
        }
        _ => on(table)(error),
    }
}

fn is_known(kind: ErrorKind, code: Option<&str>) -> bool {
    kind == ErrorKind::UniqueViolation || code == Some(NO_DATA_FOUND)
}

/// Whether a SQLSTATE may be due to what is written, and not to how the server or
/// the connection is. By its class: data, constraints, checks of views, functions
/// of triggers, limits of the program, and what goes wrong inside the server, such
/// as an index that is damaged in one place.
fn is_about_rows(code: &str) -> bool {
    matches!(
        code.get(..2),
        Some("21" | "22" | "23" | "2F" | "38" | "39" | "44" | "54" | "P0" | "XX")
    )
}

/// Whether one of these is about how the server is at the moment, or what a trigger
/// made of that, and may be over a moment later.
fn may_pass(code: &str) -> bool {
    matches!(code.get(..2), Some("P0" | "XX"))
}

/// Whether the session that said so must not be used any more, nor any that is
/// open beside it: it is read-only (`25006`), as those are that were opened before a
/// failover, or the server ends it (`57P01` and its like).
pub(crate) fn condemns_sessions(error: &StoreError) -> bool {
    let StoreError::Unavailable { source } = error else {
        return false;
    };
    let database = source.downcast_ref().and_then(sqlx::Error::as_database_error);
    let code = database.and_then(|error| error.code());
    code.is_some_and(|code| {
        code == READ_ONLY_TRANSACTION || code.starts_with(OPERATOR_INTERVENTION)
    })
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
