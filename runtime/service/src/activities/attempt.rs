//! One attempt on this node, from the wait for its place to its end.
//!
//! ```text
//!  wait for a place ──▶ execute ──▶ returned, timed out, stopped ──▶ mailbox
//!        │ too late, stopped            │ left to somebody outside
//!        ▼                              ▼
//!     mailbox                        AttemptLeft
//! ```

use std::num::NonZeroU64;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::decide::{Input, not_in_time, not_running};
use dacapo_engine::guest::{ActivityTask, RunContext};
use dacapo_engine::state::PendingActivity;
use dacapo_model::event::TimeoutType;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::EventId;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::trace::{SpanId, TraceContext};
use futures::FutureExt as _;

use super::link::{Link, Next};
use crate::builtin;
use crate::builtin_activities::run_activity;
use crate::clock::wait_until;
use crate::delivery::deliver;
use crate::error::ServiceError;
use crate::fair::Place;
use crate::log;
use crate::run::{Message, OpenRun};
use crate::runtime::Shared;
use crate::tenancy::AttemptPlace;
use crate::workload::Work;

/// What an attempt holds while it runs: a place of its namespace, where those are limited,
/// and one of the server.
type Slot = (Option<AttemptPlace>, Option<Place>);

/// An attempt that is about to begin.
pub(super) struct Attempt {
    pub(super) shared: Arc<Shared>,
    pub(super) run: Arc<OpenRun>,
    pub(super) context: Arc<RunContext>,
    pub(super) scheduled_event_id: EventId,
    /// As it was when the attempt began.
    pub(super) activity: Arc<PendingActivity>,
    pub(super) link: Arc<Link>,
    /// Held until the run has the outcome in its mailbox.
    pub(super) _work: Work,
}

impl Attempt {
    pub(super) async fn run(self) {
        let input = match self.slot().await {
            Ok(_slot) => {
                let logged = log::Attempt::begin(&self.run, &self.activity, &*self.shared.clock);
                let input = self.execute().await;
                if let Some(logged) = logged {
                    logged.end(input.as_ref());
                }
                log::attempt_failed(&self.run, &self.activity, input.as_ref());
                input
            }
            Err(input) => Some(input),
        };
        let message = match input {
            Some(input) => Message::Input { input, answer: None },
            None => Message::AttemptLeft {
                scheduled_event_id: self.scheduled_event_id,
                attempt: self.link.attempt,
            },
        };
        let _ = deliver(&self.shared, &self.run, message).await;
    }

    /// Waits until the attempt may begin, or until it is too late for it.
    async fn slot(&self) -> Result<Slot, Input> {
        let module = self.context.module_digest;
        // What the runtime makes itself takes no instance, and may wait for long.
        if builtin::find(module).is_some() && !self.link.is_paused() {
            return Ok((None, None));
        }
        if !self.link.is_paused()
            && let Some(slot) = self.free_slot(module)
        {
            return Ok(slot);
        }
        let clock = &*self.shared.clock;
        let too_late = clock.instant().checked_add(self.remaining(clock.now()));
        // Nothing happens to it before somebody else makes room, or its time is over.
        let _parked = self.shared.life.workload.park();
        loop {
            tokio::select! {
                () = self.link.unpaused() => {}
                () = self.stopped() => return Err(self.stopped_input(not_running())),
                () = wait_until(clock, too_late) => {
                    return Err(self.timed_out(TimeoutType::ScheduleToClose));
                }
            }
            // What is paused is not in the queue.
            let to_start = self.activity.options.schedule_to_start_timeout;
            let too_late_to_start =
                to_start.and_then(|timeout| clock.instant().checked_add(timeout));
            tokio::select! {
                biased;
                slot = self.next_slot(module) => {
                    if !self.link.is_paused() {
                        return Ok(slot);
                    }
                }
                () = self.stopped() => return Err(self.stopped_input(not_running())),
                () = wait_until(clock, too_late) => {
                    return Err(self.timed_out(TimeoutType::ScheduleToClose));
                }
                () = wait_until(clock, too_late_to_start) => {
                    return Err(self.timed_out(TimeoutType::ScheduleToStart));
                }
            }
        }
    }

