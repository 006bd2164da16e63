//! Writing runs.

use std::collections::BTreeMap;

use async_trait::async_trait;
use dacapo_model::attributes::RunAttributes;
use dacapo_model::ids::{EventId, RunKey};
use dacapo_store::batch::{CommitRows, touched_shards};
use dacapo_store::commit::{CommitStore, CommitUnit};
use dacapo_store::error::{Result, StoreError};
use dacapo_store::record::{RowName, attributes_to_json, event_to_json, to_json};
use dacapo_store::shard::Ownership;
use dacapo_store::timer_columns::TimerColumns;
use serde::Serialize;
use serde_json::Value;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::task_changes::change_tasks;
use crate::{SqliteStore, error};

const EVENTS: &str = "history_events";
const EXECUTIONS: &str = "workflow_executions";
const TIMERS: &str = "workflow_timers";
const TAGS: &str = "workflow_tags";
const UPDATES: &str = "workflow_updates";
const QUERY_RESULTS: &str = "workflow_query_results";

#[async_trait]
impl CommitStore for SqliteStore {
    async fn commit(&self, ownership: &Ownership, units: &[CommitUnit]) -> Result<()> {
        if units.is_empty() {
            return Ok(());
        }
        let shards = match touched_shards(ownership, units) {
            Ok(shards) => shards,
            Err(hash) => return Err(self.not_held(hash).await),
        };
        let batch = CommitRows::fold(units)?;
        let mut writing = self.begin().await?;
        match write(&mut writing, shards, &batch).await {
            Ok(statements) => {
                self.counters.add_statements(statements);
                writing.commit().await?;
                self.counters.add_commit();
                Ok(())
            }
            Err(reason) => writing.refuse(reason).await,
        }
    }
}

/// Writes all rows, one statement for those of a kind: a statement of SQLite is
/// cheap, but each is handed to another thread and its answer back
/// (`dacapo-bench w1 --database sqlite:...`). Updates come before inserts, so that
/// a run may replace an open one. Says how many statements it took.
async fn write(
    connection: &mut SqliteConnection,
    shards: BTreeMap<u16, u64>,
    batch: &CommitRows<'_>,
) -> Result<u64> {
    check(connection, &shards, &batch.required).await?;
    let mut statements = 1;
    if !batch.updates.is_empty() {
        update_executions(connection, batch).await?;
        statements += 1;
    }
    if !batch.inserts.is_empty() {
        insert_executions(connection, batch).await?;
        statements += 1;
    }
    if !batch.events.is_empty() {
        append_events(connection, batch).await?;
        statements += 1;
    }
    if !batch.timers_set.is_empty() {
        set_timers(connection, batch).await?;
        statements += 1;
    }
    if !batch.timers_cleared.is_empty() {
        clear_timers(connection, batch).await?;
        statements += 1;
    }
    if batch.has_messages() {
        statements += write_messages(connection, batch).await?;
    }
    if batch.has_tags() {
        set_tags(connection, batch).await?;
        statements += 2;
    }
    if !batch.tasks.is_empty() {
        statements += change_tasks(connection, batch).await?;
    }
    Ok(statements)
}

