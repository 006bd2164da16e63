//! The time a run has.

use dacapo_model::event::RunTimeoutType;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::time::Timestamp;

use super::RunState;

/// What the run's own timer row is for. There is one at most, kept with the first
/// event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunTimer {
    /// The guest is to run for the first time.
    StartDelay {
        /// Not before then.
        fire_at: Timestamp,
    },
    /// The run's time is over.
    Timeout {
        /// From then on.
        fire_at: Timestamp,
        /// Which time.
        timeout_type: RunTimeoutType,
    },
}

impl RunTimer {
    /// When the row is due.
    pub fn fire_at(self) -> Timestamp {
        match self {
            Self::StartDelay { fire_at } | Self::Timeout { fire_at, .. } => fire_at,
        }
    }
}

impl RunState {
    /// The row that the run itself needs, while it is open.
    pub fn run_timer(&self) -> Option<RunTimer> {
        let own = self.options.run_timeout.filter(|_| self.delayed_until.is_none());
        let own = own.map(|timeout| self.begun_at.after(timeout));
        let chain = self.chain.execution_deadline;
        let timeout = match (own, chain) {
            (Some(own), Some(chain)) if chain < own => Some((chain, RunTimeoutType::Execution)),
            (Some(own), _) => Some((own, RunTimeoutType::Run)),
            (None, chain) => chain.map(|chain| (chain, RunTimeoutType::Execution)),
        };
        match (self.delayed_until, timeout) {
            (Some(until), Some((fire_at, timeout_type))) if fire_at < until => {
                Some(RunTimer::Timeout { fire_at, timeout_type })
            }
            (Some(until), _) => Some(RunTimer::StartDelay { fire_at: until }),
            (None, timeout) => {
                timeout.map(|(fire_at, timeout_type)| RunTimer::Timeout { fire_at, timeout_type })
            }
        }
    }

    /// True if the guest may run: the run is open, not blocked, and its start is
    /// not delayed any more.
    pub fn guest_may_run(&self) -> bool {
        self.status == ExecutionStatus::Running && self.delayed_until.is_none()
    }
}
