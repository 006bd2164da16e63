//! Reading histories.

use async_trait::async_trait;
use dacapo_model::event::{HistoryEvent, ParentExecution};
use dacapo_model::ids::{EventId, RunId, RunKey};
use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::history::HistoryStore;
use dacapo_store::record::{EventPlace, RowName};
use dacapo_store::size::history_bytes;

use crate::{SqliteStore, error};

const TABLE: &str = "history_events";

/// Events of a part of a history that are read by one statement.
const PART_STEP: u32 = 4;

struct EventRow {
    event_id: i64,
    event_type: String,
    event_time: i64,
    attributes: String,
    payload: Option<Vec<u8>>,
}

impl EventRow {
    fn into_event(self, key: RunKey) -> Result<HistoryEvent> {
        let place = EventPlace { key, event_id: self.event_id };
        let row = RowName { table: TABLE, key: &place };
        Ok(HistoryEvent {
            id: EventId(row.unsigned("event_id", self.event_id)?),
            time: Timestamp::from_micros(self.event_time),
            attributes: row.event(&self.event_type, &self.attributes, self.payload)?,
        })
    }
}

#[async_trait]
impl HistoryStore for SqliteStore {
    async fn load_history(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
    ) -> Result<Vec<HistoryEvent>> {
        // No event is that far.
        let from = i64::try_from(from.0).unwrap_or(i64::MAX);
        sqlx::query_as!(
            EventRow,
            r#"SELECT event_id, event_type, event_time, attributes AS "attributes: String", payload
               FROM history_events
               WHERE workflow_hash = ? AND run_id = ? AND event_id >= ?
               ORDER BY event_id
               LIMIT ?"#,
            key.hash.0,
            key.run_id.0,
            from,
            limit
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::of_run(TABLE))?
        .into_iter()
        .map(|row| row.into_event(key))
        .collect()
    }

    /// A few events at a time: there is no round trip to save, and a window over
    /// their sizes would read all of them.
    async fn load_history_part(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
        bytes_max: u64,
    ) -> Result<Vec<HistoryEvent>> {
        let mut part: Vec<HistoryEvent> = Vec::new();
        let (mut next, mut bytes, mut left) = (from, 0, limit);
        while bytes < bytes_max && left > 0 {
            let few = self.load_history(key, next, left.min(PART_STEP)).await?;
            let Some(last) = few.last() else { break };
            next = last.id.next();
            left -= PART_STEP.min(left);
            let is_all = few.len() < PART_STEP as usize;
            for event in few {
                if bytes < bytes_max {
                    bytes += event.attributes.bytes();
                    part.push(event);
                }
            }
            if is_all {
                break;
            }
        }
        Ok(part)
    }

    async fn last_event(&self, key: RunKey) -> Result<Option<HistoryEvent>> {
        sqlx::query_as!(
            EventRow,
            r#"SELECT event_id, event_type, event_time, attributes AS "attributes: String", payload
               FROM history_events
               WHERE workflow_hash = ? AND run_id = ?
               ORDER BY event_id DESC
               LIMIT 1"#,
            key.hash.0,
            key.run_id.0
        )
        .fetch_optional(self.statement())
        .await
        .map_err(error::of_run(TABLE))?
        .map(|row| row.into_event(key))
        .transpose()
    }

    /// One statement per run: there is no round trip to save.
    async fn load_histories(
        &self,
        keys: &[RunKey],
        limit: u32,
        bytes_max: usize,
    ) -> Result<Vec<Vec<HistoryEvent>>> {
        let (mut histories, mut bytes) = (Vec::with_capacity(keys.len()), 0);
        for &key in keys {
            if bytes >= bytes_max && !histories.is_empty() {
                break;
            }
            let history = self.load_history(key, EventId::FIRST, limit).await?;
            bytes += history_bytes(&history);
            histories.push(history);
        }
        Ok(histories)
    }

    async fn last_events(&self, keys: &[RunKey]) -> Result<Vec<Option<HistoryEvent>>> {
        let mut events = Vec::with_capacity(keys.len());
        for &key in keys {
            events.push(self.last_event(key).await?);
        }
        Ok(events)
    }

    async fn find_parents(&self, keys: &[RunKey]) -> Result<Vec<(RunId, ParentExecution)>> {
        let mut parents = Vec::new();
        for key in keys {
            let parent = sqlx::query_scalar!(
                r#"SELECT attributes ->> '$.parent' AS "parent!: String"
                   FROM history_events
                   WHERE workflow_hash = ? AND run_id = ? AND event_id = 1
                     AND attributes ->> '$.parent' IS NOT NULL"#,
                key.hash.0,
                key.run_id.0
            )
            .fetch_optional(self.statement())
            .await
            .map_err(error::of_run(TABLE))?;
            if let Some(parent) = parent {
                let row = RowName { table: TABLE, key };
                parents.push((key.run_id, row.json_text("attributes", &parent)?));
            }
        }
        Ok(parents)
    }
}
