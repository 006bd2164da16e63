//! The rows of a commit as columns: the arrays that `queries/commit.sql` takes, in its
//! order.

use chrono::{DateTime, Utc};
use dacapo_model::ids::{EventId, RunKey};
use dacapo_store::batch::CommitRows;
use dacapo_store::error::Result;
use dacapo_store::record::{
    RowName, attributes_to_json, event_to_json, history_size_columns, to_json, to_signed,
};
use dacapo_store::timer_columns::TimerColumns;
use serde_json::Value;
use uuid::Uuid;

use crate::time::to_database;

/// Events that have to be there already.
#[derive(Default)]
pub(crate) struct RequiredEvents {
    pub(crate) hashes: Vec<i32>,
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) event_ids: Vec<i64>,
}

impl RequiredEvents {
    pub(crate) fn of(batch: &CommitRows<'_>) -> Result<Self> {
        let mut columns = Self::default();
        for (key, event_id) in &batch.required {
            columns.hashes.push(key.hash.0);
            columns.run_ids.push(key.run_id.0);
            columns.event_ids.push(signed("history_events", *key, *event_id)?);
        }
        Ok(columns)
    }
}

#[derive(Default)]
pub(crate) struct UpdatedExecutions {
    pub(crate) hashes: Vec<i32>,
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) statuses: Vec<&'static str>,
    pub(crate) blocked: Vec<Option<Value>>,
    pub(crate) closed_at: Vec<Option<DateTime<Utc>>>,
    pub(crate) module_digests: Vec<Option<Vec<u8>>>,
    /// Whether what is said about the run changes.
    pub(crate) says: Vec<bool>,
    pub(crate) memos: Vec<Option<Value>>,
    pub(crate) search_attributes: Vec<Option<Value>>,
    pub(crate) history_lengths: Vec<Option<i64>>,
    pub(crate) history_bytes: Vec<Option<i64>>,
}

impl UpdatedExecutions {
    pub(crate) fn of(batch: &CommitRows<'_>) -> Result<Self> {
        let mut columns = Self::default();
        for (key, update) in &batch.updates {
            columns.hashes.push(key.hash.0);
            columns.run_ids.push(key.run_id.0);
            columns.statuses.push(update.status.as_str());
            columns.blocked.push(update.blocked.as_ref().map(to_json));
            columns.closed_at.push(update.closed_at.map(to_database));
            columns.module_digests.push(update.module_digest.map(|digest| digest.0.to_vec()));
            let said = update.attributes.as_ref().map(attributes_to_json);
            columns.says.push(said.is_some());
            let (memo, search_attributes) = said.unwrap_or_default();
            columns.memos.push(memo);
            columns.search_attributes.push(search_attributes);
            let (length, bytes) = history_size_columns(*key, update.history_size)?;
            columns.history_lengths.push(length);
            columns.history_bytes.push(bytes);
        }
        Ok(columns)
    }
}

#[derive(Default)]
pub(crate) struct InsertedExecutions<'a> {
    pub(crate) hashes: Vec<i32>,
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) namespaces: Vec<&'a str>,
    pub(crate) workflow_ids: Vec<&'a str>,
    pub(crate) workflow_types: Vec<&'a str>,
    pub(crate) module_digests: Vec<&'a [u8]>,
    pub(crate) request_ids: Vec<Option<&'a str>>,
    pub(crate) statuses: Vec<&'static str>,
    pub(crate) blocked: Vec<Option<Value>>,
    pub(crate) started_at: Vec<DateTime<Utc>>,
    pub(crate) closed_at: Vec<Option<DateTime<Utc>>>,
    pub(crate) memos: Vec<Option<Value>>,
    pub(crate) search_attributes: Vec<Option<Value>>,
    pub(crate) places: Vec<i64>,
    pub(crate) execution_times: Vec<Option<DateTime<Utc>>>,
    pub(crate) parent_workflow_ids: Vec<Option<&'a str>>,
    pub(crate) parent_run_ids: Vec<Option<Uuid>>,
    pub(crate) root_workflow_ids: Vec<Option<&'a str>>,
    pub(crate) root_run_ids: Vec<Option<Uuid>>,
    pub(crate) history_lengths: Vec<Option<i64>>,
    pub(crate) history_bytes: Vec<Option<i64>>,
    pub(crate) task_queues: Vec<Option<&'a str>>,
}

