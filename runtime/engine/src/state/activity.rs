//! What is known of an activity that has no outcome yet.
//!
//! Its [`Placement`] says who has its current attempt. Everything that asks who acts
//! on the activity next (effects, recovery, timers, requests from outside) asks for
//! this one value.
//!
//! ```text
//!  scheduled ──▶ Here ── fails ──▶ Waiting ── timer row is due ──▶ Here
//!                 │ completed from outside
//!                 ▼
//!              Outside ── fails, or its deadline passes ──▶ Waiting
//!
//!  scheduled, with a task queue ──▶ Queue ── fails ──▶ Queue, for the next attempt
//! ```

use std::time::Duration;

use dacapo_model::event::ActivityOptions;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, OperationId, TypeName};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;

use super::RunState;

/// An activity that has no outcome yet.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingActivity {
    /// The guest's name for it.
    pub operation_id: OperationId,
    /// What runs.
    pub activity_type: TypeName,
    /// Its argument.
    pub input: Payload,
    /// How it runs.
    pub options: ActivityOptions,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// The attempt that runs or comes next, from 1, among all there ever were.
    pub attempt: u32,
    /// Attempts before the last reset.
    pub attempts_before: u32,
    /// True once the history says that the only attempt may have begun.
    pub started: bool,
    /// Who has the current attempt.
    pub placement: Placement,
    /// What the attempt before failed with.
    pub last_failure: Option<Failure>,
    /// What the last heartbeat said that was stored.
    pub heartbeat_details: Option<Payload>,
    /// Set once the guest asked it to cancel and still waits for it.
    pub cancel: Option<ActivityCancel>,
    /// No attempt begins while it is.
    pub paused: bool,
    /// Whether it has a timer row, which its end must remove.
    pub has_row: bool,
}

/// Who has the current attempt of an activity. Events decide it, and the rows of timers
/// and tasks say which attempt it is; so a replay and a recovery come to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// The node that owns the run executes it.
    Here,
    /// Nobody yet: it begins when the timer row of the activity is due.
    Waiting {
        /// Not before then.
        until: Timestamp,
    },
    /// Somebody outside completes it.
    Outside(OutsideAttempt),
    /// A worker takes it from the task queue of the activity, or has it. The row of the
    /// task says which, and until when; the run does not know.
    Queue {
        /// No worker has it before then. [`NEVER`] while the activity is paused.
        visible_at: Timestamp,
    },
}

/// An attempt that is completed from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideAttempt {
    /// When the attempt began.
    pub started_at: Timestamp,
    /// A digest of the secret in its token.
    pub token_digest: String,
    /// When the run next checks on it: what its timer row says.
    pub deadline: Timestamp,
}

/// A request to cancel an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivityCancel {
    /// When it was recorded.
    pub requested_at: Timestamp,
    /// After so long the activity is stopped.
    pub grace: Duration,
}

impl PendingActivity {
    pub(super) fn scheduled(
        operation_id: OperationId,
        activity_type: TypeName,
        input: Payload,
        options: ActivityOptions,
        scheduled_at: Timestamp,
    ) -> Self {
        let mut activity = Self {
            operation_id,
            activity_type,
            input,
            options,
            scheduled_at,
            attempt: 1,
            attempts_before: 0,
            started: false,
            placement: Placement::Here,
            last_failure: None,
            heartbeat_details: None,
            cancel: None,
            paused: false,
            has_row: false,
        };
        activity.begin_attempt(scheduled_at);
        activity
    }

