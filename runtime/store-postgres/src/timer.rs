//! Reading timers.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dacapo_model::ids::{EventId, RunId, RunKey, WorkflowHash};
use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::record::RowName;
use dacapo_store::shard::HashRange;
use dacapo_store::timer::{DueTimer, TimerRow, TimerStore};
use dacapo_store::timer_columns::StoredKind;
use serde_json::Value;
use uuid::Uuid;

use crate::time::to_database;
use crate::{PostgresStore, error};

const TABLE: &str = "workflow_timers";

struct StoredTimer {
    workflow_hash: i32,
    run_id: Uuid,
    event_id: i64,
    fire_at: DateTime<Utc>,
    kind: String,
    attempt: Option<i64>,
    last_failure: Option<Value>,
    details: Option<Vec<u8>>,
}

struct DueRow {
    workflow_hash: i32,
    run_id: Uuid,
    event_id: i64,
    fire_at: DateTime<Utc>,
}

impl DueRow {
    fn into_due(self) -> Result<DueTimer> {
        let place = format!("{}/{}", self.run_id, self.event_id);
        let row = RowName { table: TABLE, key: &place };
        Ok(DueTimer {
            key: RunKey { hash: WorkflowHash(self.workflow_hash), run_id: RunId(self.run_id) },
            event_id: EventId(row.unsigned("event_id", self.event_id)?),
            fire_at: Timestamp::from(self.fire_at),
        })
    }
}

impl StoredTimer {
    fn into_timer(self) -> Result<TimerRow> {
        let place = format!("{}/{}", self.run_id, self.event_id);
        let row = RowName { table: TABLE, key: &place };
        let kind = StoredKind {
            kind: self.kind,
            attempt: self.attempt,
            last_failure: self.last_failure,
            details: self.details,
        };
        Ok(TimerRow {
            key: RunKey { hash: WorkflowHash(self.workflow_hash), run_id: RunId(self.run_id) },
            event_id: EventId(row.unsigned("event_id", self.event_id)?),
            fire_at: Timestamp::from(self.fire_at),
            kind: kind.read(&row)?,
        })
    }
}

#[async_trait]
impl TimerStore for PostgresStore {
    async fn due_timers(
        &self,
        ranges: &[HashRange],
        until: Timestamp,
        after: Option<DueTimer>,
        limit: u32,
    ) -> Result<Vec<DueTimer>> {
        let fire_at = after.map(|after| to_database(after.fire_at));
        let key = after.map(|after| after.key);
        let event_id = after.map_or(0, |after| after.event_id.0);
        let some = (ranges != [HashRange::ALL]).then_some(ranges);
        let bounds = |bound: fn(&HashRange) -> WorkflowHash| {
            some.map(|some| some.iter().map(|range| bound(range).0).collect::<Vec<i32>>())
        };
        let (first, last) = (bounds(|range| range.from), bounds(|range| range.to));
        sqlx::query_file_as!(
            DueRow,
            "queries/due_timers.sql",
            to_database(until),
            fire_at,
            key.map_or(0, |key| key.hash.0),
            key.map_or(Uuid::nil(), |key| key.run_id.0),
            i64::try_from(event_id).unwrap_or(i64::MAX),
            i64::from(limit),
            first.as_deref(),
            last.as_deref()
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE))?
        .into_iter()
        .map(DueRow::into_due)
        .collect()
    }

    async fn run_timers(&self, keys: &[RunKey]) -> Result<Vec<TimerRow>> {
        let hashes: Vec<i32> = keys.iter().map(|key| key.hash.0).collect();
        let run_ids: Vec<Uuid> = keys.iter().map(|key| key.run_id.0).collect();
        sqlx::query_file_as!(StoredTimer, "queries/run_timers.sql", &hashes, &run_ids)
            .fetch_all(self.statement())
            .await
            .map_err(error::of_run(TABLE))?
            .into_iter()
            .map(StoredTimer::into_timer)
            .collect()
    }
}
