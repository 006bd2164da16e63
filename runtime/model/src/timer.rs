//! What is to happen to a run at a time. Each is kept as a row, by the event that it
//! belongs to.

use crate::failure::Failure;
use crate::payload::Payload;
use crate::time::Timestamp;

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

/// The time of what is not to happen.
pub const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);
