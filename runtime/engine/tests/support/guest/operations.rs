//! What a program waits for: activities, timers, children, other runs.

use std::time::Duration;

use dacapo_engine::replay::{Answer, CallError};
use dacapo_model::event::{ActivityOptions, ChildCancellationType, ChildOptions};
use dacapo_model::ids::{OperationId, QueueName, TypeName, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::task::TaskRoute;

use super::signal_name;
use super::{Guest, Progress};

const CANCELLATION_TYPES: [ChildCancellationType; 4] = [
    ChildCancellationType::WaitCancellationCompleted,
    ChildCancellationType::WaitCancellationRequested,
    ChildCancellationType::TryCancel,
    ChildCancellationType::Abandon,
];

impl Guest {
    pub(super) fn start_child(&mut self, cancellation: u8) -> Result<(), CallError> {
        let cancellation_type = CANCELLATION_TYPES[usize::from(cancellation)];
        let input = Payload::new(format!("\"{:016x}\"", self.place.seen));
        let workflow_type = TypeName::new("child").expect("a valid name");
        let is_odd = cancellation % 2 == 1;
        let options = ChildOptions {
            cancellation_type,
            run_timeout: is_odd.then(|| Duration::from_secs(60)),
            retry: is_odd.then(RetryPolicy::default),
            ..ChildOptions::default()
        };
        let (started, closed) = self.cursor.start_child(workflow_type, input, options)?;
        self.place.pending.extend([started, closed]);
        if matches!(
            cancellation_type,
            ChildCancellationType::WaitCancellationCompleted
                | ChildCancellationType::WaitCancellationRequested
        ) {
            self.place.patient.insert(closed);
        }
        Ok(())
    }

    pub(super) fn reach_external(&mut self, cancel: bool) -> Result<(), CallError> {
        let seen = format!("\"{:016x}\"", self.place.seen);
        let other = WorkflowId::new("other").expect("a valid id");
        let operation = match cancel {
            true => self.cursor.cancel_external(other, None, seen)?,
            false => {
                self.cursor.signal_external(other, None, signal_name(0), Payload::new(seen))?
            }
        };
        self.place.pending.push(operation);
        Ok(())
    }

    pub(super) fn wait(&mut self, pick: u8) -> Result<Progress, CallError> {
        let Some(operation) = self.pick(pick) else {
            return Ok(Progress::Went);
        };
        let Answer::Ready(outcome) = self.cursor.wait(operation)? else {
            return Ok(Progress::Blocked);
        };
        self.see(&format!("{operation}: {outcome:?} at {}", self.cursor.now()));
        self.over(operation);
        Ok(Progress::Went)
    }

    pub(super) fn sleep(&mut self, millis: u64) -> Result<Progress, CallError> {
        let timer = match self.place.sleeping {
            Some(timer) => timer,
            None => self.start_timer(millis)?,
        };
        self.place.sleeping = Some(timer);
        if self.cursor.wait_undisturbed(timer)? == Answer::Blocked {
            return Ok(Progress::Blocked);
        }
        self.place.sleeping = None;
        self.see(&format!("slept until {}", self.cursor.now()));
        Ok(Progress::Went)
    }

    pub(super) fn start_timer(&mut self, millis: u64) -> Result<OperationId, CallError> {
        let fire_at = self.cursor.now().after(Duration::from_millis(millis));
        self.cursor.start_timer(fire_at)
    }
}

/// Durations that no store keeps exactly are asked for on purpose.
pub(super) fn options(attempts: u32, total_seconds: Option<u64>, queued: bool) -> ActivityOptions {
    let queue = QueueName::new("work").expect("a valid name");
    ActivityOptions {
        start_to_close_timeout: Duration::from_nanos(1_000_000_001),
        schedule_to_close_timeout: total_seconds.map(Duration::from_secs),
        schedule_to_start_timeout: (queued && attempts == 1)
            .then(|| Duration::from_nanos(1_700_000_001)),
        heartbeat_timeout: (attempts == 3).then(|| Duration::from_nanos(300_000_001)),
        retry: RetryPolicy {
            initial_interval: Duration::from_nanos(500_000_500),
            backoff_coefficient: 1.7,
            maximum_attempts: attempts,
            ..RetryPolicy::default()
        },
        task_queue: queued.then(|| TaskRoute::to(queue)),
        module: None,
    }
}