    /// Makes it start over. Whether an only attempt may have begun is not forgotten.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.scheduled_at = now;
        self.attempt = 1;
        self.attempts_before = 0;
        self.last_failure = None;
        self.heartbeat_details = None;
        self.paused = false;
        self.has_row = false;
        self.begin_attempt(now);
    }

    /// The attempt as people and policies count it: from 1 after a reset.
    pub fn attempt_number(&self) -> u32 {
        self.attempt.saturating_sub(self.attempts_before)
    }

    /// Places the current attempt where attempts of this activity begin. Nothing else
    /// decides that.
    pub(crate) fn begin_attempt(&mut self, now: Timestamp) {
        self.placement = match self.options.task_queue {
            Some(_) => Placement::Queue { visible_at: if self.paused { NEVER } else { now } },
            None => Placement::Here,
        };
    }

    /// Holds an attempt that workers could take, or lets them take it from then on.
    pub(crate) fn pause(&mut self, paused: bool, now: Timestamp) {
        self.paused = paused;
        if self.is_queued() {
            self.begin_attempt(now);
        }
    }

    /// Whether a worker makes its attempts.
    pub fn is_queued(&self) -> bool {
        self.visible_at().is_some()
    }

    /// From when on a worker may take the current attempt, as far as its run has decided
    /// it; none if workers don't make its attempts.
    pub fn visible_at(&self) -> Option<Timestamp> {
        match &self.placement {
            Placement::Queue { visible_at } => Some(*visible_at),
            Placement::Here | Placement::Waiting { .. } | Placement::Outside(_) => None,
        }
    }

    /// When all attempts together have to end.
    pub fn close_by(&self) -> Option<Timestamp> {
        self.options.schedule_to_close_timeout.map(|limit| self.scheduled_at.after(limit))
    }

    /// When a worker has to have taken the current attempt. What is held is not waited
    /// for.
    pub(crate) fn start_by(&self) -> Option<Timestamp> {
        let visible_at = self.visible_at().filter(|visible_at| *visible_at < NEVER)?;
        self.options.schedule_to_start_timeout.map(|limit| visible_at.after(limit))
    }

    /// Until when an attempt that goes on after a request to cancel is waited for.
    pub fn cancel_until(&self) -> Option<Timestamp> {
        self.cancel.map(|cancel| cancel.requested_at.after(cancel.grace))
    }

    /// When the run is to be told that no worker has taken the current attempt, if it is.
    pub fn expires_at(&self) -> Option<Timestamp> {
        [self.close_by(), self.start_by(), self.cancel_until()].into_iter().flatten().min()
    }

    /// When its next attempt begins, if it waits for that.
    pub fn retry_at(&self) -> Option<Timestamp> {
        match &self.placement {
            Placement::Waiting { until } => Some(*until),
            Placement::Here | Placement::Outside(_) | Placement::Queue { .. } => None,
        }
    }

    /// The current attempt, if it is completed from outside.
    pub fn outside(&self) -> Option<&OutsideAttempt> {
        match &self.placement {
            Placement::Outside(attempt) => Some(attempt),
            Placement::Here | Placement::Waiting { .. } | Placement::Queue { .. } => None,
        }
    }

    /// When its timer row has to wake the run, if it has to.
    pub fn due_at(&self) -> Option<Timestamp> {
        match &self.placement {
            Placement::Here | Placement::Queue { .. } => None,
            Placement::Waiting { until } => Some(*until),
            Placement::Outside(attempt) => Some(attempt.deadline),
        }
    }

    /// When the run has to check on an attempt outside that was alive at `heard_at`.
    pub(crate) fn deadline(&self, started_at: Timestamp, heard_at: Timestamp) -> Timestamp {
        let options = &self.options;
        let limits = [
            self.close_by(),
            options.heartbeat_timeout.map(|limit| heard_at.after(limit)),
            self.cancel_until(),
        ];
        let start_to_close = started_at.after(options.start_to_close_timeout);
        limits.into_iter().flatten().fold(start_to_close, Timestamp::min)
    }
}

impl RunState {
    /// The options of an activity, with no timeout longer than the run may take: all
    /// attempts together end with it at the latest, and none is planned past that.
    /// What is recorded stays as the guest asked for it.
    pub(super) fn capped(&self, mut options: ActivityOptions) -> ActivityOptions {
        let timeouts = [self.options.run_timeout, self.options.execution_timeout];
        let Some(run) = timeouts.into_iter().flatten().min() else {
            return options;
        };
        let shorter = |limit: Option<Duration>| limit.map(|limit| limit.min(run));
        options.start_to_close_timeout = options.start_to_close_timeout.min(run);
        options.schedule_to_close_timeout =
            Some(options.schedule_to_close_timeout.unwrap_or(run).min(run));
        options.schedule_to_start_timeout = shorter(options.schedule_to_start_timeout);
        options.heartbeat_timeout = shorter(options.heartbeat_timeout);
        options
    }

