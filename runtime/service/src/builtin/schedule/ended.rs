//! How runs end that a schedule has started.

use dacapo_engine::decide::ChildOutcome;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{RunId, SignalName};
use dacapo_model::payload::Payload;
use dacapo_model::text::cut;
use serde::{Deserialize, Serialize};

use crate::types::{ActionFailure, ActionStatus};

/// Bytes of a result that is given to the next run. It is in the row of that run.
pub(super) const RESULT_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a failure that is remembered. As JSON, it may have six times as many.
const MESSAGE_BYTES_MAX: usize = 1024;
const TYPE_BYTES_MAX: usize = 128;

/// What a schedule is sent when a run ends that a run before it has started. It begins with
/// [`BUILTIN_SIGNALS`](dacapo_model::builtin::BUILTIN_SIGNALS): nobody else can send it.
const CLOSED: &str = "dacapo.closed";

/// How a run has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) status: ActionStatus,
    /// None also if it is too large to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<Payload>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<ActionFailure>,
}

/// The end of a run, by its first run id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Closed {
    pub(super) run_id: RunId,
    #[serde(flatten)]
    pub(super) ended: Ended,
}

/// Tells a schedule how a run has ended that a run before it has started.
pub(crate) fn closed_signal(run_id: RunId, outcome: ChildOutcome) -> (SignalName, Payload) {
    let closed = Closed { run_id, ended: Ended::of_child(outcome) };
    let text = serde_json::to_vec(&closed).expect("it is plain data");
    (SignalName::new(CLOSED).expect("it is a name"), Payload::from(text))
}

/// The reverse of [`closed_signal`]; none if it is another signal.
pub(super) fn closed_of(name: &SignalName, input: &Payload) -> Option<Closed> {
    let is_one = name.as_str() == CLOSED;
    is_one.then(|| serde_json::from_slice(input.as_bytes()).ok()).flatten()
}

impl Ended {
    fn with_result(result: Payload) -> Self {
        let result = Some(result).filter(|result| result.len() <= RESULT_BYTES_MAX);
        Self { status: ActionStatus::Completed, result, failure: None }
    }

    fn with_failure(status: ActionStatus, failure: &Failure) -> Self {
        let mut kept = ActionFailure {
            type_name: failure.info.type_name.clone(),
            message: failure.info.message.clone(),
        };
        cut(&mut kept.type_name, TYPE_BYTES_MAX);
        cut(&mut kept.message, MESSAGE_BYTES_MAX);
        Self { status, result: None, failure: Some(kept) }
    }

    fn without(status: ActionStatus, type_name: &str, message: String) -> Self {
        let failure = Failure::new(FailureKind::Application, type_name, message);
        Self::with_failure(status, &failure)
    }

    fn of_child(outcome: ChildOutcome) -> Self {
        match outcome {
            ChildOutcome::Completed(result) => Self::with_result(result),
            ChildOutcome::Failed(failure) => Self::with_failure(ActionStatus::Failed, &failure),
            ChildOutcome::Canceled(details) => {
                Self::without(ActionStatus::Canceled, "Cancelled", details)
            }
            ChildOutcome::TimedOut => {
                let message = "the run took longer than it may".to_owned();
                Self::without(ActionStatus::TimedOut, "WorkflowTimeout", message)
            }
            ChildOutcome::Terminated(reason) => {
                Self::without(ActionStatus::Terminated, "Terminated", reason)
            }
        }
    }

    /// As the cursor tells it of a child.
    pub(super) fn of_operation(outcome: Result<Payload, Failure>) -> Self {
        match outcome {
            Ok(result) => Self::with_result(result),
            Err(failure) => {
                let own = failure.causes.first().unwrap_or(&failure.info);
                let status = match own.kind {
                    FailureKind::Cancelled => ActionStatus::Canceled,
                    FailureKind::Terminated => ActionStatus::Terminated,
                    FailureKind::Timeout => ActionStatus::TimedOut,
                    _ => ActionStatus::Failed,
                };
                Self::without(status, &own.type_name, own.message.clone())
            }
        }
    }

    /// A run that could not be started.
    pub(super) fn not_started(failure: Failure) -> Self {
        Self { status: ActionStatus::StartFailed, ..Self::of_operation(Err(failure)) }
    }
}
