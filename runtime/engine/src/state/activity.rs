//! What is known of an activity that has no outcome yet.

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
    /// Set while it waits for its next attempt.
    pub retry_at: Option<Timestamp>,
    /// What the attempt before failed with.
    pub last_failure: Option<Failure>,
    /// What the last heartbeat said that was stored.
    pub heartbeat_details: Option<Payload>,
    /// Set while its attempt is to be completed from outside.
    pub open: Option<OpenOutside>,
    /// Set once the guest asked it to cancel and still waits for it.
    pub cancel: Option<ActivityCancel>,
    /// No attempt begins while it is.
    pub paused: bool,
    /// Whether it has a timer row, which its end must remove.
    pub has_row: bool,
}

/// An attempt that is completed from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOutside {
    /// When the attempt began.
    pub started_at: Timestamp,
    /// A digest of the secret in its token.
    pub token_digest: String,
    /// When it is next looked after: what its timer row says.
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
            retry_at: None,
            last_failure: None,
            heartbeat_details: None,
            open: None,
            cancel: None,
            paused: false,
            has_row: false,
        }
    }

    /// Nobody here runs it any more: it is to start over. Whether an only attempt may
    /// have begun is not forgotten.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.scheduled_at = now;
        self.attempt = 1;
        self.attempts_before = 0;
        self.retry_at = None;
        self.last_failure = None;
        self.heartbeat_details = None;
        self.open = None;
        self.paused = false;
        self.has_row = false;
    }

    /// The attempt as people and policies count it: from 1 after a reset.
    pub fn attempt_number(&self) -> u32 {
        self.attempt.saturating_sub(self.attempts_before)
    }

    /// True if an attempt runs in an instance, or is about to.
    pub fn runs_here(&self) -> bool {
        self.retry_at.is_none() && self.open.is_none()
    }

    /// When an attempt that is open outside, and was heard of at `heard_at`, is
    /// to be looked after.
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
        activity.retry_at = Some(retry_at);
        activity.last_failure = Some(last_failure);
        activity.heartbeat_details = heartbeat_details;
        activity.open = None;
        activity.has_row = true;
        true
    }

    /// Takes into account that a planned attempt has begun. Its row does not say so: it
    /// stays as it is for as long as the attempt runs.
    pub fn note_begun(&mut self, scheduled_event_id: EventId, attempt: u32) {
        if let Some(activity) = self.activities.get_mut(&scheduled_event_id)
            && activity.attempt == attempt
        {
            activity.retry_at = None;
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
        activity.retry_at = None;
        activity.last_failure = last_failure;
        activity.heartbeat_details = Some(heartbeat_details);
        activity.open = None;
        activity.has_row = true;
        true
    }

    /// Takes into account when an attempt that is open outside is to be looked
    /// after. That it is open, the history says. False if it does not.
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
        let Some(open) = &mut activity.open else {
            return false;
        };
        open.deadline = deadline;
        activity.retry_at = None;
        activity.last_failure = last_failure;
        activity.heartbeat_details = heartbeat_details;
        activity.has_row = true;
        true
    }
}
