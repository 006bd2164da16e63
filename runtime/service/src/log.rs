//! What operators read of runs and attempts: when they start and end.
//!
//! Two targets, since there are many attempts for each run: `dacapo::run` and
//! `dacapo::attempt`, both at level INFO. Where nobody reads them, they cost nothing
//! but the question whether somebody does.

use dacapo_engine::decide::Input;
use dacapo_engine::state::PendingActivity;
use dacapo_model::execution::Execution;
use dacapo_model::time::Timestamp;
use tracing::{Level, Span};

use crate::clock::Clock;
use crate::operations::Closing;
use crate::registry::OpenRun;

/// Is committed. `cause` is the request that asked for it.
pub(crate) fn run_started(execution: &Execution, cause: &Span) {
    let _entered = cause.enter();
    tracing::info!(
        target: "dacapo::run",
        workflow_id = execution.workflow_id.as_str(),
        run_id = %execution.key,
        workflow_type = execution.workflow_type.as_str(),
        namespace = execution.namespace.as_str(),
        "run started"
    );
}

/// Is committed.
pub(crate) fn run_closed(execution: &Execution, closing: &Closing, events: u64) {
    tracing::info!(
        target: "dacapo::run",
        workflow_id = execution.workflow_id.as_str(),
        run_id = %execution.key,
        workflow_type = execution.workflow_type.as_str(),
        status = closing.status.as_str(),
        took = ?closing.closed_at.since(execution.started_at),
        events,
        "run closed"
    );
}

/// An attempt that is being made; one that is given up says so when it is dropped.
pub(crate) struct Attempt<'a> {
    run: &'a OpenRun,
    activity: &'a PendingActivity,
    clock: &'a dyn Clock,
    began: Timestamp,
    has_ended: bool,
}

impl<'a> Attempt<'a> {
    /// None if nobody reads it.
    pub(crate) fn begin(
        run: &'a OpenRun,
        activity: &'a PendingActivity,
        clock: &'a dyn Clock,
    ) -> Option<Self> {
        if !tracing::enabled!(target: "dacapo::attempt", Level::INFO) {
            return None;
        }
        tracing::info!(
            target: "dacapo::attempt",
            workflow_id = run.workflow_id.as_str(),
            run_id = %run.key,
            activity = activity.activity_type.as_str(),
            operation_id = activity.operation_id.0,
            attempt = activity.attempt_number(),
            "attempt started"
        );
        Some(Self { run, activity, clock, began: clock.now(), has_ended: false })
    }

    /// With what the run is told; nothing if somebody else is to end it.
    pub(crate) fn end(mut self, input: Option<&Input>) {
        self.has_ended = true;
        let (outcome, failure) = match input {
            None => ("left open", None),
            Some(Input::ActivityReturned { outcome: Ok(_), .. }) => ("completed", None),
            Some(Input::ActivityReturned { outcome: Err(failure), .. }) => {
                ("failed", Some(failure.info.type_name.as_str()))
            }
            Some(Input::ActivityTimedOut { timeout_type, .. }) => {
                ("timed out", Some(timeout_type.type_name()))
            }
            Some(_) => ("stopped", None),
        };
        self.tell(outcome, failure);
    }

    fn tell(&self, outcome: &'static str, failure: Option<&str>) {
        tracing::info!(
            target: "dacapo::attempt",
            workflow_id = self.run.workflow_id.as_str(),
            run_id = %self.run.key,
            activity = self.activity.activity_type.as_str(),
            operation_id = self.activity.operation_id.0,
            attempt = self.activity.attempt_number(),
            outcome,
            failure,
            took = ?self.clock.now().since(self.began),
            "attempt ended"
        );
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.tell("stopped", None);
        }
    }
}
