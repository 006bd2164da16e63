//! What is to happen to a run at a time (`workflow_timers`). The outbox of
//! timers and of retries: memory only makes them fast.

use async_trait::async_trait;
use dacapo_model::ids::{EventId, RunKey};
use dacapo_model::time::Timestamp;
use dacapo_model::timer::TimerKind;

use crate::error::Result;
use crate::shard::HashRange;

/// One row. At most one exists per event of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct TimerRow {
    /// The run.
    pub key: RunKey,
    /// The `TimerStarted`, `ActivityTaskScheduled` or first event it belongs to.
    pub event_id: EventId,
    /// Not before then.
    pub fire_at: Timestamp,
    /// What is to happen.
    pub kind: TimerKind,
}

impl TimerRow {
    /// When it is due.
    pub fn due(&self) -> DueTimer {
        DueTimer { fire_at: self.fire_at, key: self.key, event_id: self.event_id }
    }
}

/// Which row is due when: all that a scan reads of it, in the order of the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueTimer {
    /// Not before then.
    pub fire_at: Timestamp,
    /// The run.
    pub key: RunKey,
    /// The event it belongs to.
    pub event_id: EventId,
}

/// Reading timers.
#[async_trait]
pub trait TimerStore: Send + Sync {
    /// At most `limit` timers of runs with a hash in one of `ranges` that fire before
    /// `until`, after `after`, in the order (time, run, event). Reads nothing else of their
    /// rows, which may hold what a guest made as large as it likes.
    async fn due_timers(
        &self,
        ranges: &[HashRange],
        until: Timestamp,
        after: Option<DueTimer>,
        limit: u32,
    ) -> Result<Vec<DueTimer>>;

    /// All timers of several runs, in the order (run, event).
    async fn run_timers(&self, keys: &[RunKey]) -> Result<Vec<TimerRow>>;
}
