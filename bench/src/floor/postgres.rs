//! One statement for each transaction, with arrays.

use anyhow::Result;
use serde_json::value::RawValue;
use sqlx::types::Json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{Recorded, Unit, Writer, now};

const WRITE: &str = "
    WITH closed AS (
        UPDATE workflow_executions AS execution
        SET status = 'completed', closed_at = $1
        FROM unnest($2::int4[], $3::uuid[]) AS closed (workflow_hash, run_id)
        WHERE execution.workflow_hash = closed.workflow_hash
          AND execution.run_id = closed.run_id
    ),
    started AS (
        INSERT INTO workflow_executions (
            workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
            status, started_at
        )
        SELECT workflow_hash, run_id, $6, run_id::text, $7, $8, 'running', $1
        FROM unnest($4::int4[], $5::uuid[]) AS started (workflow_hash, run_id)
    )
    INSERT INTO history_events (
        workflow_hash, run_id, event_id, event_type, event_time, attributes, payload
    )
    SELECT workflow_hash, run_id, event_id, event_type, $1, attributes, payload
    FROM unnest($9::int4[], $10::uuid[], $11::int8[], $12::text[], $13::jsonb[], $14::bytea[])
        AS event (workflow_hash, run_id, event_id, event_type, attributes, payload)";

/// A connection to a database with the schema.
pub(crate) struct PostgresWriter(PgConnection);

impl PostgresWriter {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let mut connection = PgConnection::connect(url).await?;
        // As the server does.
        sqlx::query("SET jit = off").execute(&mut connection).await?;
        Ok(Self(connection))
    }
}

impl Writer for PostgresWriter {
    async fn write(&mut self, recorded: &Recorded, units: &[Unit]) -> Result<()> {
        let mut started = Keys::default();
        let mut closed = Keys::default();
        let mut events = Keys::default();
        let mut event_ids = Vec::new();
        let mut types: Vec<&str> = Vec::new();
        let mut attributes: Vec<Json<&RawValue>> = Vec::new();
        let mut payloads: Vec<Option<&[u8]>> = Vec::new();
        for unit in units {
            if unit.number == 0 {
                started.push(unit);
            }
            if recorded.is_last(unit.number) {
                closed.push(unit);
            }
            for (event_id, event) in recorded.events_of(unit.number) {
                events.push(unit);
                event_ids.push(event_id);
                types.push(&event.event_type);
                attributes.push(Json(&event.attributes));
                payloads.push(event.payload.as_deref());
            }
        }
        sqlx::query(WRITE)
            .bind(now())
            .bind(closed.hashes)
            .bind(closed.run_ids)
            .bind(started.hashes)
            .bind(started.run_ids)
            .bind(&recorded.namespace)
            .bind(&recorded.workflow_type)
            .bind(&recorded.module_digest)
            .bind(events.hashes)
            .bind(events.run_ids)
            .bind(event_ids)
            .bind(types)
            .bind(attributes)
            .bind(payloads)
            .execute(&mut self.0)
            .await?;
        Ok(())
    }
}

#[derive(Default)]
struct Keys {
    hashes: Vec<i32>,
    run_ids: Vec<Uuid>,
}

impl Keys {
    fn push(&mut self, unit: &Unit) {
        self.hashes.push(unit.run.hash);
        self.run_ids.push(unit.run.run_id);
    }
}
