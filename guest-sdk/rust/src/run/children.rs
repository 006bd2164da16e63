//! Children of the current run.

use std::task::{Context, Poll};

use super::{Child, Run, Slot};
use crate::child::ChildOptions;
use crate::failure::Failure;
use crate::wait::Place;

impl Run {
    /// Starts a child, unless the run was asked to cancel.
    pub(crate) fn start_child(
        &mut self,
        workflow_type: &str,
        input: &[u8],
        options: &ChildOptions,
    ) -> Result<Child, Failure> {
        if let Some(failure) = self.cancellation() {
            return Err(failure);
        }
        let child = self.host.start_child(workflow_type, input, options);
        // It may end before anybody waits for that.
        for operation in [child.started, child.closed] {
            self.open.insert(operation, Slot::Waiting(None));
        }
        Ok(child)
    }

    /// Waits for one of a child's operations. A patient wait asks the child to
    /// cancel when the run was asked to, and goes on.
    pub(crate) fn poll_child(
        &mut self,
        operation: u32,
        patient: bool,
        asked: &mut bool,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Vec<u8>, Failure>> {
        let wait = match self.outcome(operation, place, cx) {
            Ok(outcome) => return Poll::Ready(outcome),
            Err(wait) => wait,
        };
        match self.cancellation() {
            None => {
                self.frames.enclose(&wait);
                Poll::Pending
            }
            Some(failure) if !patient => {
                self.give_up(operation);
                Poll::Ready(Err(failure))
            }
            Some(_) => {
                if !std::mem::replace(asked, true) {
                    self.host.cancel(operation);
                }
                Poll::Pending
            }
        }
    }

    /// Asks a child to cancel, as it was started to take that.
    pub(crate) fn ask_child(&self, operation: u32) {
        if let Some(Slot::Waiting(_)) = self.open.get(&operation) {
            self.host.cancel(operation);
        }
    }

    /// Nobody waits for a child any more.
    pub(crate) fn give_up_child(&mut self, operation: u32) {
        self.give_up(operation);
    }
}