impl<'a> InsertedExecutions<'a> {
    pub(crate) fn of(batch: &'a CommitRows<'_>) -> Result<Self> {
        let mut columns = Self { places: batch.insert_places(), ..Self::default() };
        for execution in &batch.inserts {
            columns.hashes.push(execution.key.hash.0);
            columns.run_ids.push(execution.key.run_id.0);
            columns.namespaces.push(execution.namespace.as_str());
            columns.workflow_ids.push(execution.workflow_id.as_str());
            columns.workflow_types.push(execution.workflow_type.as_str());
            columns.module_digests.push(&execution.module_digest.0);
            columns.request_ids.push(execution.request_id.as_ref().map(|id| id.as_str()));
            columns.statuses.push(execution.status.as_str());
            columns.blocked.push(execution.blocked.as_ref().map(to_json));
            columns.started_at.push(to_database(execution.started_at));
            columns.closed_at.push(execution.closed_at.map(to_database));
            let (memo, search_attributes) = attributes_to_json(&execution.attributes);
            columns.memos.push(memo);
            columns.search_attributes.push(search_attributes);
            columns.execution_times.push(execution.delayed_until.map(to_database));
            let parent = execution.parent.as_ref();
            columns.parent_workflow_ids.push(parent.map(|it| it.workflow_id.as_str()));
            columns.parent_run_ids.push(parent.map(|it| it.run_id.0));
            columns.root_workflow_ids.push(parent.map(|it| it.root.workflow_id.as_str()));
            columns.root_run_ids.push(parent.map(|it| it.root.run_id.0));
            let (length, bytes) = history_size_columns(execution.key, execution.history_size)?;
            columns.history_lengths.push(length);
            columns.history_bytes.push(bytes);
            columns.task_queues.push(execution.task_queue.as_ref().map(|it| it.as_str()));
        }
        Ok(columns)
    }
}

#[derive(Default)]
pub(crate) struct NewEvents<'a> {
    pub(crate) hashes: Vec<i32>,
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) event_ids: Vec<i64>,
    pub(crate) types: Vec<&'static str>,
    pub(crate) times: Vec<DateTime<Utc>>,
    pub(crate) attributes: Vec<String>,
    pub(crate) payloads: Vec<Option<&'a [u8]>>,
}

impl<'a> NewEvents<'a> {
    pub(crate) fn of(batch: &CommitRows<'a>) -> Result<Self> {
        let mut columns = Self::default();
        for (key, event) in &batch.events {
            columns.hashes.push(key.hash.0);
            columns.run_ids.push(key.run_id.0);
            columns.event_ids.push(signed("history_events", *key, event.id)?);
            columns.types.push(event.attributes.type_name());
            columns.times.push(to_database(event.time));
            columns.attributes.push(event_to_json(&event.attributes));
            columns.payloads.push(event.attributes.payload().map(|(_, it)| it.as_bytes()));
        }
        Ok(columns)
    }
}

#[derive(Default)]
pub(crate) struct SetTimers<'a> {
    pub(crate) hashes: Vec<i32>,
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) event_ids: Vec<i64>,
    pub(crate) fire_at: Vec<DateTime<Utc>>,
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) attempts: Vec<Option<i64>>,
    pub(crate) last_failures: Vec<Option<Value>>,
    pub(crate) details: Vec<Option<&'a [u8]>>,
}

impl<'a> SetTimers<'a> {
    pub(crate) fn of(batch: &CommitRows<'a>) -> Result<Self> {
        let mut columns = Self::default();
        for (&(key, event_id), row) in &batch.timers_set {
            columns.hashes.push(key.hash.0);
            columns.run_ids.push(key.run_id.0);
            columns.event_ids.push(signed("workflow_timers", key, event_id)?);
            columns.fire_at.push(to_database(row.fire_at));
            let kind = TimerColumns::of(&row.kind);
            columns.kinds.push(kind.kind);
            columns.attempts.push(kind.attempt.map(i64::from));
            columns.last_failures.push(kind.last_failure);
            columns.details.push(kind.details);
        }
        Ok(columns)
    }
}

