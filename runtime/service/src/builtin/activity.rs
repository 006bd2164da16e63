//! One activity that no workflow asked for. The workflow type of the run is the activity's
//! type, its input the activity's input, and its argument the activity's options, as JSON.
//! The run ends as the activity does.

use std::time::Duration;

use dacapo_engine::replay::{Answer, Cursor, Delivery};
use dacapo_model::command::Outcome;
use dacapo_model::event::{ActivityOptions, WorkflowExecutionStarted};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::OperationId;
use dacapo_model::payload::Payload;

use super::program::{Fault, Program, decline, own};

/// How long a worker may take to end once it was told to. Whoever can't wait for it
/// terminates the run. A part of what version 1 does.
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// The run's name for its activity: it asks for nothing else.
pub(crate) const OPERATION: OperationId = OperationId(1);

#[derive(Default)]
struct Activity {
    cancel_requested: bool,
}

/// What the run of an activity with these options has as its argument.
pub(crate) fn argument(options: &ActivityOptions) -> String {
    serde_json::to_string(options).expect("options are plain data")
}

/// The options of the activity that a run was started for.
pub(crate) fn options(started: &WorkflowExecutionStarted) -> Result<ActivityOptions, String> {
    options_of(&started.arguments)
}

/// The same, of the arguments of the run.
pub(super) fn options_of(arguments: &[String]) -> Result<ActivityOptions, String> {
    let [argument] = arguments else {
        return Err(format!("it has {} arguments instead of one", arguments.len()));
    };
    serde_json::from_str(argument).map_err(|error| format!("its argument is no options: {error}"))
}

pub(super) fn begin(
    started: &WorkflowExecutionStarted,
    cursor: &mut Cursor,
) -> Result<Box<dyn Program>, Fault> {
    let options = options(started).map_err(Fault::Unreadable)?;
    if options.task_queue.is_none() {
        // No module stands behind the run that could make attempts.
        return Err(Fault::Unreadable("the activity has no task queue".to_owned()));
    }
    if let Some(reason) = cursor.cancelled_before_it_began() {
        let reason = reason.to_owned();
        cursor.close(Outcome::Cancelled(reason))?;
    } else {
        let (activity_type, input) = (started.workflow_type.clone(), started.input.clone());
        cursor.start_activity(activity_type, input, options)?;
    }
    Ok(Box::<Activity>::default())
}

impl Program for Activity {
    fn go_on(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        while !cursor.is_closed() {
            match cursor.next()? {
                Answer::Blocked => return Ok(()),
                Answer::Ready(Delivery::Completed { outcome, .. }) => {
                    cursor.close(self.end(outcome))?;
                }
                Answer::Ready(Delivery::CancelRequested { .. }) => {
                    self.cancel_requested = true;
                    cursor.request_cancel_activity(OPERATION, GRACE)?;
                }
                Answer::Ready(other) => decline(cursor, other)?,
            }
        }
        Ok(())
    }
}

impl Activity {
    fn end(&self, outcome: Result<Payload, Failure>) -> Outcome {
        let failure = match outcome {
            Ok(result) => return Outcome::Completed(result),
            Err(failure) => own(failure),
        };
        if self.cancel_requested && failure.info.kind == FailureKind::Cancelled {
            return Outcome::Cancelled(failure.info.message);
        }
        Outcome::Failed { failure, unread_signals: Vec::new() }
    }
}
