//! What is to happen to a run at a time (`workflow_timers`). The outbox of
//! timers and of retries: memory only makes them fast.

use async_trait::async_trait;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, RunKey};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;

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

/// What is to happen when the time has come.
#[derive(Debug, Clone, PartialEq)]
pub enum TimerKind {
    /// A timer of the workflow fires.
    Timer,
    /// The run begins: its start was delayed. Its event is the first.
    StartDelay,
    /// The time of the run is over. Its event is the first.
    RunTimeout,
    /// An activity that failed is tried again.
    ActivityRetry {
        /// The attempt to come, from 2.
        attempt: u32,
        /// What the attempt before failed with.
        last_failure: Failure,
        /// What the last heartbeat said.
        details: Option<Payload>,
    },
    /// Nothing: an attempt of an activity runs, and has said something that the
    /// next one is to know. Its time never comes ([`NEVER`]).
    ActivityHeartbeat {
        /// The attempt that runs.
        attempt: u32,
        /// What the attempt before failed with.
        last_failure: Option<Failure>,
        /// What it said.
        details: Payload,
    },
    /// An attempt of an activity that is to be completed from outside is looked
    /// after.
    ActivityTimeout {
        /// The attempt that is open.
        attempt: u32,
        /// What the attempt before failed with.
        last_failure: Option<Failure>,
        /// What the last heartbeat said.
        details: Option<Payload>,
    },
}

/// The time of what is not to happen. No scan finds it.
pub const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

/// A timer in the order in which timers are due, and where a scan of them stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerCursor {
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
        after: Option<TimerCursor>,
        limit: u32,
    ) -> Result<Vec<TimerCursor>>;

    /// All timers of several runs, in the order (run, event).
    async fn run_timers(&self, keys: &[RunKey]) -> Result<Vec<TimerRow>>;
}