    /// A slot that is free now.
    fn free_slot(&self, module: ModuleDigest) -> Option<Slot> {
        let (shared, namespace) = (&self.shared, &self.run.namespace);
        let of_namespace = match self.namespace_max() {
            Some(max) => Some(shared.capacity.admission.try_attempt(namespace, max)?),
            None => None,
        };
        Some((of_namespace, Some(shared.capacity.attempts.try_acquire(module)?)))
    }

    /// A slot, once there is one: first of the namespace, which is in nobody's way while it
    /// waits there.
    async fn next_slot(&self, module: ModuleDigest) -> Slot {
        let (shared, namespace) = (&self.shared, &self.run.namespace);
        let of_namespace = match self.namespace_max() {
            Some(_) => {
                let changes = shared.namespaces.watch();
                let max = || self.namespace_max();
                shared.capacity.admission.attempt(namespace, max, changes).await
            }
            None => None,
        };
        (of_namespace, Some(shared.capacity.attempts.acquire(module).await))
    }

    /// How many attempts its namespace may have at a time, if that is limited.
    fn namespace_max(&self) -> Option<NonZeroU64> {
        let policy = self.shared.namespaces.policy_of(&self.run.namespace);
        policy.settings.limits.activities_max
    }

    /// Returns once the attempt is to be stopped, while it does not run yet.
    async fn stopped(&self) {
        while !matches!(self.link.next(None), Next::Stop) {
            self.link.changed.notified().await;
        }
    }

    /// Runs the attempt, and says how it ended. None if it is left to somebody outside.
    async fn execute(&self) -> Option<Input> {
        // The wait for a slot counts against schedule-to-close, but not against
        // start-to-close.
        let now = self.shared.clock.now();
        let (timeout, timeout_type) = self.timeout(now);
        if timeout.is_zero() {
            return Some(self.timed_out(timeout_type));
        }
        let module_digest = match self.module() {
            Ok(digest) => digest,
            Err(error) => return Some(self.returned(Err(no_module(error)))),
        };
        self.link.begin(now);
        let clock = &*self.shared.clock;
        let mut elapsed = pin!(wait_until(clock, clock.instant().checked_add(timeout)));
        let heartbeat_timeout = self.activity.options.heartbeat_timeout;
        let task = self.task(module_digest, now, timeout);
        let running = run_activity(&self.shared, task, self.link.clone());
        // A defect of the host must not lose the activity.
        let mut running = AssertUnwindSafe(running).catch_unwind();
        loop {
            let look_at = match self.link.next(heartbeat_timeout) {
                Next::WaitUntil(at) => at,
                Next::Save(details) => {
                    self.save(details).await;
                    continue;
                }
                Next::Stop => return Some(self.stopped_input(not_in_time())),
                Next::Silent => {
                    self.save_rest().await;
                    return Some(self.timed_out(TimeoutType::Heartbeat));
                }
            };
            tokio::select! {
                biased;
                ended = &mut running => return self.ended(ended, module_digest).await,
                () = &mut elapsed => {
                    self.save_rest().await;
                    return Some(self.timed_out(timeout_type));
                }
                () = wait_until(clock, look_at) => {}
                () = self.link.changed.notified() => {}
            }
        }
    }

    async fn ended(
        &self,
        ended: Result<Result<Payload, Failure>, Box<dyn std::any::Any + Send>>,
        module: ModuleDigest,
    ) -> Option<Input> {
        match ended {
            Ok(Ok(_)) if self.link.is_left_outside() => None,
            Ok(mut outcome) => {
                if let Ok(result) = &outcome
                    && builtin::find(module).is_none()
                    && let Some(failure) = self.too_large(result)
                {
                    outcome = Err(failure);
                }
                if outcome.is_err() {
                    self.save_rest().await;
                }
                Some(self.returned(outcome))
            }
            Err(_panic) => Some(self.panicked()),
        }
    }

    /// The host has looked whether the result is larger than the server allows.
    fn too_large(&self, result: &Payload) -> Option<Failure> {
        let policy = self.shared.namespaces.policy_of(&self.run.namespace);
        let max = policy.limits.payload_bytes_max;
        if result.len() <= max {
            return None;
        }
        let message = format!(
            "the activity's result has {} bytes; at most {max} are allowed in namespace `{}` \
             (`payload_bytes_max`): store it elsewhere and return where",
            result.len(),
            self.run.namespace
        );
        Some(Failure::new(FailureKind::Application, "PayloadTooLarge", message).non_retryable())
    }