    /// Whether workers make attempts of any of its activities: their tasks have rows.
    pub fn has_tasks(&self) -> bool {
        self.activities.values().any(PendingActivity::is_queued)
    }

    /// Takes a planned attempt into account, when it is planned and when its
    /// timer row is read back. Not an event: failed attempts are not history
    /// until the last one. False if the activity is not pending.
    pub fn plan_retry(
        &mut self,
        scheduled_event_id: EventId,
        attempt: u32,
        retry_at: Timestamp,
        last_failure: Failure,
        heartbeat_details: Option<Payload>,
    ) -> bool {
        let Some(activity) = self.activities.get_mut(&scheduled_event_id) else {
            return false;
        };
        activity.attempt = attempt;
        activity.placement = Placement::Waiting { until: retry_at };
        activity.last_failure = Some(last_failure);
        activity.heartbeat_details = heartbeat_details;
        activity.has_row = true;
        true
    }

    /// Takes into account that a planned attempt has begun. Its row does not say so: it
    /// stays as it is for as long as the attempt runs.
    pub fn note_begun(&mut self, scheduled_event_id: EventId, attempt: u32) {
        if let Some(activity) = self.activities.get_mut(&scheduled_event_id)
            && activity.attempt == attempt
            && let Some(retry_at) = activity.retry_at()
        {
            activity.begin_attempt(retry_at);
        }
    }

    /// Takes what a running attempt has said into account, when it is stored and
    /// when its timer row is read back. False if the activity is not pending.
    pub fn note_heartbeat(
        &mut self,
        scheduled_event_id: EventId,
        attempt: u32,
        last_failure: Option<Failure>,
        heartbeat_details: Payload,
    ) -> bool {
        let Some(activity) = self.activities.get_mut(&scheduled_event_id) else {
            return false;
        };
        activity.attempt = attempt;
        activity.begin_attempt(self.last_event_at);
        activity.last_failure = last_failure;
        activity.heartbeat_details = Some(heartbeat_details);
        activity.has_row = true;
        true
    }

    /// Takes the task of an activity into account, when its run has decided about it and
    /// when its row is read back, from wherever it is. False if the activity is not
    /// pending, or not for workers.
    pub fn note_task(
        &mut self,
        scheduled_event_id: EventId,
        attempt: u32,
        visible_at: Timestamp,
        last_failure: Option<Failure>,
        heartbeat_details: Option<Payload>,
    ) -> bool {
        let activity = self.activities.get_mut(&scheduled_event_id);
        let Some(activity) = activity.filter(|activity| activity.is_queued()) else {
            return false;
        };
        activity.attempt = attempt;
        // Whether it is held, the history says: the row of a task that a worker has may
        // be from before.
        activity.begin_attempt(match visible_at {
            NEVER => self.last_event_at,
            visible_at => visible_at,
        });
        activity.last_failure = last_failure;
        activity.heartbeat_details = heartbeat_details;
        true
    }

    /// Takes into account when the run has to check on an attempt outside. That it is
    /// outside, the history says. False if it does not.
    pub fn note_deadline(
        &mut self,
        scheduled_event_id: EventId,
        deadline: Timestamp,
        last_failure: Option<Failure>,
        heartbeat_details: Option<Payload>,
    ) -> bool {
        let Some(activity) = self.activities.get_mut(&scheduled_event_id) else {
            return false;
        };
        let Placement::Outside(outside) = &mut activity.placement else {
            return false;
        };
        outside.deadline = deadline;
        activity.last_failure = last_failure;
        activity.heartbeat_details = heartbeat_details;
        activity.has_row = true;
        true
    }
}
