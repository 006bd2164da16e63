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
//! ```

use std::time::Duration;

use dacapo_model::event::ActivityOptions;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, OperationId, TypeName};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;

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

/// Who has the current attempt of an activity. Events decide it, and timer rows say
/// which attempt waits; so a replay and a recovery come to the same.
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
        Self {
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
        }
    }

    /// Makes it start over. Whether an only attempt may have begun is not forgotten.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.scheduled_at = now;
        self.attempt = 1;
        self.attempts_before = 0;
        self.last_failure = None;
        self.heartbeat_details = None;
        self.begin_attempt();
        self.paused = false;
        self.has_row = false;
    }

    /// The attempt as people and policies count it: from 1 after a reset.
    pub fn attempt_number(&self) -> u32 {
        self.attempt.saturating_sub(self.attempts_before)
    }

    /// Places the current attempt where attempts of this activity begin. Nothing else
    /// decides that.
    pub(crate) fn begin_attempt(&mut self) {
        self.placement = Placement::Here;
    }

    /// When its next attempt begins, if it waits for that.
    pub fn retry_at(&self) -> Option<Timestamp> {
        match &self.placement {
            Placement::Waiting { until } => Some(*until),
            Placement::Here | Placement::Outside(_) => None,
        }
    }

    /// The current attempt, if it is completed from outside.
    pub fn outside(&self) -> Option<&OutsideAttempt> {
        match &self.placement {
            Placement::Outside(attempt) => Some(attempt),
            Placement::Here | Placement::Waiting { .. } => None,
        }
    }

    /// When its timer row has to wake the run, if it has to.
    pub fn due_at(&self) -> Option<Timestamp> {
        match &self.placement {
            Placement::Here => None,
            Placement::Waiting { until } => Some(*until),
            Placement::Outside(attempt) => Some(attempt.deadline),
        }
    }

    /// When the run has to check on an attempt outside that was alive at `heard_at`.
    pub(crate) fn deadline(&self, started_at: Timestamp, heard_at: Timestamp) -> Timestamp {
        let options = &self.options;
        let limits = [
            options.schedule_to_close_timeout.map(|limit| self.scheduled_at.after(limit)),
            options.heartbeat_timeout.map(|limit| heard_at.after(limit)),
            self.cancel.map(|cancel| cancel.requested_at.after(cancel.grace)),
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
            && activity.retry_at().is_some()
        {
            activity.begin_attempt();
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
        activity.begin_attempt();
        activity.last_failure = last_failure;
        activity.heartbeat_details = Some(heartbeat_details);
        activity.has_row = true;
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
