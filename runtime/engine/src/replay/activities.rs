//! What a guest may ask of an activity that it has started.

use std::time::Duration;

use dacapo_model::command::Command;
use dacapo_model::ids::OperationId;
use dacapo_model::time::whole_micros;

use super::operation::Operation;
use super::{CallError, Cursor};

/// Which operations are activities, and which of them were asked to cancel.
#[derive(Debug, Default)]
pub(super) struct Activities {
    /// By operation id, from 1; false for what is none, or beyond the end.
    started: Vec<bool>,
    /// By operation id likewise.
    asked: Vec<bool>,
}

impl Activities {
    pub(super) fn started(&mut self, operation_id: OperationId) {
        mark(&mut self.started, operation_id);
    }

    fn is_activity(&self, operation_id: OperationId) -> bool {
        index(operation_id).and_then(|at| self.started.get(at)).is_some_and(|is| *is)
    }

    /// Notes a request. False if there was one before.
    fn ask(&mut self, operation_id: OperationId) -> bool {
        !mark(&mut self.asked, operation_id)
    }
}

fn index(operation_id: OperationId) -> Option<usize> {
    usize::try_from(operation_id.0).ok()?.checked_sub(1)
}

/// Sets a mark, and says whether it was set.
fn mark(marks: &mut Vec<bool>, operation_id: OperationId) -> bool {
    let Some(at) = index(operation_id) else {
        return false;
    };
    if marks.len() <= at {
        marks.resize(at + 1, false);
    }
    std::mem::replace(&mut marks[at], true)
}

impl Cursor {
    /// Asks an activity to cancel. Its operation stays open until it has ended. No
    /// effect if it has, or was asked before.
    pub fn request_cancel_activity(
        &mut self,
        operation_id: OperationId,
        grace: Duration,
    ) -> Result<(), CallError> {
        // As for `cancel`: what this call would overtake may hold the outcome.
        self.overtake();
        let operation =
            self.operation_mut(operation_id).ok_or(CallError::UnknownOperation(operation_id))?;
        let is_open = *operation == Operation::Pending;
        if !self.activities.is_activity(operation_id) {
            return Err(CallError::NotAnActivity(operation_id));
        }
        if is_open && self.activities.ask(operation_id) {
            // As it will be read back.
            let grace = whole_micros(grace);
            self.emit(Command::RequestCancelActivity { operation_id, grace })?;
        }
        Ok(())
    }
}
