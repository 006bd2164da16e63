//! The one connection that writes.
//!
//! SQLite undoes a transaction by itself when the disk is full or fails, and how much
//! it has undone can't be relied on. So a connection on which a write has failed is
//! closed, and the next writer opens another.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use dacapo_store::error::{Result, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard};

use crate::error::unavailable;
use crate::place::{Lost, Place};

/// How long to wait for those who write before. Each may have to wait for another
/// process.
const TURN_TIME_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Writer {
    options: SqliteConnectOptions,
    place: Place,
    idle: Mutex<Option<SqliteConnection>>,
}

/// A transaction that holds the write lock. Dropped, it rolls back, and its
/// connection is closed.
pub(crate) struct Writing<'a> {
    idle: MutexGuard<'a, Option<SqliteConnection>>,
    connection: SqliteConnection,
}

impl Writer {
    /// Of the file at `place`, with a connection that is open.
    pub(crate) fn new(
        options: SqliteConnectOptions,
        place: Place,
        connection: SqliteConnection,
    ) -> Self {
        Self { options, place, idle: Mutex::new(Some(connection)) }
    }

    /// Takes the write lock at once: a transaction that reads first and writes later
    /// may find that it can't.
    pub(crate) async fn begin(&self) -> Result<Writing<'_>> {
        let turn = tokio::time::timeout(TURN_TIME_MAX, self.idle.lock()).await;
        let mut idle = turn.map_err(|_| unavailable("others have been writing for too long"))?;
        if let Err(lost) = self.place.check() {
            return Err(self.give_up(lost, &mut idle).await);
        }
        let mut connection = match idle.take() {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(unavailable)?,
        };
        connection.execute("BEGIN IMMEDIATE").await.map_err(unavailable)?;
        Ok(Writing { idle, connection })
    }

    /// Keeps what would be gone with the process otherwise.
    async fn give_up(&self, lost: Lost, idle: &mut Option<SqliteConnection>) -> StoreError {
        if let (Lost::Log(_), Some(connection)) = (&lost, idle)
            && let Err(error) = connection.execute("PRAGMA wal_checkpoint(FULL)").await
        {
            return unavailable(error);
        }
        lost.into()
    }

    pub(crate) async fn close(&self) {
        if let Some(connection) = self.idle.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database file was not closed well");
        }
    }
}

impl Writing<'_> {
    pub(crate) async fn commit(mut self) -> Result<()> {
        self.connection.execute("COMMIT").await.map_err(unavailable)?;
        *self.idle = Some(self.connection);
        Ok(())
    }

    /// Ends a transaction that is not to be committed, for this reason.
    pub(crate) async fn refuse<T>(mut self, reason: StoreError) -> Result<T> {
        // After a verdict the connection is as it should be, and is kept.
        let is_verdict = !matches!(reason, StoreError::Unavailable { .. });
        if is_verdict && self.connection.execute("ROLLBACK").await.is_ok() {
            *self.idle = Some(self.connection);
        } else if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "a connection to the database file was not closed well");
        }
        Err(reason)
    }
}

impl Deref for Writing<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}
