//! The rows of a real run, to be written again and again.

use anyhow::{Context as _, Result};
use serde_json::value::RawValue;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::database::Database;

/// Events of one transition: an input, and what the workflow did about it.
const EVENTS_PER_UNIT: usize = 2;

/// A run as the server wrote it.
pub(crate) struct Recorded {
    pub(crate) namespace: String,
    pub(crate) workflow_type: String,
    pub(crate) module_digest: Vec<u8>,
    events: Vec<RecordedEvent>,
}

/// One of its events.
pub(crate) struct RecordedEvent {
    pub(crate) event_type: String,
    pub(crate) attributes: Box<RawValue>,
    pub(crate) payload: Option<Vec<u8>>,
}

type ExecutionRow = (String, String, Vec<u8>);
type EventRow = (String, String, Option<Vec<u8>>);

impl Recorded {
    /// Reads the run with this id.
    pub(crate) async fn read(database: &Database, run_id: Uuid) -> Result<Self> {
        let (execution, events): (ExecutionRow, Vec<EventRow>) = match database {
            Database::Postgres { .. } => {
                let mut connection = PgConnection::connect(&database.url()).await?;
                let execution = sqlx::query_as(
                    "SELECT namespace, workflow_type, module_digest
                     FROM workflow_executions WHERE run_id = $1",
                );
                let events = sqlx::query_as(
                    "SELECT event_type, attributes::text, payload
                     FROM history_events WHERE run_id = $1 ORDER BY event_id",
                );
                (
                    execution.bind(run_id).fetch_one(&mut connection).await?,
                    events.bind(run_id).fetch_all(&mut connection).await?,
                )
            }
            Database::Sqlite { path, .. } => {
                let options = SqliteConnectOptions::new().filename(path);
                let mut connection = SqliteConnection::connect_with(&options).await?;
                let execution = sqlx::query_as(
                    "SELECT namespace, workflow_type, module_digest
                     FROM workflow_executions WHERE run_id = ?",
                );
                let events = sqlx::query_as(
                    "SELECT event_type, attributes, payload
                     FROM history_events WHERE run_id = ? ORDER BY event_id",
                );
                (
                    execution.bind(run_id).fetch_one(&mut connection).await?,
                    events.bind(run_id).fetch_all(&mut connection).await?,
                )
            }
        };
        let (namespace, workflow_type, module_digest) = execution;
        let events = events.into_iter().map(RecordedEvent::of).collect::<Result<_>>()?;
        Ok(Self { namespace, workflow_type, module_digest, events })
    }

    /// Transitions of the run.
    pub(crate) fn units(&self) -> usize {
        self.events.len().div_ceil(EVENTS_PER_UNIT)
    }

    /// Rows that the run adds: its events, and itself.
    pub(crate) fn rows(&self) -> usize {
        self.events.len() + 1
    }

    /// Whether a transition is the one that closes the run.
    pub(crate) fn is_last(&self, number: usize) -> bool {
        number + 1 == self.units()
    }

    /// The events of a transition, with their ids.
    pub(crate) fn events_of(&self, number: usize) -> impl Iterator<Item = (i64, &RecordedEvent)> {
        let first = number * EVENTS_PER_UNIT;
        let events = self.events.iter().skip(first).take(EVENTS_PER_UNIT);
        (1..).skip(first).zip(events)
    }
}

impl RecordedEvent {
    fn of((event_type, attributes, payload): EventRow) -> Result<Self> {
        let attributes = RawValue::from_string(attributes).context("attributes are JSON")?;
        Ok(Self { event_type, attributes, payload })
    }
}