/// Updates and published values; few commits have any.
async fn write_messages(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<u64> {
    let mut statements = 0;
    if !batch.admitted.is_empty() {
        set_updates(connection, batch).await?;
        statements += 1;
    }
    if !batch.admitted_removed.is_empty() {
        remove_updates(connection, batch).await?;
        statements += 1;
    }
    if !batch.query_results.is_empty() {
        set_query_results(connection, batch).await?;
        statements += 1;
    }
    Ok(statements)
}

/// The epochs, and the events that new ones follow. Nobody else writes while the
/// transaction lasts, so what this reads holds until its end.
async fn check(
    connection: &mut SqliteConnection,
    shards: &BTreeMap<u16, u64>,
    required: &[(RunKey, EventId)],
) -> Result<()> {
    let held = rows(shards.iter());
    let required_rows =
        rows(required.iter().map(|(key, event_id)| (key.hash.0, hex(key.run_id.0), event_id.0)));
    let refused = sqlx::query!(
        r#"SELECT held.value ->> 0 AS "shard_id?: i64", COALESCE(epoch, 0) AS "epoch?: i64",
                  NULL AS "required?: i64"
           FROM json_each(?1) AS held
           LEFT JOIN history_shards ON shard_id = held.value ->> 0
           WHERE COALESCE(epoch, 0) <> held.value ->> 1
           UNION ALL
           SELECT NULL, NULL, required.key
           FROM json_each(?2) AS required
           WHERE NOT EXISTS (
               SELECT 1
               FROM history_events
               WHERE workflow_hash = required.value ->> 0
                 AND run_id = unhex(required.value ->> 1)
                 AND event_id = required.value ->> 2
           )
           -- Those of shards come first.
           LIMIT 1"#,
        held,
        required_rows
    )
    .fetch_optional(connection)
    .await
    .map_err(error::on("history_shards"))?;
    let Some(refused) = refused else {
        return Ok(());
    };
    let missing = refused.required.and_then(|at| required.get(usize::try_from(at).ok()?));
    if let Some((key, event_id)) = missing {
        return Err(StoreError::missing_event(key.run_id, *event_id));
    }
    let (shard_id, epoch) = (refused.shard_id.unwrap_or(-1), refused.epoch.unwrap_or(-1));
    let row = RowName { table: "history_shards", key: &shard_id };
    Err(StoreError::Fenced {
        shard_id: row.unsigned("shard_id", shard_id)?,
        epoch: row.unsigned("epoch", epoch)?,
    })
}

async fn update_executions(
    connection: &mut SqliteConnection,
    batch: &CommitRows<'_>,
) -> Result<()> {
    let changed = rows(batch.updates.iter().map(|(key, update)| {
        let said = update.attributes.as_ref().map(attributes_to_text);
        let (memo, search_attributes) = said.unwrap_or_default();
        (
            key.hash.0,
            hex(key.run_id.0),
            update.status.as_str(),
            update.blocked.as_ref().map(|blocked| to_json(blocked).to_string()),
            update.closed_at.map(|time| time.as_micros()),
            update.module_digest.map(|digest| hex::encode(digest.0)),
            update.attributes.is_some(),
            memo,
            search_attributes,
            update.history_size.map(|size| size.events),
            update.history_size.map(|size| size.bytes),
        )
    }));
    let outcome = sqlx::query!(
        "UPDATE workflow_executions
         SET status = changed.value ->> 2,
             blocked = changed.value ->> 3,
             closed_at = changed.value ->> 4,
             module_digest = COALESCE(unhex(changed.value ->> 5), module_digest),
             memo = CASE WHEN changed.value ->> 6 THEN changed.value ->> 7 ELSE memo END,
             search_attributes =
                 CASE WHEN changed.value ->> 6 THEN changed.value ->> 8 ELSE search_attributes END,
             history_length = changed.value ->> 9,
             history_bytes = changed.value ->> 10
         FROM json_each(?) AS changed
         WHERE workflow_hash = changed.value ->> 0 AND run_id = unhex(changed.value ->> 1)",
        changed
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(EXECUTIONS))?;
    let wanted = batch.updates.len();
    if outcome.rows_affected() == wanted as u64 {
        return Ok(());
    }
    let keys: Vec<String> = batch.updates.keys().map(ToString::to_string).collect();
    let place = keys.join(", ");
    let row = RowName { table: EXECUTIONS, key: &place };
    let found = outcome.rows_affected();
    Err(row.corrupt("run_id", format!("of {wanted} runs to change, {found} exist")))
}

async fn insert_executions(
    connection: &mut SqliteConnection,
    batch: &CommitRows<'_>,
) -> Result<()> {
    let places = batch.insert_places();
    let inserted = rows(batch.inserts.iter().zip(places).map(|(execution, place)| {
        let (memo, search_attributes) = attributes_to_text(&execution.attributes);
        let parent = execution.parent.as_ref();
        // More than sixteen columns are two arrays: that is as long as one may be.
        let found_by = (
            execution.delayed_until.map(|time| time.as_micros()),
            parent.map(|it| it.workflow_id.as_str()),
            parent.map(|it| hex(it.run_id.0)),
            parent.map(|it| it.root.workflow_id.as_str()),
            parent.map(|it| hex(it.root.run_id.0)),
            execution.history_size.map(|size| size.events),
            execution.history_size.map(|size| size.bytes),
            execution.task_queue.as_ref().map(|it| it.as_str()),
        );
        (
            execution.key.hash.0,
            hex(execution.key.run_id.0),
            execution.namespace.as_str(),
            execution.workflow_id.as_str(),
            execution.workflow_type.as_str(),
            hex::encode(execution.module_digest.0),
            execution.request_id.as_ref().map(|id| id.as_str()),
            execution.status.as_str(),
            execution.blocked.as_ref().map(|blocked| to_json(blocked).to_string()),
            execution.started_at.as_micros(),
            execution.closed_at.map(|time| time.as_micros()),
            memo,
            search_attributes,
            place,
            found_by,
        )
    }));
    sqlx::query!(
        "INSERT INTO workflow_executions (
             workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
             request_id, status, blocked, started_at, closed_at, memo, search_attributes,
             execution_time, parent_workflow_id, parent_run_id, root_workflow_id, root_run_id,
             history_length, history_bytes, task_queue, run_number
         )
         SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4,
                unhex(value ->> 5), value ->> 6, value ->> 7, value ->> 8, value ->> 9,
                value ->> 10, value ->> 11, value ->> 12,
                value ->> '$[14][0]', value ->> '$[14][1]', unhex(value ->> '$[14][2]'),
                value ->> '$[14][3]', unhex(value ->> '$[14][4]'), value ->> '$[14][5]',
                value ->> '$[14][6]', value ->> '$[14][7]',
                COALESCE((
                    SELECT counted.run_number
                    FROM workflow_executions AS counted
                    WHERE counted.workflow_hash = value ->> 0
                      AND counted.namespace = value ->> 2
                      AND counted.workflow_id = value ->> 3
                    ORDER BY counted.run_number DESC
                    LIMIT 1
                ), 0) + (value ->> 13)
         FROM json_each(?)",
        inserted
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(EXECUTIONS))?;
    Ok(())
}