    async fn save(&self, details: Payload) {
        report(&self.shared, &self.run, self.link.heartbeat_input(details)).await;
    }

    /// Stores the last heartbeat, for the next attempt.
    async fn save_rest(&self) {
        if let Some(details) = self.link.take_unsaved() {
            self.save(details).await;
        }
    }

    /// The time that is left for all attempts.
    fn remaining(&self, now: Timestamp) -> Duration {
        let elapsed = now.since(self.activity.scheduled_at);
        let limit = self.activity.options.schedule_to_close_timeout;
        limit.map_or(Duration::MAX, |timeout| timeout.saturating_sub(elapsed))
    }

    /// The time that is left for this attempt, and which timeout ends it.
    fn timeout(&self, now: Timestamp) -> (Duration, TimeoutType) {
        let remaining = self.remaining(now);
        let start_to_close = self.activity.options.start_to_close_timeout;
        if remaining <= start_to_close {
            (remaining, TimeoutType::ScheduleToClose)
        } else {
            (start_to_close, TimeoutType::StartToClose)
        }
    }

    /// The code that this attempt runs. Of another module it is the newest there is now,
    /// unless a version was named: so an attempt after a repair runs what was repaired.
    fn module(&self) -> Result<ModuleDigest, ServiceError> {
        let Some(module) = &self.activity.options.module else {
            return Ok(self.context.module_digest);
        };
        Ok(self.shared.catalog.version(&self.context.namespace, module)?.digest)
    }

    fn task(&self, module_digest: ModuleDigest, now: Timestamp, timeout: Duration) -> ActivityTask {
        ActivityTask {
            run: self.context.clone(),
            module_digest,
            activity_type: self.activity.activity_type.clone(),
            input: self.activity.input.clone(),
            operation_id: self.activity.operation_id,
            attempt: self.activity.attempt_number(),
            timeout,
            deadline: now.after(timeout),
            heartbeat_details: self.activity.heartbeat_details.clone(),
            trace: self.trace(),
            permissions: self.shared.namespaces.policy_of(&self.run.namespace).permissions.clone(),
        }
    }

    /// What goes with what it asks others for.
    fn trace(&self) -> Option<TraceContext> {
        let (run_id, attempt) = (self.run.key.run_id, self.activity.attempt);
        let span = || SpanId::of_attempt(run_id, self.scheduled_event_id, attempt);
        self.run.trace().map(|run| self.shared.traces.of_attempt(run, span()))
    }

    fn returned(&self, outcome: Result<Payload, Failure>) -> Input {
        Input::ActivityReturned {
            scheduled_event_id: self.scheduled_event_id,
            attempt: self.activity.attempt,
            outcome,
        }
    }

    fn timed_out(&self, timeout_type: TimeoutType) -> Input {
        Input::ActivityTimedOut {
            scheduled_event_id: self.scheduled_event_id,
            attempt: self.activity.attempt,
            timeout_type,
        }
    }

    fn stopped_input(&self, failure: Failure) -> Input {
        Input::ActivityStopped {
            scheduled_event_id: self.scheduled_event_id,
            attempt: self.activity.attempt,
            failure,
        }
    }

    fn panicked(&self) -> Input {
        tracing::error!(
            run_id = %self.run.key,
            activity_type = %self.activity.activity_type,
            "the host panicked while it ran an activity"
        );
        self.returned(Err(Failure::new(
            FailureKind::Application,
            "Internal",
            "the server failed while it ran the activity",
        )))
    }
}

/// The activity is of a module that is not there.
fn no_module(error: ServiceError) -> Failure {
    Failure::new(FailureKind::Application, "ModuleNotFound", error.message).non_retryable()
}

pub(super) async fn report(shared: &Arc<Shared>, run: &Arc<OpenRun>, input: Input) {
    // A run that has closed meanwhile has no use for it.
    let _ = deliver(shared, run, Message::Input { input, answer: None }).await;
}
