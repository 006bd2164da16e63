//! Reading histories.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dacapo_model::event::{HistoryEvent, ParentExecution};
use dacapo_model::ids::{EventId, RunId, RunKey};
use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::history::HistoryStore;
use dacapo_store::record::{EventPlace, RowName};
use futures::TryStreamExt as _;
use uuid::Uuid;

use crate::{PostgresStore, error};

const TABLE: &str = "history_events";

/// Events of a part of a history that are looked at by the first statement.
const PART_STEP: u32 = 64;

struct EventRow {
    event_id: i64,
    event_type: String,
    event_time: DateTime<Utc>,
    attributes: String,
    payload: Option<Vec<u8>>,
}

impl EventRow {
    fn bytes(&self) -> u64 {
        let payload = self.payload.as_ref().map_or(0, Vec::len);
        (self.attributes.len() + payload) as u64
    }

    fn into_event(self, key: RunKey) -> Result<HistoryEvent> {
        let place = EventPlace { key, event_id: self.event_id };
        let row = RowName { table: TABLE, key: &place };
        Ok(HistoryEvent {
            id: EventId(row.unsigned("event_id", self.event_id)?),
            time: Timestamp::from(self.event_time),
            attributes: row.event(&self.event_type, &self.attributes, self.payload)?,
        })
    }
}

#[async_trait]
impl HistoryStore for PostgresStore {
    async fn load_history(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
    ) -> Result<Vec<HistoryEvent>> {
        sqlx::query_file_as!(
            EventRow,
            "queries/load_history.sql",
            key.hash.0,
            key.run_id.0,
            // No event is that far.
            i64::try_from(from.0).unwrap_or(i64::MAX),
            i64::from(limit)
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::of_run(TABLE))?
        .into_iter()
        .map(|row| row.into_event(key))
        .collect()
    }

    /// In steps that double: the statement looks at the size of each event that it may
    /// read, and those of large events would all be looked at again for the next part.
    async fn load_history_part(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
        bytes_max: u64,
    ) -> Result<Vec<HistoryEvent>> {
        let (mut part, mut next, mut bytes) = (Vec::new(), from, 0);
        let (mut left, mut step) = (limit, PART_STEP);
        while left > 0 && bytes < bytes_max {
            let wanted = step.min(left);
            let rows = self.read_part(key, next, wanted, bytes_max - bytes).await?;
            let is_last = (rows.len() as u64) < u64::from(wanted);
            for row in rows {
                bytes += row.bytes();
                let event = row.into_event(key)?;
                next = event.id.next();
                part.push(event);
            }
            if is_last {
                break;
            }
            (left, step) = (left - wanted, step.saturating_mul(2));
        }
        Ok(part)
    }

    async fn last_event(&self, key: RunKey) -> Result<Option<HistoryEvent>> {
        sqlx::query_file_as!(EventRow, "queries/last_event.sql", key.hash.0, key.run_id.0)
            .fetch_optional(self.statement())
            .await
            .map_err(error::of_run(TABLE))?
            .map(|row| row.into_event(key))
            .transpose()
    }

    /// Rows come run by run: the statement looks one run up after the other.
    async fn load_histories(
        &self,
        keys: &[RunKey],
        limit: u32,
        bytes_max: usize,
    ) -> Result<Vec<Vec<HistoryEvent>>> {
        let mut histories = vec![Vec::new(); keys.len()];
        let (hashes, run_ids) = columns(keys);
        // What the server would go on sending is not waited for: its session is closed.
        let mut rows =
            sqlx::query_file!("queries/load_histories.sql", &hashes, &run_ids, i64::from(limit))
                .fetch(self.statement());
        let (mut last, mut bytes, mut is_cut) = (0, 0, false);
        while let Some(row) = rows.try_next().await.map_err(error::of_run(TABLE))? {
            // Positions count from 1.
            let at = usize::try_from(row.position - 1).unwrap_or(usize::MAX);
            if at > last && bytes >= bytes_max {
                is_cut = true;
                break;
            }
            last = last.max(at);
            bytes += row.attributes.len() + row.payload.as_ref().map_or(0, Vec::len);
            let event = EventRow {
                event_id: row.event_id,
                event_type: row.event_type,
                event_time: row.event_time,
                attributes: row.attributes,
                payload: row.payload,
            };
            histories[at].push(event.into_event(keys[at])?);
        }
        if is_cut {
            histories.truncate(last + 1);
        }
        for history in &mut histories {
            history.sort_by_key(|event| event.id);
        }
        Ok(histories)
    }

    async fn last_events(&self, keys: &[RunKey]) -> Result<Vec<Option<HistoryEvent>>> {
        let mut events = vec![None; keys.len()];
        let (hashes, run_ids) = columns(keys);
        let rows = sqlx::query_file!("queries/last_events.sql", &hashes, &run_ids)
            .fetch_all(self.statement())
            .await
            .map_err(error::of_run(TABLE))?;
        for row in rows {
            // Positions count from 1.
            let at = usize::try_from(row.position - 1).unwrap_or(usize::MAX);
            let event = EventRow {
                event_id: row.event_id,
                event_type: row.event_type,
                event_time: row.event_time,
                attributes: row.attributes,
                payload: row.payload,
            };
            events[at] = Some(event.into_event(keys[at])?);
        }
        Ok(events)
    }

    async fn find_parents(&self, keys: &[RunKey]) -> Result<Vec<(RunId, ParentExecution)>> {
        let (hashes, run_ids) = columns(keys);
        sqlx::query_file!("queries/find_parents.sql", &hashes, &run_ids)
            .fetch_all(self.statement())
            .await
            .map_err(error::of_run(TABLE))?
            .into_iter()
            .map(|row| {
                let name = RowName { table: TABLE, key: &row.run_id };
                Ok((RunId(row.run_id), name.json_text("attributes", &row.parent)?))
            })
            .collect()
    }
}

impl PostgresStore {
    async fn read_part(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
        bytes_max: u64,
    ) -> Result<Vec<EventRow>> {
        sqlx::query_file_as!(
            EventRow,
            "queries/load_history_part.sql",
            key.hash.0,
            key.run_id.0,
            i64::try_from(from.0).unwrap_or(i64::MAX),
            i64::from(limit),
            i64::try_from(bytes_max).unwrap_or(i64::MAX)
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::of_run(TABLE))
    }
}

/// Keys as the arrays that a statement takes.
fn columns(keys: &[RunKey]) -> (Vec<i32>, Vec<Uuid>) {
    keys.iter().map(|key| (key.hash.0, key.run_id.0)).unzip()
}
