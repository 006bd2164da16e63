//! Prepared statements, one for each row, in one transaction.

use std::path::Path;

use anyhow::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, SqliteConnection};

use super::{Recorded, Unit, Writer, now};

/// A connection to a file with the schema, with the settings of the server.
pub(crate) struct SqliteWriter(SqliteConnection);

impl SqliteWriter {
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        Ok(Self(SqliteConnection::connect_with(&options).await?))
    }
}

impl Writer for SqliteWriter {
    async fn write(&mut self, recorded: &Recorded, units: &[Unit]) -> Result<()> {
        let time = now().timestamp_micros();
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        for Unit { run, number } in units {
            if *number == 0 {
                sqlx::query(
                    "INSERT INTO workflow_executions (
                         workflow_hash, run_id, namespace, workflow_id, workflow_type,
                         module_digest, status, started_at
                     ) VALUES (?, ?, ?, ?, ?, ?, 'running', ?)",
                )
                .bind(run.hash)
                .bind(run.run_id)
                .bind(&recorded.namespace)
                .bind(run.run_id.to_string())
                .bind(&recorded.workflow_type)
                .bind(&recorded.module_digest)
                .bind(time)
                .execute(&mut *transaction)
                .await?;
            }
            if recorded.is_last(*number) {
                sqlx::query(
                    "UPDATE workflow_executions SET status = 'completed', closed_at = ?
                     WHERE workflow_hash = ? AND run_id = ?",
                )
                .bind(time)
                .bind(run.hash)
                .bind(run.run_id)
                .execute(&mut *transaction)
                .await?;
            }
            for (event_id, event) in recorded.events_of(*number) {
                sqlx::query(
                    "INSERT INTO history_events (
                         workflow_hash, run_id, event_id, event_type, event_time, attributes,
                         payload
                     ) VALUES (?, ?, ?, ?, ?, ?, ?)",
                )
                .bind(run.hash)
                .bind(run.run_id)
                .bind(event_id)
                .bind(&event.event_type)
                .bind(time)
                .bind(event.attributes.get())
                .bind(&event.payload)
                .execute(&mut *transaction)
                .await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}
