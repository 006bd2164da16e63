//! Reading timers.

use async_trait::async_trait;
use dacapo_model::ids::{EventId, RunId, RunKey, WorkflowHash};
use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::record::RowName;
use dacapo_store::shard::HashRange;
use dacapo_store::timer::{DueTimer, TimerRow, TimerStore};
use dacapo_store::timer_columns::StoredKind;
use serde_json::Value;
use uuid::Uuid;

use crate::commit::rows;
use crate::{SqliteStore, error};

const TABLE: &str = "workflow_timers";

struct StoredTimer {
    workflow_hash: i32,
    run_id: Uuid,
    event_id: i64,
    fire_at: i64,
    kind: String,
    attempt: Option<i64>,
    last_failure: Option<Value>,
    details: Option<Vec<u8>>,
}

struct DueRow {
    workflow_hash: i32,
    run_id: Uuid,
    event_id: i64,
    fire_at: i64,
}

impl DueRow {
    fn into_due(self) -> Result<DueTimer> {
        let place = format!("{}/{}", self.run_id, self.event_id);
        let row = RowName { table: TABLE, key: &place };
        Ok(DueTimer {
            key: RunKey { hash: WorkflowHash(self.workflow_hash), run_id: RunId(self.run_id) },
            event_id: EventId(row.unsigned("event_id", self.event_id)?),
            fire_at: Timestamp::from_micros(self.fire_at),
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
            fire_at: Timestamp::from_micros(self.fire_at),
            kind: kind.read(&row)?,
        })
    }
}

#[async_trait]
impl TimerStore for SqliteStore {
    async fn due_timers(
        &self,
        ranges: &[HashRange],
        until: Timestamp,
        after: Option<DueTimer>,
        limit: u32,
    ) -> Result<Vec<DueTimer>> {
        let until = until.as_micros();
        let fire_at = after.map_or(i64::MIN, |after| after.fire_at.as_micros());
        let hash = after.map_or(i32::MIN, |after| after.key.hash.0);
        let run_id = after.map_or(Uuid::nil(), |after| after.key.run_id.0);
        let event_id = after.map_or(0, |after| after.event_id.0);
        let event_id = i64::try_from(event_id).unwrap_or(i64::MAX);
        let bounds = ranges.iter().map(|range| (range.from.0, range.to.0));
        let some = (ranges != [HashRange::ALL]).then(|| rows(bounds));
        sqlx::query_as!(
            DueRow,
            r#"SELECT workflow_hash AS "workflow_hash: i32", run_id AS "run_id: Uuid", event_id,
                      fire_at
               FROM workflow_timers
               WHERE fire_at < ?1
                 AND (fire_at, workflow_hash, run_id, event_id) > (?2, ?3, ?4, ?5)
                 -- Of all runs, or of those with a hash in one of these ranges.
                 AND (
                     ?6 IS NULL
                     OR EXISTS (
                         SELECT 1
                         FROM json_each(?6) AS owned
                         WHERE workflow_hash BETWEEN owned.value ->> 0 AND owned.value ->> 1
                     )
                 )
               ORDER BY fire_at, workflow_hash, run_id, event_id
               LIMIT ?7"#,
            until,
            fire_at,
            hash,
            run_id,
            event_id,
            some,
            limit
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE))?
        .into_iter()
        .map(DueRow::into_due)
        .collect()
    }

    /// One statement per run: there is no round trip to save.
    async fn run_timers(&self, keys: &[RunKey]) -> Result<Vec<TimerRow>> {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let mut timers = Vec::new();
        for key in keys {
            let rows = sqlx::query_as!(
                StoredTimer,
                r#"SELECT workflow_hash AS "workflow_hash: i32", run_id AS "run_id: Uuid", event_id,
                          fire_at, kind, attempt, last_failure AS "last_failure: Value",
                      details
                   FROM workflow_timers
                   WHERE workflow_hash = ? AND run_id = ?
                   ORDER BY event_id"#,
                key.hash.0,
                key.run_id.0
            )
            .fetch_all(self.statement())
            .await
            .map_err(error::of_run(TABLE))?;
            for row in rows {
                timers.push(row.into_timer()?);
            }
        }
        Ok(timers)
    }
}
