//! Attempts of activities: who executes them, and what their runs tell them.
//!
//! ```text
//!  run's actor ── start, tell, give up, stop ──▶ Executor ──▶ the attempt
//!       ▲                                                        │
//!       └──────────── mailbox: an Input says how it ended ───────┘
//! ```
//!
//! An activity's placement says which executor has its attempt: the
//! [`LocalExecutor`], on the node that owns the run.

mod attempt;
mod link;
mod local;
mod throttle;

use std::sync::Arc;

use dacapo_engine::guest::RunContext;
use dacapo_engine::state::PendingActivity;
use dacapo_model::ids::EventId;

pub(crate) use self::local::LocalExecutor;
pub(crate) use self::throttle::Throttle;

/// Executes attempts of the activities of one run, each named by its
/// `ActivityTaskScheduled`. None of these waits for the attempt. How it ends, the run
/// learns from its mailbox.
pub(crate) trait Executor {
    /// Starts the current attempt of an activity.
    fn start(
        &mut self,
        context: &Arc<RunContext>,
        scheduled_event_id: EventId,
        activity: &PendingActivity,
    );

    /// Tells the attempt what the state says: that it is to cancel, is paused or is
    /// not. If there is none, a request to cancel ends the activity.
    fn tell(&mut self, scheduled_event_id: EventId, activity: &PendingActivity);

    /// Asks the attempt to end, as nobody waits for it any more, and stops it if it
    /// does not.
    fn give_up(&mut self, scheduled_event_id: EventId);

    /// Stops the attempt at once. The run learns nothing more of it.
    fn stop(&mut self, scheduled_event_id: EventId);
}
