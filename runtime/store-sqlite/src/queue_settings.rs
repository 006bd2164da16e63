//! Settings of task queues.

use async_trait::async_trait;
use dacapo_model::ids::{NamespaceName, QueueName};
use dacapo_model::queue_limits::QueueLimits;
use dacapo_model::time::Timestamp;
use dacapo_store::allowance::QueueUse;
use dacapo_store::error::Result;
use dacapo_store::queue_columns::{StoredSettings, signed};
use dacapo_store::queue_settings::{QueueSettings, QueueSettingsStore, SettingsChange};
use dacapo_store::shard::Ownership;
use sqlx::SqliteConnection;

use crate::limited_claim::queue_use;
use crate::{SqliteStore, error, shard};

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
    changed_at: i64,
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
            changed_at: Timestamp::from_micros(self.changed_at),
        };
        stored.read()
    }
}

#[async_trait]
impl QueueSettingsStore for SqliteStore {
    async fn change_queue_settings(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        queue: &QueueName,
        change: &SettingsChange,
        now: Timestamp,
    ) -> Result<QueueSettings> {
        self.counters.add_statements(3);
        // Holds the write lock: what it reads stays true until it ends.
        let mut writing = self.begin().await?;
        let none = QueueSettings::none(namespace.clone(), queue.clone(), now);
        match change_settings(&mut writing, ownership, none, change).await {
            Ok(settings) => {
                writing.commit().await?;
                Ok(settings)
            }
            Err(reason) => writing.refuse(reason).await,
        }
    }

    async fn queue_use(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        limits: &QueueLimits,
        now: Timestamp,
    ) -> Result<QueueUse> {
        let mut reader = self.readers.acquire().await.map_err(error::on(SETTINGS))?;
        let place = (namespace.as_str(), queue.as_str());
        let (used, statements) = queue_use(&mut reader, place, limits, now).await?;
        self.counters.add_statements(statements);
        Ok(used)
    }

    async fn all_queue_settings(&self) -> Result<Vec<QueueSettings>> {
        sqlx::query_as!(
            SettingsRow,
            r#"SELECT namespace, queue, concurrency, concurrency_per_key, rate_per_second,
                      rate_burst, key_rate_per_second, key_rate_burst,
                      is_drained AS "is_drained: bool", changed_at
               FROM task_queue_settings
               ORDER BY namespace, queue"#
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(SETTINGS))?
        .into_iter()
        .map(SettingsRow::into_settings)
        .collect()
    }
}

async fn change_settings(
    connection: &mut SqliteConnection,
    ownership: &Ownership,
    none: QueueSettings,
    change: &SettingsChange,
) -> Result<QueueSettings> {
    ownership.check_all(&shard::epochs(connection).await?)?;
    let now = none.changed_at;
    let before = read_settings(connection, &none.namespace, &none.queue).await?;
    let settings = change.of(before.unwrap_or(none), now);
    write_settings(connection, &settings).await?;
    Ok(settings)
}

/// The settings of a queue, if there are any.
pub(crate) async fn read_settings(
    connection: &mut SqliteConnection,
    namespace: &NamespaceName,
    queue: &QueueName,
) -> Result<Option<QueueSettings>> {
    let (namespace, queue) = (namespace.as_str(), queue.as_str());
    sqlx::query_as!(
        SettingsRow,
        r#"SELECT namespace, queue, concurrency, concurrency_per_key, rate_per_second,
                  rate_burst, key_rate_per_second, key_rate_burst,
                  is_drained AS "is_drained: bool", changed_at
           FROM task_queue_settings
           WHERE namespace = ? AND queue = ?"#,
        namespace,
        queue
    )
    .fetch_optional(connection)
    .await
    .map_err(error::on(SETTINGS))?
    .map(SettingsRow::into_settings)
    .transpose()
}

/// A queue of which nothing is set has no row.
async fn write_settings(connection: &mut SqliteConnection, settings: &QueueSettings) -> Result<()> {
    let (namespace, queue) = (settings.namespace.as_str(), settings.queue.as_str());
    if !settings.is_any() {
        sqlx::query!(
            "DELETE FROM task_queue_rates WHERE namespace = ? AND queue = ?",
            namespace,
            queue
        )
        .execute(&mut *connection)
        .await
        .map_err(error::on(RATES))?;
        sqlx::query!(
            "DELETE FROM task_queue_settings WHERE namespace = ? AND queue = ?",
            namespace,
            queue
        )
        .execute(connection)
        .await
        .map_err(error::on(SETTINGS))?;
        return Ok(());
    }
    let QueueLimits { concurrency, concurrency_per_key, rate, rate_per_key } = settings.limits;
    let concurrency = concurrency.map(|limit| signed(limit.tasks()));
    let concurrency_per_key = concurrency_per_key.map(|limit| signed(limit.tasks()));
    let (per_second, burst) = (rate.map(|it| it.per_second()), rate.map(|it| signed(it.burst())));
    let key_per_second = rate_per_key.map(|it| it.per_second());
    let key_burst = rate_per_key.map(|it| signed(it.burst()));
    let changed_at = settings.changed_at.as_micros();
    sqlx::query!(
        "INSERT INTO task_queue_settings (
             namespace, queue, concurrency, concurrency_per_key, rate_per_second, rate_burst,
             key_rate_per_second, key_rate_burst, is_drained, changed_at
         )
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (namespace, queue) DO UPDATE
         SET concurrency = excluded.concurrency,
             concurrency_per_key = excluded.concurrency_per_key,
             rate_per_second = excluded.rate_per_second,
             rate_burst = excluded.rate_burst,
             key_rate_per_second = excluded.key_rate_per_second,
             key_rate_burst = excluded.key_rate_burst,
             is_drained = excluded.is_drained,
             changed_at = excluded.changed_at",
        namespace,
        queue,
        concurrency,
        concurrency_per_key,
        per_second,
        burst,
        key_per_second,
        key_burst,
        settings.is_drained,
        changed_at
    )
    .execute(connection)
    .await
    .map_err(error::on(SETTINGS))?;
    Ok(())
}