/// Of runs that are there by now.
async fn set_tags(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let tags = batch.tags();
    let changed = rows(tags.iter().map(|(key, _)| (key.hash.0, hex(key.run_id.0))));
    sqlx::query!(
        "DELETE FROM workflow_tags
         WHERE (workflow_hash, run_id) IN (
             SELECT value ->> 0, unhex(value ->> 1) FROM json_each(?)
         )",
        changed
    )
    .execute(&mut *connection)
    .await
    .map_err(error::of_commit(TAGS))?;
    let set = rows(tags.iter().flat_map(|(key, tags)| {
        tags.iter().map(|tag| (key.hash.0, hex(key.run_id.0), tag.as_str()))
    }));
    sqlx::query!(
        "INSERT INTO workflow_tags (workflow_hash, run_id, tag, namespace, started_at)
         SELECT run.workflow_hash, run.run_id, tagged.value ->> 2, run.namespace, run.started_at
         FROM json_each(?) AS tagged
         JOIN workflow_executions AS run
             ON run.workflow_hash = tagged.value ->> 0 AND run.run_id = unhex(tagged.value ->> 1)",
        set
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(TAGS))?;
    Ok(())
}

async fn append_events(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let appended = rows(batch.events.iter().map(|(key, event)| {
        (
            key.hash.0,
            hex(key.run_id.0),
            event.id.0,
            event.attributes.type_name(),
            event.time.as_micros(),
            event_to_json(&event.attributes),
            event.attributes.payload().map(|(_, payload)| hex::encode(payload.as_bytes())),
        )
    }));
    sqlx::query!(
        "INSERT INTO history_events (
             workflow_hash, run_id, event_id, event_type, event_time, attributes, payload
         )
         SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4,
                value ->> 5, unhex(value ->> 6)
         FROM json_each(?)",
        appended
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(EVENTS))?;
    Ok(())
}

