//! What operators read of runs and attempts: when they start and end.
//!
//! Three targets at level INFO: `dacapo::run`; `dacapo::attempt`, since there are many
//! attempts for each run; and `dacapo::failure` for whoever writes workflows, with what
//! went wrong in the words of the code. Where nobody reads them, they cost nothing but the
//! question whether somebody does.

use dacapo_engine::decide::Input;
use dacapo_engine::state::PendingActivity;
use dacapo_model::event::EventAttributes;
use dacapo_model::execution::Execution;
use dacapo_model::failure::Failure;
use dacapo_model::text::cut;
use dacapo_model::time::Timestamp;
use dacapo_model::trace::{TraceContext, TraceId};
use tracing::field::DisplayValue;
use tracing::{Level, Span};

use crate::clock::Clock;
use crate::log_limit::LogLimit;
use crate::run::OpenRun;
use crate::types::Closing;

/// Bytes of why something went wrong.
const REASON_BYTES_MAX: usize = 1_024;

/// Lines in ten seconds: as many as somebody reads.
static RUN_FAILURES: LogLimit = LogLimit::of(20);
static ATTEMPT_FAILURES: LogLimit = LogLimit::of(20);

/// Is committed. `cause` is the request that asked for it.
pub(crate) fn run_started(execution: &Execution, trace: Option<&TraceContext>, cause: &Span) {
    let _entered = cause.enter();
    tracing::info!(
        target: "dacapo::run",
        workflow_id = execution.workflow_id.as_str(),
        run_id = %execution.key,
        workflow_type = execution.workflow_type.as_str(),
        namespace = execution.namespace.as_str(),
        trace_id = trace.map(id),
        "run started"
    );
}

/// Is committed.
pub(crate) fn run_closed(
    execution: &Execution,
    trace: Option<&TraceContext>,
    closing: &Closing,
    events: u64,
) {
    tracing::info!(
        target: "dacapo::run",
        workflow_id = execution.workflow_id.as_str(),
        run_id = %execution.key,
        workflow_type = execution.workflow_type.as_str(),
        status = closing.status.as_str(),
        took = ?closing.closed_at.since(execution.started_at),
        events,
        trace_id = trace.map(id),
        "run closed"
    );
    if failures_are_read()
        && let Some(reason) = reason(&closing.attributes)
        && let Some(withheld) = RUN_FAILURES.allows()
    {
        tracing::info!(
            target: "dacapo::failure",
            workflow_id = execution.workflow_id.as_str(),
            run_id = %execution.key,
            workflow_type = execution.workflow_type.as_str(),
            reason,
            withheld = (withheld > 0).then_some(withheld),
            trace_id = trace.map(id),
            "run {}",
            closing.status.as_str().replace('_', " ")
        );
    }
}

/// An attempt that has ended so, if that is a failure.
pub(crate) fn attempt_failed(run: &OpenRun, activity: &PendingActivity, input: Option<&Input>) {
    if !failures_are_read() {
        return;
    }
    let reason = match input {
        Some(Input::ActivityReturned { outcome: Err(failure), .. }) => words(failure),
        Some(Input::ActivityTimedOut { timeout_type, .. }) => timeout_type.type_name().to_owned(),
        _ => return,
    };
    if let Some(withheld) = ATTEMPT_FAILURES.allows() {
        tracing::info!(
            target: "dacapo::failure",
            workflow_id = run.workflow_id.as_str(),
            run_id = %run.key,
            activity = activity.activity_type.as_str(),
            attempt = activity.attempt_number(),
            reason,
            withheld = (withheld > 0).then_some(withheld),
            trace_id = run.trace().map(id),
            "activity failed"
        );
    }
}

/// Of the trace, as lines have it.
fn id(trace: &TraceContext) -> DisplayValue<TraceId> {
    tracing::field::display(trace.trace_id)
}

fn failures_are_read() -> bool {
    tracing::enabled!(target: "dacapo::failure", Level::INFO)
}

/// Why a run ended that went wrong; none if it did not.
fn reason(closing: &EventAttributes) -> Option<String> {
    match closing {
        EventAttributes::WorkflowExecutionFailed { failure, .. } => Some(words(failure)),
        EventAttributes::WorkflowExecutionTimedOut(_) => Some("its time is over".to_owned()),
        _ => None,
    }
}

/// A failure and its causes, with what each says.
fn words(failure: &Failure) -> String {
    let chain = std::iter::once(&failure.info).chain(&failure.causes);
    let links = chain.map(|info| format!("{}: {}", info.type_name, info.message));
    let mut words = links.collect::<Vec<_>>().join(", because of ");
    cut(&mut words, REASON_BYTES_MAX);
    words
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
            trace_id = run.trace().map(id),
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
            trace_id = self.run.trace().map(id),
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
