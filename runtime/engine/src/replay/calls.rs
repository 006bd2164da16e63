//! The calls a guest makes, one method each.

use dacapo_model::command::{Command, Outcome};
use dacapo_model::event::{ActivityOptions, WorkflowExecutionStarted};
use dacapo_model::failure::Failure;
use dacapo_model::ids::{OperationId, TypeName};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;

use super::live::Live;
use super::operation::{Operation, cancelled};
use super::relations::GivingUp;
use super::report::mismatch;
use super::{Answer, Arrival, CallError, Cancel, Cursor, Delivery, Waiting};

impl Cursor {
    /// What the run was started with. The first thing a host asks for.
    pub fn start(&mut self) -> Result<Answer<&WorkflowExecutionStarted>, CallError> {
        if self.started.is_none() && self.deliver_next(Waiting::Start)? == Answer::Blocked {
            return Ok(Answer::Blocked);
        }
        Ok(self.started.as_deref().map_or(Answer::Blocked, Answer::Ready))
    }

    /// Schedules an activity.
    pub fn start_activity(
        &mut self,
        activity_type: TypeName,
        input: Payload,
        options: ActivityOptions,
    ) -> Result<OperationId, CallError> {
        let operation_id = self.new_operation();
        self.activities.started(operation_id);
        // As it will be read back; else the same call would not match itself.
        let options = options.whole_micros();
        self.emit(Command::ScheduleActivity { operation_id, activity_type, input, options })?;
        Ok(operation_id)
    }

    /// Starts a timer.
    pub fn start_timer(&mut self, fire_at: Timestamp) -> Result<OperationId, CallError> {
        let operation_id = self.new_operation();
        self.emit(Command::StartTimer { operation_id, fire_at })?;
        Ok(operation_id)
    }

    /// Gives an operation up. No effect if its outcome is there already. One that
    /// waits for the cancellation of a child goes on until that is there.
    pub fn cancel(&mut self, operation_id: OperationId) -> Result<(), CallError> {
        self.check_undisturbed(|| format!("cancelled operation {operation_id}"))?;
        // Whether the outcome is there is known once what this call would
        // overtake has been overtaken.
        self.overtake();
        if self.operation_mut(operation_id).is_none() {
            return Err(CallError::UnknownOperation(operation_id));
        }
        let giving_up = self.giving_up(operation_id);
        let Some(operation) = self.operation_mut(operation_id) else {
            return Ok(());
        };
        let is_pending = matches!(operation, Operation::Pending);
        let recorded = match giving_up {
            GivingUp::Recorded => {
                *operation = Operation::Over;
                is_pending
            }
            GivingUp::Unrecorded => {
                *operation = Operation::Over;
                false
            }
            GivingUp::GoesOn => is_pending,
            GivingUp::GoesOnAlready => false,
        };
        if recorded {
            self.emit(Command::CancelOperation { operation_id })?;
        }
        Ok(())
    }

