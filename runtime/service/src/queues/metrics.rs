//! What is measured of tasks, by namespace and queue. Where it goes is up to whoever has
//! set up a meter provider; without one, nowhere.

use std::time::Duration;

use dacapo_model::ids::{NamespaceName, QueueName};
use dacapo_model::time::Timestamp;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

/// Bounds of the histogram in seconds: from a task that a poll waits for to a backlog of
/// hours.
const WAITS: [f64; 14] =
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0];

/// The instruments, which all queues share.
pub(crate) struct TaskMetrics {
    scheduled: Counter<u64>,
    schedule_to_start: Histogram<f64>,
    leases_lost: Counter<u64>,
}

/// What tells one queue from others.
pub(crate) type QueueLabels = [KeyValue; 2];

pub(crate) fn labels(namespace: &NamespaceName, queue: &QueueName) -> QueueLabels {
    [
        KeyValue::new("namespace", namespace.as_str().to_owned()),
        KeyValue::new("task_queue", queue.as_str().to_owned()),
    ]
}

impl Default for TaskMetrics {
    fn default() -> Self {
        let meter = global::meter("dacapo");
        Self {
            scheduled: meter
                .u64_counter("dacapo.task.scheduled")
                .with_description("Tasks that activities of this node's runs have put into a queue")
                .with_unit("{task}")
                .build(),
            schedule_to_start: meter
                .f64_histogram("dacapo.task.schedule_to_start.duration")
                .with_description("Time from when an attempt could begin until a worker had it")
                .with_unit("s")
                .with_boundaries(WAITS.to_vec())
                .build(),
            leases_lost: meter
                .u64_counter("dacapo.task.leases_lost")
                .with_description("Leases that were over before their worker had reported")
                .with_unit("{lease}")
                .build(),
        }
    }
}

impl TaskMetrics {
    /// A task was written, for a worker to take now or later.
    pub(crate) fn scheduled(&self, queue: &QueueLabels) {
        self.scheduled.add(1, queue);
    }

    /// A worker has an attempt that could have begun at `visible_at`.
    pub(crate) fn started(&self, queue: &QueueLabels, visible_at: Timestamp, at: Timestamp) {
        let waited: Duration = at.since(visible_at);
        self.schedule_to_start.record(waited.as_secs_f64(), queue);
    }

    /// A run is told that a lease is over.
    pub(crate) fn lease_lost(&self, queue: &QueueLabels) {
        self.leases_lost.add(1, queue);
    }
}