async fn set_timers(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let set = rows(batch.timers_set.values().map(|row| {
        let kind = TimerColumns::of(&row.kind);
        (
            row.key.hash.0,
            hex(row.key.run_id.0),
            row.event_id.0,
            row.fire_at.as_micros(),
            kind.kind,
            kind.attempt,
            kind.last_failure.map(|failure| failure.to_string()),
            kind.details.map(hex::encode),
        )
    }));
    sqlx::query!(
        "INSERT INTO workflow_timers (
             workflow_hash, run_id, event_id, fire_at, kind, attempt, last_failure,
             details
         )
         SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4,
                value ->> 5, value ->> 6, unhex(value ->> 7)
         FROM json_each(?)
         -- Else the parser takes what follows for a part of a join.
         WHERE true
         ON CONFLICT (workflow_hash, run_id, event_id) DO UPDATE
         SET fire_at = excluded.fire_at,
             kind = excluded.kind,
             attempt = excluded.attempt,
             last_failure = excluded.last_failure,
             details = excluded.details",
        set
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(TIMERS))?;
    Ok(())
}

async fn clear_timers(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let cleared = rows(
        batch
            .timers_cleared
            .iter()
            .map(|(key, event_id)| (key.hash.0, hex(key.run_id.0), event_id.0)),
    );
    sqlx::query!(
        "DELETE FROM workflow_timers
         WHERE (workflow_hash, run_id, event_id) IN (
             SELECT value ->> 0, unhex(value ->> 1), value ->> 2 FROM json_each(?)
         )",
        cleared
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(TIMERS))?;
    Ok(())
}

async fn set_updates(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let set = rows(batch.admitted.iter().map(|((key, _), admitted)| {
        (
            key.hash.0,
            hex(key.run_id.0),
            admitted.update.id.as_str(),
            admitted.update.name.as_str(),
            hex::encode(admitted.update.input.as_bytes()),
            admitted.admitted_at.as_micros(),
        )
    }));
    sqlx::query!(
        "INSERT INTO workflow_updates (
             workflow_hash, run_id, update_id, update_name, input, admitted_at
         )
         SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, unhex(value ->> 4),
                value ->> 5
         FROM json_each(?)
         WHERE true
         ON CONFLICT (workflow_hash, run_id, update_id) DO UPDATE
         SET update_name = excluded.update_name,
             input = excluded.input,
             admitted_at = excluded.admitted_at",
        set
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(UPDATES))?;
    Ok(())
}

async fn remove_updates(connection: &mut SqliteConnection, batch: &CommitRows<'_>) -> Result<()> {
    let removed = rows(
        batch
            .admitted_removed
            .iter()
            .map(|(key, update_id)| (key.hash.0, hex(key.run_id.0), update_id.as_str())),
    );
    sqlx::query!(
        "DELETE FROM workflow_updates
         WHERE (workflow_hash, run_id, update_id) IN (
             SELECT value ->> 0, unhex(value ->> 1), value ->> 2 FROM json_each(?)
         )",
        removed
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(UPDATES))?;
    Ok(())
}

async fn set_query_results(
    connection: &mut SqliteConnection,
    batch: &CommitRows<'_>,
) -> Result<()> {
    let set = rows(batch.query_results.iter().map(|((key, name), value)| {
        (key.hash.0, hex(key.run_id.0), name.as_str(), hex::encode(value.as_bytes()))
    }));
    sqlx::query!(
        "INSERT INTO workflow_query_results (workflow_hash, run_id, query_name, value)
         SELECT value ->> 0, unhex(value ->> 1), value ->> 2, unhex(value ->> 3)
         FROM json_each(?)
         WHERE true
         ON CONFLICT (workflow_hash, run_id, query_name) DO UPDATE
         SET value = excluded.value
         -- A run that is made anew publishes its last values again.
         WHERE workflow_query_results.value <> excluded.value",
        set
    )
    .execute(connection)
    .await
    .map_err(error::of_commit(QUERY_RESULTS))?;
    Ok(())
}

/// Rows as the JSON array of arrays that a statement takes apart. It can't hold
/// bytes: those are given in hexadecimal.
pub(crate) fn rows(rows: impl Iterator<Item = impl Serialize>) -> String {
    let rows: Vec<_> = rows.collect();
    serde_json::to_string(&rows).expect("columns have a JSON form")
}

/// As text, so that it is a text again once it is taken out of its row.
fn attributes_to_text(attributes: &RunAttributes) -> (Option<String>, Option<String>) {
    let (memo, search_attributes) = attributes_to_json(attributes);
    let text = |json: Value| json.to_string();
    (memo.map(text), search_attributes.map(text))
}

pub(crate) fn hex(run_id: Uuid) -> String {
    run_id.simple().to_string()
}