    /// The next thing that happened to the run.
    #[expect(
        clippy::should_implement_trait,
        reason = "the guest's call has this name, and a cursor is no iterator"
    )]
    pub fn next(&mut self) -> Result<Answer<Delivery>, CallError> {
        if let Some(offered) = self.take_offer() {
            self.waiting = None;
            return Ok(Answer::Ready(offered));
        }
        self.settle_live()?;
        loop {
            if let Some(delivery) = self.try_next() {
                return Ok(Answer::Ready(delivery));
            }
            if self.deliver_next(Waiting::Next)? == Answer::Blocked {
                return Ok(Answer::Blocked);
            }
        }
    }

    /// The outcome of one operation. A request to cancel gives it up.
    pub fn wait(
        &mut self,
        operation_id: OperationId,
    ) -> Result<Answer<Result<Payload, Failure>>, CallError> {
        loop {
            match self.operation_mut(operation_id) {
                None | Some(Operation::Over) => {
                    return Err(CallError::UnknownOperation(operation_id));
                }
                Some(Operation::Ready(_)) => {
                    if let Some(outcome) = self.take_outcome(operation_id) {
                        return Ok(Answer::Ready(outcome));
                    }
                }
                Some(Operation::Pending | Operation::Ended) => {
                    if matches!(self.cancel, Cancel::Requested { .. }) {
                        self.cancel = Cancel::Delivered;
                        self.cancel(operation_id)?;
                        if matches!(self.operation_mut(operation_id), Some(Operation::Over)) {
                            return Ok(Answer::Ready(Err(cancelled())));
                        }
                        continue;
                    }
                    if self.deliver_next(Waiting::Operation(operation_id))? == Answer::Blocked {
                        return Ok(Answer::Blocked);
                    }
                }
            }
        }
    }

    /// Waits for a timer that code without an SDK sleeps on. A request to cancel
    /// does not disturb it: `std::thread::sleep` can't fail.
    pub fn wait_undisturbed(&mut self, operation_id: OperationId) -> Result<Answer<()>, CallError> {
        loop {
            match self.operation_mut(operation_id) {
                None | Some(Operation::Over) => {
                    return Err(CallError::UnknownOperation(operation_id));
                }
                Some(Operation::Ready(_)) => {
                    self.take_outcome(operation_id);
                    return Ok(Answer::Ready(()));
                }
                Some(Operation::Pending | Operation::Ended) => {
                    if self.deliver_next(Waiting::Sleep(operation_id))? == Answer::Blocked {
                        return Ok(Answer::Blocked);
                    }
                }
            }
        }
    }

    /// The workflow function returned.
    pub fn close(&mut self, outcome: Outcome) -> Result<(), CallError> {
        self.waiting = None;
        let outcome = match outcome {
            Outcome::Failed { failure, .. } => {
                self.overtake();
                let unread_signals = self.unread_signals();
                Outcome::Failed { failure: failure.bounded(), unread_signals }
            }
            Outcome::ContinueAsNew { workflow_type, input, options, .. } => {
                // What is overtaken now belongs to the signals, too.
                self.overtake();
                let unread_signals = self.unread_signals();
                Outcome::ContinueAsNew { workflow_type, input, options, unread_signals }
            }
            other => other,
        };
        self.emit(Command::Close(outcome))?;
        self.closed = true;
        match self.unreached() {
            Some(event) => Err(mismatch(event, "ended the run".to_owned())),
            None => Ok(()),
        }
    }

    /// True once the workflow function has returned.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn new_operation(&mut self) -> OperationId {
        self.operations.push(Operation::Pending);
        // Pending operations are limited far below this; the guest's fuel ends
        // long before it has made four billion calls.
        OperationId(u32::try_from(self.operations.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn operation_mut(&mut self, operation_id: OperationId) -> Option<&mut Operation> {
        let index = usize::try_from(operation_id.0).ok()?.checked_sub(1)?;
        self.operations.get_mut(index)
    }

    /// Whether [`Self::take_arrival`] finds what has arrived.
    pub(super) fn is_there(&mut self, arrival: Arrival) -> bool {
        match arrival {
            Arrival::Outcome(operation_id) => {
                matches!(self.operation_mut(operation_id), Some(Operation::Ready(_)))
            }
            Arrival::Signal(at) => self.signals.is_untaken(at),
            Arrival::Update => matches!(self.live, Live::Undecided { .. }),
            Arrival::CancelRequest => matches!(self.cancel, Cancel::Requested { .. }),
        }
    }

    pub(super) fn take_arrival(&mut self, arrival: Arrival) -> Option<Delivery> {
        match arrival {
            Arrival::Outcome(operation_id) => {
                let outcome = self.take_outcome(operation_id)?;
                Some(Delivery::Completed { operation_id, outcome })
            }
            Arrival::Signal(at) => {
                let (name, input) = self.signals.take(at)?;
                Some(Delivery::Signal { name, input })
            }
            Arrival::Update => match &self.live {
                Live::Undecided { update, .. } => Some(Delivery::Update(update.clone())),
                _ => None,
            },
            Arrival::CancelRequest => {
                let Cancel::Requested { reason } = &mut self.cancel else {
                    return None;
                };
                let reason = std::mem::take(reason);
                self.cancel = Cancel::Delivered;
                Some(Delivery::CancelRequested { reason })
            }
        }
    }

    fn take_outcome(&mut self, operation_id: OperationId) -> Option<Result<Payload, Failure>> {
        let operation = self.operation_mut(operation_id)?;
        if !matches!(operation, Operation::Ready(_)) {
            return None;
        }
        let taken = std::mem::replace(operation, Operation::Over);
        self.forget_relation(operation_id);
        match taken {
            Operation::Ready(outcome) => Some(*outcome),
            Operation::Pending | Operation::Ended | Operation::Over => None,
        }
    }
}
