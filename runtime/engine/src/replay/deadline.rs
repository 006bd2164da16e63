//! Waiting for whatever comes next, but not for longer than until a time.
//!
//! Such a wait has one durable timer, whose end the guest is not told as that of an
//! operation. A program that is woken by something else, and then waits until the same
//! time again, goes on waiting for the same timer: a loop of events costs no timer for
//! each of them.

use dacapo_model::ids::OperationId;
use dacapo_model::limits::TIMER_MAX;
use dacapo_model::time::Timestamp;

use super::operation::Operation;
use super::{Answer, CallError, Cursor, Delivery, Waiting};

/// The timer of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    pub(super) timer: OperationId,
    pub(super) at: Timestamp,
}

impl Cursor {
    /// What was delivered and not taken. Delivers nothing.
    pub fn try_next(&mut self) -> Option<Delivery> {
        if let Some(offered) = self.take_offer() {
            return Some(offered);
        }
        while let Some(arrival) = self.arrivals.pop_front() {
            if let Some(delivery) = self.take_arrival(arrival) {
                return Some(delivery);
            }
        }
        None
    }

    /// Whether [`Self::try_next`] has something.
    pub fn has_next(&mut self) -> bool {
        if self.is_offered() {
            return true;
        }
        while let Some(arrival) = self.arrivals.front() {
            if self.is_there(*arrival) {
                return true;
            }
            self.arrivals.pop_front();
        }
        false
    }

    /// The next thing that happened to the run, or none once the deadline has passed.
    pub fn next_until(
        &mut self,
        deadline: Timestamp,
    ) -> Result<Answer<Option<Delivery>>, CallError> {
        match self.wait_until(Some(deadline))? {
            Answer::Ready(()) => Ok(Answer::Ready(self.try_next())),
            Answer::Blocked => Ok(Answer::Blocked),
        }
    }

    /// Waits until [`Self::try_next`] has something, or the deadline has passed.
    pub fn wait_until(&mut self, deadline: Option<Timestamp>) -> Result<Answer<()>, CallError> {
        // No timer runs for longer.
        let deadline = deadline.filter(|deadline| *deadline < self.now.after(TIMER_MAX));
        loop {
            if self.has_next() {
                self.waiting = None;
                return Ok(Answer::Ready(()));
            }
            // Nothing may be recorded now, and the clock may show a time that is not.
            if self.is_off_the_record() {
                self.check_same_deadline(deadline)?;
                self.settle_live()?;
            } else if deadline.is_some_and(|deadline| deadline <= self.now) {
                return Ok(Answer::Ready(()));
            } else {
                self.settle_live()?;
                self.set_deadline(deadline)?;
            }
            let waiting = match self.deadline {
                Some(held) if deadline.is_some() => Waiting::NextUntil(held.timer),
                _ => Waiting::Next,
            };
            if self.deliver_next(waiting)? == Answer::Blocked {
                return Ok(Answer::Blocked);
            }
        }
    }

    /// Takes note that a timer has fired. False if it is not that of a wait.
    pub(super) fn passes_deadline(&mut self, timer: OperationId) -> bool {
        let Some(held) = self.deadline.take_if(|held| held.timer == timer) else {
            return false;
        };
        if let Some(operation) = self.operation_mut(timer) {
            *operation = Operation::Over;
        }
        // It has passed, whatever the clock of the node that recorded it said.
        self.now = self.now.max(held.at);
        true
    }

    /// Makes the timer that there is the one that is wanted.
    fn set_deadline(&mut self, wanted: Option<Timestamp>) -> Result<(), CallError> {
        if self.deadline.map(|held| held.at) == wanted {
            return Ok(());
        }
        if let Some(held) = self.deadline.take() {
            self.cancel(held.timer)?;
        }
        if let Some(at) = wanted {
            let timer = self.start_timer(at)?;
            self.deadline = Some(Deadline { timer, at });
        }
        Ok(())
    }

    fn check_same_deadline(&self, wanted: Option<Timestamp>) -> Result<(), CallError> {
        if self.deadline.map(|held| held.at) == wanted {
            return Ok(());
        }
        self.check_undisturbed(|| "waited until another time".to_owned())
    }
}
