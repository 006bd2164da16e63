//! Runs attempts of activities, and tells their runs how they ended.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::decide::Input;
use dacapo_engine::guest::{ActivityTask, RunContext};
use dacapo_engine::state::PendingActivity;
use dacapo_model::event::TimeoutType;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;
use futures::FutureExt as _;
use tokio::task::AbortHandle;

use crate::registry::OpenRun;
use crate::run::{Message, deliver};
use crate::runtime::Shared;

/// Starts the next attempt. Aborting the handle stops it.
pub(crate) fn spawn(
    shared: &Arc<Shared>,
    run: &Arc<OpenRun>,
    context: &Arc<RunContext>,
    scheduled_event_id: EventId,
    activity: &PendingActivity,
) -> AbortHandle {
    let attempt = Attempt {
        shared: shared.clone(),
        run: run.clone(),
        context: context.clone(),
        scheduled_event_id,
        activity: activity.clone(),
    };
    shared.attempts.spawn(attempt.run()).abort_handle()
}

/// Reports an attempt that may have begun before this process, and must not be
/// made again.
pub(crate) fn spawn_lost(
    shared: &Arc<Shared>,
    run: &Arc<OpenRun>,
    scheduled_event_id: EventId,
) -> AbortHandle {
    let (shared, run) = (shared.clone(), run.clone());
    let failure = Failure::new(
        FailureKind::Application,
        "ActivityLost",
        "the node stopped while the only attempt of this activity may have been running; whether \
         it had its effect is not known",
    )
    .non_retryable();
    let input = Input::ActivityReturned { scheduled_event_id, attempt: 1, outcome: Err(failure) };
    let tracker = shared.attempts.clone();
    tracker.spawn(async move { report(&shared, &run, input).await }).abort_handle()
}

struct Attempt {
    shared: Arc<Shared>,
    run: Arc<OpenRun>,
    context: Arc<RunContext>,
    scheduled_event_id: EventId,
    activity: PendingActivity,
}

impl Attempt {
    async fn run(self) {
        let Ok(_slot) = self.shared.activity_slots.acquire().await else {
            return;
        };
        // The wait for a slot counts against schedule-to-close, but not against
        // start-to-close.
        let now = self.shared.clock.now();
        let (timeout, timeout_type) = self.timeout(now);
        let input = if timeout.is_zero() {
            self.timed_out(timeout_type)
        } else {
            let task = self.task(now, timeout);
            // A defect of the host must not lose the activity.
            let attempt = AssertUnwindSafe(self.shared.host.run_activity(task)).catch_unwind();
            match tokio::time::timeout(timeout, attempt).await {
                Ok(Ok(outcome)) => Input::ActivityReturned {
                    scheduled_event_id: self.scheduled_event_id,
                    attempt: self.activity.attempt,
                    outcome,
                },
                Ok(Err(_panic)) => self.panicked(),
                Err(_elapsed) => self.timed_out(timeout_type),
            }
        };
        report(&self.shared, &self.run, input).await;
    }

    /// What is left for this attempt, and which timeout ends it.
    fn timeout(&self, now: Timestamp) -> (Duration, TimeoutType) {
        let options = &self.activity.options;
        let elapsed = now.since(self.activity.scheduled_at);
        let remaining = options
            .schedule_to_close_timeout
            .map_or(Duration::MAX, |timeout| timeout.saturating_sub(elapsed));
        if remaining <= options.start_to_close_timeout {
            (remaining, TimeoutType::ScheduleToClose)
        } else {
            (options.start_to_close_timeout, TimeoutType::StartToClose)
        }
    }

    fn task(&self, now: Timestamp, timeout: Duration) -> ActivityTask {
        ActivityTask {
            run: self.context.clone(),
            activity_type: self.activity.activity_type.clone(),
            input: self.activity.input.clone(),
            operation_id: self.activity.operation_id,
            attempt: self.activity.attempt,
            timeout,
            deadline: now.after(timeout),
        }
    }

    fn timed_out(&self, timeout_type: TimeoutType) -> Input {
        Input::ActivityTimedOut {
            scheduled_event_id: self.scheduled_event_id,
            attempt: self.activity.attempt,
            timeout_type,
        }
    }

    fn panicked(&self) -> Input {
        tracing::error!(
            run_id = %self.run.key,
            activity_type = %self.activity.activity_type,
            "the host panicked while it ran an activity"
        );
        let failure = Failure::new(
            FailureKind::Application,
            "Internal",
            "the server failed while it ran the activity",
        );
        Input::ActivityReturned {
            scheduled_event_id: self.scheduled_event_id,
            attempt: self.activity.attempt,
            outcome: Err(failure),
        }
    }
}

async fn report(shared: &Arc<Shared>, run: &Arc<OpenRun>, input: Input) {
    // A run that has closed meanwhile has no use for it.
    let _ = deliver(shared, run, Message::Input { input, answer: None }).await;
}