#[derive(Default)]
pub(crate) struct ClearedTimers {
    pub(crate) hashes: Vec<i32>,
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) event_ids: Vec<i64>,
}

impl ClearedTimers {
    pub(crate) fn of(batch: &CommitRows<'_>) -> Result<Self> {
        let mut columns = Self::default();
        for &(key, event_id) in &batch.timers_cleared {
            columns.hashes.push(key.hash.0);
            columns.run_ids.push(key.run_id.0);
            columns.event_ids.push(signed("workflow_timers", key, event_id)?);
        }
        Ok(columns)
    }
}

#[derive(Default)]
pub(crate) struct SetUpdates<'a> {
    pub(crate) hashes: Vec<i32>,
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) ids: Vec<&'a str>,
    pub(crate) names: Vec<&'a str>,
    pub(crate) inputs: Vec<&'a [u8]>,
    pub(crate) admitted_at: Vec<DateTime<Utc>>,
}

impl<'a> SetUpdates<'a> {
    pub(crate) fn of(batch: &CommitRows<'a>) -> Self {
        let mut columns = Self::default();
        for ((key, _), admitted) in &batch.admitted {
            columns.hashes.push(key.hash.0);
            columns.run_ids.push(key.run_id.0);
            columns.ids.push(admitted.update.id.as_str());
            columns.names.push(admitted.update.name.as_str());
            columns.inputs.push(admitted.update.input.as_bytes());
            columns.admitted_at.push(to_database(admitted.admitted_at));
        }
        columns
    }
}

#[derive(Default)]
pub(crate) struct RemovedUpdates<'a> {
    pub(crate) hashes: Vec<i32>,
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) ids: Vec<&'a str>,
}

impl<'a> RemovedUpdates<'a> {
    pub(crate) fn of(batch: &CommitRows<'a>) -> Self {
        let mut columns = Self::default();
        for (key, update_id) in &batch.admitted_removed {
            columns.hashes.push(key.hash.0);
            columns.run_ids.push(key.run_id.0);
            columns.ids.push(update_id.as_str());
        }
        columns
    }
}

#[derive(Default)]
pub(crate) struct SetQueryResults<'a> {
    pub(crate) hashes: Vec<i32>,
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) names: Vec<&'a str>,
    pub(crate) values: Vec<&'a [u8]>,
}

impl<'a> SetQueryResults<'a> {
    pub(crate) fn of(batch: &CommitRows<'a>) -> Self {
        let mut columns = Self::default();
        for ((key, name), value) in &batch.query_results {
            columns.hashes.push(key.hash.0);
            columns.run_ids.push(key.run_id.0);
            columns.names.push(name.as_str());
            columns.values.push(value.as_bytes());
        }
        columns
    }
}

/// The runs whose tags are written, and all that each has from now on.
#[derive(Default)]
pub(crate) struct SetTags<'a> {
    pub(crate) changed_hashes: Vec<i32>,
    pub(crate) changed_run_ids: Vec<Uuid>,
    pub(crate) hashes: Vec<i32>,
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) tags: Vec<&'a str>,
}

impl<'a> SetTags<'a> {
    pub(crate) fn of(batch: &'a CommitRows<'_>) -> Self {
        let mut columns = Self::default();
        for (key, tags) in batch.tags() {
            columns.changed_hashes.push(key.hash.0);
            columns.changed_run_ids.push(key.run_id.0);
            for tag in tags {
                columns.hashes.push(key.hash.0);
                columns.run_ids.push(key.run_id.0);
                columns.tags.push(tag.as_str());
            }
        }
        columns
    }
}

fn signed(table: &'static str, key: RunKey, event_id: EventId) -> Result<i64> {
    to_signed(&RowName { table, key: &key }, "event_id", event_id.0)
}
