//! What a built-in workflow is: a program over a cursor, which keeps nothing but what it
//! was told.

use dacapo_engine::replay::{CallError, Cursor, Delivery};
use dacapo_model::code::ErrorCode;
use dacapo_model::event::WorkflowExecutionStarted;
use dacapo_model::execution::Blocked;
use dacapo_model::failure::{Failure, FailureKind};

/// The code of one run. It does the same whenever it is told the same: no clock, no
/// randomness, and nothing from outside but through the cursor.
pub(super) trait Program: Send {
    /// Goes on until it waits, or has closed its run.
    fn go_on(&mut self, cursor: &mut Cursor) -> Result<(), Fault>;
}

/// Begins with what the run was started with.
pub(super) type Begin =
    fn(&WorkflowExecutionStarted, &mut Cursor) -> Result<Box<dyn Program>, Fault>;

/// Why a program can't go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// What it does does not fit the history, or is too much.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What it was started with says nothing to it.
    #[error("the run was started with what the built-in workflow can't read: {0}")]
    Unreadable(String),
}

impl From<Fault> for Blocked {
    fn from(fault: Fault) -> Self {
        let (code, nondeterminism) = match &fault {
            Fault::Call(CallError::Nondeterminism(report)) => {
                (ErrorCode::Nondeterminism, Some(report.clone()))
            }
            Fault::Call(_) | Fault::Unreadable(_) => (ErrorCode::Internal, None),
        };
        let message = fault.to_string();
        let code = code.as_str().to_owned();
        Self { code, message, backtrace: None, nondeterminism }.bounded()
    }
}

/// Answers what a program has no answer to.
pub(super) fn decline(cursor: &mut Cursor, delivery: Delivery) -> Result<(), CallError> {
    match delivery {
        Delivery::Query { id, name, .. } => {
            let message = format!("a built-in workflow answers no query `{name}`: describe it");
            cursor.respond_query(&id, Err(refusal("UnknownQuery", message)))
        }
        Delivery::Update(update) => {
            let message = format!("a built-in workflow takes no update `{}`", update.name);
            cursor.reject_update(&update.id, refusal("UnknownUpdate", message))
        }
        // They are kept in the history, and mean nothing.
        Delivery::Signal { .. } | Delivery::Completed { .. } | Delivery::CancelRequested { .. } => {
            Ok(())
        }
    }
}

/// What an activity failed with, without what a workflow is told around it.
pub(super) fn own(mut failure: Failure) -> Failure {
    if failure.info.kind != FailureKind::Activity || failure.causes.is_empty() {
        return failure;
    }
    failure.info = failure.causes.remove(0);
    failure
}

fn refusal(type_name: &str, message: String) -> Failure {
    Failure::new(FailureKind::Application, type_name, message).non_retryable()
}
