//! The life of a node: whether it takes work, and what has to end before it has stopped.

use std::future::Future;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{Result, ServiceError};
use crate::health::now;
use crate::workload::Workload;

/// Time that commits under way have at the end of a node, also when its grace is over:
/// what attempts have come to at the last moment is worth it.
const COMMIT_TIME_MIN: Duration = Duration::from_secs(1);

/// Where a node is between its start and its end, and its tasks. Whatever goes on for
/// longer than a request is spawned here, so that the node can wait for its end.
pub(crate) struct Life {
    /// All open runs are known.
    pub(crate) recovered: CancellationToken,
    /// No new work is taken.
    pub(crate) stopping: CancellationToken,
    /// Whatever still runs is to stop where it is.
    pub(crate) halted: CancellationToken,
    /// What is in hand now.
    pub(crate) workload: Workload,
    /// Attempts of activities: a node that stops waits for them.
    attempts: TaskTracker,
    /// Actors and all other tasks, which end when the node is halted.
    tasks: TaskTracker,
}

impl Life {
    pub(crate) fn new(halted: CancellationToken, workload: Workload) -> Self {
        Self {
            recovered: CancellationToken::new(),
            stopping: CancellationToken::new(),
            halted,
            workload,
            attempts: TaskTracker::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Refuses new work while the node stops.
    pub(crate) fn admit(&self) -> Result<()> {
        if self.stopping.is_cancelled() { Err(ServiceError::stopping()) } else { Ok(()) }
    }

    /// Runs a task, which has to end by itself once the node is halted.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Runs a task until it ends or the node is halted.
    pub(crate) fn spawn_until_halted(&self, task: impl Future<Output = ()> + Send + 'static) {
        let halted = self.halted.clone();
        self.tasks.spawn(async move {
            halted.run_until_cancelled(task).await;
        });
    }

    /// Runs an attempt of an activity.
    pub(crate) fn spawn_attempt(
        &self,
        attempt: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        self.attempts.spawn(attempt).abort_handle()
    }

    /// Lets everything stop where it is, and returns once it has.
    pub(crate) async fn halt(&self) {
        self.stopping.cancel();
        self.halted.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.attempts.close();
        self.attempts.wait().await;
    }

    /// Waits for attempts under way, until then, and halts. False if a run does not come to
    /// rest even so.
    pub(crate) async fn end(&self, deadline: Instant) -> bool {
        self.stopping.cancel();
        self.attempts.close();
        if tokio::time::timeout_at(deadline, self.attempts.wait()).await.is_err() {
            tracing::warn!(
                attempts = self.attempts.len(),
                "attempts of activities were still running; they will be made again"
            );
        }
        self.halted.cancel();
        self.tasks.close();
        // An actor that is committing finishes its commit, and no more.
        let until = deadline.max(now() + COMMIT_TIME_MIN);
        tokio::time::timeout_at(until, self.tasks.wait()).await.is_ok()
    }
}
