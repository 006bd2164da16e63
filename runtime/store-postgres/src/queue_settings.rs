//! Settings of task queues.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dacapo_model::ids::{NamespaceName, QueueName};
use dacapo_model::queue_limits::QueueLimits;
use dacapo_model::time::Timestamp;
use dacapo_store::allowance::QueueUse;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::queue_columns::{StoredSettings, signed};
use dacapo_store::queue_settings::{QueueSettings, QueueSettingsStore, SettingsChange};
use dacapo_store::shard::Ownership;
use sqlx::{Connection as _, PgConnection};

use crate::limited_claim::queue_use;
use crate::time::to_database;
use crate::{PostgresStore, error, shard};

const SETTINGS: &str = "task_queue_settings";
const RATES: &str = "task_queue_rates";

struct SettingsRow {
    namespace: String,
    queue: String,
    concurrency: Option<i64>,
    concurrency_per_key: Option<i64>,
    rate_per_second: Option<f64>,
    rate_burst: Option<i64>,
    key_rate_per_second: Option<f64>,
    key_rate_burst: Option<i64>,
    is_drained: bool,
    changed_at: DateTime<Utc>,
}

impl SettingsRow {
    fn into_settings(self) -> Result<QueueSettings> {
        let stored = StoredSettings {
            namespace: self.namespace,
            queue: self.queue,
            concurrency: self.concurrency,
            concurrency_per_key: self.concurrency_per_key,
            rate: (self.rate_per_second, self.rate_burst),
            rate_per_key: (self.key_rate_per_second, self.key_rate_burst),
            is_drained: self.is_drained,
            changed_at: Timestamp::from(self.changed_at),
        };
        stored.read()
    }
}

#[async_trait]
impl QueueSettingsStore for PostgresStore {
    async fn change_queue_settings(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        queue: &QueueName,
        change: &SettingsChange,
        now: Timestamp,
    ) -> Result<QueueSettings> {
        self.lineage.check()?;
        self.counters.add_statements(6);
        let mut session = self.sessions.take().await.map_err(error::on(SETTINGS))?;
        let none = QueueSettings::none(namespace.clone(), queue.clone(), now);
        let changing = change_settings(&mut session, ownership, none, change);
        let outcome = self.patience.within(changing).await;
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            session.give_back();
        }
        self.lineage.judge(outcome)
    }

    async fn queue_use(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        limits: &QueueLimits,
        now: Timestamp,
    ) -> Result<QueueUse> {
        let mut session = self.sessions.take().await.map_err(error::on(SETTINGS))?;
        let place = (namespace.as_str(), queue.as_str());
        let outcome = self.patience.within(queue_use(&mut session, place, limits, now)).await;
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            session.give_back();
        }
        let (used, statements) = outcome?;
        self.counters.add_statements(statements);
        Ok(used)
    }

    async fn all_queue_settings(&self) -> Result<Vec<QueueSettings>> {
        sqlx::query_as!(
            SettingsRow,
            "SELECT namespace, queue, concurrency, concurrency_per_key, rate_per_second,
                    rate_burst, key_rate_per_second, key_rate_burst, is_drained, changed_at
             FROM task_queue_settings
             ORDER BY namespace, queue"
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(SETTINGS))?
        .into_iter()
        .map(SettingsRow::into_settings)
        .collect()
    }
}

/// Dropped without a commit, the transaction rolls back.
async fn change_settings(
    connection: &mut PgConnection,
    ownership: &Ownership,
    none: QueueSettings,
    change: &SettingsChange,
) -> Result<QueueSettings> {
    let mut transaction = connection.begin().await.map_err(error::on(SETTINGS))?;
    // Whoever takes over waits for this transaction, or this one for it.
    ownership.check_all(&shard::lock_epochs(&mut transaction).await?)?;
    // There is a row to lock then, also for another change of the same moment.
    sqlx::query!(
        "INSERT INTO task_queue_settings (namespace, queue, is_drained, changed_at)
         VALUES ($1, $2, false, $3)
         ON CONFLICT (namespace, queue) DO NOTHING",
        none.namespace.as_str(),
        none.queue.as_str(),
        to_database(none.changed_at)
    )
    .execute(&mut *transaction)
    .await
    .map_err(error::on(SETTINGS))?;
    let now = none.changed_at;
    let before = lock_settings(&mut transaction, &none.namespace, &none.queue).await?;
    let settings = change.of(before.unwrap_or(none), now);
    write_settings(&mut transaction, &settings).await?;
    transaction.commit().await.map_err(error::on(SETTINGS))?;
    Ok(settings)
}

/// The settings of a queue. Their row stays locked until the transaction ends.
pub(crate) async fn lock_settings(
    connection: &mut PgConnection,
    namespace: &NamespaceName,
    queue: &QueueName,
) -> Result<Option<QueueSettings>> {
    sqlx::query_as!(
        SettingsRow,
        "SELECT namespace, queue, concurrency, concurrency_per_key, rate_per_second,
                rate_burst, key_rate_per_second, key_rate_burst, is_drained, changed_at
         FROM task_queue_settings
         WHERE namespace = $1 AND queue = $2
         FOR UPDATE",
        namespace.as_str(),
        queue.as_str()
    )
    .fetch_optional(connection)
    .await
    .map_err(error::on(SETTINGS))?
    .map(SettingsRow::into_settings)
    .transpose()
}

/// A queue of which nothing is set has no row.
async fn write_settings(connection: &mut PgConnection, settings: &QueueSettings) -> Result<()> {
    let (namespace, queue) = (settings.namespace.as_str(), settings.queue.as_str());
    if !settings.is_any() {
        sqlx::query!(
            "DELETE FROM task_queue_rates WHERE namespace = $1 AND queue = $2",
            namespace,
            queue
        )
        .execute(&mut *connection)
        .await
        .map_err(error::on(RATES))?;
        sqlx::query!(
            "DELETE FROM task_queue_settings WHERE namespace = $1 AND queue = $2",
            namespace,
            queue
        )
        .execute(connection)
        .await
        .map_err(error::on(SETTINGS))?;
        return Ok(());
    }
    let QueueLimits { concurrency, concurrency_per_key, rate, rate_per_key } = settings.limits;
    sqlx::query!(
        "UPDATE task_queue_settings
         SET concurrency = $3, concurrency_per_key = $4, rate_per_second = $5, rate_burst = $6,
             key_rate_per_second = $7, key_rate_burst = $8, is_drained = $9, changed_at = $10
         WHERE namespace = $1 AND queue = $2",
        namespace,
        queue,
        concurrency.map(|limit| signed(limit.tasks())),
        concurrency_per_key.map(|limit| signed(limit.tasks())),
        rate.map(|rate| rate.per_second()),
        rate.map(|rate| signed(rate.burst())),
        rate_per_key.map(|rate| rate.per_second()),
        rate_per_key.map(|rate| signed(rate.burst())),
        settings.is_drained,
        to_database(settings.changed_at)
    )
    .execute(connection)
    .await
    .map_err(error::on(SETTINGS))?;
    Ok(())
}
