//! For backends: the settings of task queues as columns, the same in every database.

use dacapo_model::queue_limits::{Concurrency, InvalidLimit, QueueLimits, Rate};
use dacapo_model::task::FairnessKey;
use dacapo_model::time::Timestamp;

use crate::allowance::QueueUse;
use crate::error::Result;
use crate::limited_claim::Candidate;
use crate::queue_settings::QueueSettings;
use crate::record::RowName;
use crate::task::TaskKey;

/// Settings as they were read.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct StoredSettings {
    pub namespace: String,
    pub queue: String,
    pub concurrency: Option<i64>,
    pub concurrency_per_key: Option<i64>,
    pub rate: (Option<f64>, Option<i64>),
    pub rate_per_key: (Option<f64>, Option<i64>),
    pub is_drained: bool,
    pub changed_at: Timestamp,
}

impl StoredSettings {
    /// Reads them.
    pub fn read(self) -> Result<QueueSettings> {
        let place = format!("{}/{}", self.namespace, self.queue);
        let row = RowName { table: "task_queue_settings", key: &place };
        let concurrency = |column, tasks: Option<i64>| {
            let limit = |tasks| limit(&row, column, Concurrency::new(row.unsigned(column, tasks)?));
            tasks.map(limit).transpose()
        };
        let rate = |column, (per_second, burst): (Option<f64>, Option<i64>)| {
            let rate = |per_second| {
                let burst = burst.map(|burst| row.unsigned(column, burst)).transpose()?;
                limit(&row, column, Rate::new(per_second, burst))
            };
            per_second.map(rate).transpose()
        };
        Ok(QueueSettings {
            namespace: row.parse("namespace", &self.namespace)?,
            queue: row.parse("queue", &self.queue)?,
            limits: QueueLimits {
                concurrency: concurrency("concurrency", self.concurrency)?,
                concurrency_per_key: concurrency("concurrency_per_key", self.concurrency_per_key)?,
                rate: rate("rate_per_second", self.rate)?,
                rate_per_key: rate("key_rate_per_second", self.rate_per_key)?,
            },
            is_drained: self.is_drained,
            changed_at: self.changed_at,
        })
    }
}

fn limit<T>(
    row: &RowName<'_>,
    column: &'static str,
    read: std::result::Result<T, InvalidLimit>,
) -> Result<T> {
    read.map_err(|error| row.corrupt(column, error))
}

/// Numbers of limits are small.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Adds how many tasks of a key, or without one, are in hand.
pub fn add_in_hand(used: &mut QueueUse, key: Option<String>, tasks: i64) -> Result<()> {
    let row = RowName { table: "task_queue_leases", key: &"fairness_key" };
    let tasks = row.unsigned("event_id", tasks)?;
    used.in_hand += tasks;
    if let Some(key) = read_key(&row, key)? {
        used.in_hand_of.insert(key, tasks);
    }
    Ok(())
}

/// Adds the rate of a key, or that of the queue, which has the empty one.
pub fn add_rate(used: &mut QueueUse, key: String, full_at: Timestamp) -> Result<()> {
    let row = RowName { table: "task_queue_rates", key: &"fairness_key" };
    match read_key(&row, Some(key).filter(|key| !key.is_empty()))? {
        Some(key) => drop(used.full_at_of.insert(key, full_at)),
        None => used.full_at = Some(full_at),
    }
    Ok(())
}

/// A task that could be handed out, as it was read.
pub fn read_candidate(task: TaskKey, key: Option<String>, bytes: i64) -> Result<Candidate> {
    let row = RowName { table: "task_queues", key: &task.0 };
    let bytes = row.unsigned("event_id", bytes)?;
    Ok(Candidate { task, fairness_key: read_key(&row, key)?, bytes })
}

fn read_key(row: &RowName<'_>, key: Option<String>) -> Result<Option<FairnessKey>> {
    let read = |key| FairnessKey::new(key).map_err(|error| row.corrupt("fairness_key", error));
    key.map(read).transpose()
}
