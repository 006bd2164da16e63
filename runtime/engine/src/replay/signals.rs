//! Signals between their arrival and the guest that takes them. Each step costs
//! the same, however many there are.

use std::collections::{BTreeMap, VecDeque};

use dacapo_model::event::EventAttributes;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, SignalName};
use dacapo_model::payload::Payload;

use super::operation::cancelled;
use super::{Answer, CallError, Cancel, Cursor, Waiting};

/// All signals that were delivered to the cursor.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// In order of arrival.
    all: Vec<Arrived>,
    /// By name, those that a wait for it may take; may hold some that `next` has
    /// taken since.
    by_name: BTreeMap<SignalName, VecDeque<usize>>,
    /// Which the guest took, in the order in which it did.
    taken: Vec<usize>,
}

#[derive(Debug)]
struct Arrived {
    event_id: EventId,
    /// None once the guest took it.
    message: Option<Box<(SignalName, Payload)>>,
    /// Taken, but not acted on.
    given_back: bool,
}

impl Signals {
    /// Keeps a signal; returns its place.
    pub(super) fn arrived(&mut self, event_id: EventId, name: SignalName, input: Payload) -> usize {
        let at = self.all.len();
        self.by_name.entry(name.clone()).or_default().push_back(at);
        let message = Some(Box::new((name, input)));
        self.all.push(Arrived { event_id, message, given_back: false });
        at
    }

    /// Takes the signal at a place, unless it was taken before.
    pub(super) fn take(&mut self, at: usize) -> Option<(SignalName, Payload)> {
        let message = self.all.get_mut(at)?.message.take()?;
        self.taken.push(at);
        Some(*message)
    }

    /// Whether [`Self::take`] finds the signal at a place.
    pub(super) fn is_untaken(&self, at: usize) -> bool {
        self.all.get(at).is_some_and(|signal| signal.message.is_some())
    }

    /// Takes the first signal of a name that was not taken before.
    fn take_named(&mut self, name: &SignalName) -> Option<Payload> {
        loop {
            let at = self.by_name.get_mut(name)?.pop_front()?;
            if let Some((_, input)) = self.take(at) {
                return Some(input);
            }
        }
    }
}

impl Cursor {
    /// Returns the next signal of a name that the guest has not taken. Others are kept.
    /// A request to cancel ends the wait.
    pub fn receive_signal(
        &mut self,
        name: &SignalName,
    ) -> Result<Answer<Result<Payload, Failure>>, CallError> {
        loop {
            if let Some(input) = self.signals.take_named(name) {
                return Ok(Answer::Ready(Ok(input)));
            }
            if matches!(self.cancel, Cancel::Requested { .. }) {
                self.cancel = Cancel::Delivered;
                return Ok(Answer::Ready(Err(cancelled())));
            }
            if self.deliver_next(Waiting::Signal(name.clone()))? == Answer::Blocked {
                return Ok(Answer::Blocked);
            }
        }
    }

    /// Takes back a signal that the guest took and did not act on, the n-th of those it
    /// took. If the run continues as new, the new run gets it.
    pub fn return_signal(&mut self, number: u32) -> Result<(), CallError> {
        self.check_undisturbed(|| format!("gave signal {number} back"))?;
        let unknown = CallError::UnknownSignal { number };
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let at = index.and_then(|index| self.signals.taken.get(index)).ok_or(unknown)?;
        self.signals.all[*at].given_back = true;
        Ok(())
    }

    /// How many signals of each name were delivered, and not taken by the guest.
    pub fn untaken_signals(&self) -> BTreeMap<SignalName, u64> {
        let mut untaken = BTreeMap::new();
        for (name, _) in self.signals.all.iter().filter_map(|signal| signal.message.as_deref()) {
            *untaken.entry(name.clone()).or_default() += 1;
        }
        untaken
    }

    /// The recorded signals that the guest has not acted on, in order.
    pub(super) fn unread_signals(&self) -> Vec<EventId> {
        let arrived = self.signals.all.iter();
        let unread = arrived.filter(|signal| signal.message.is_some() || signal.given_back);
        // What was overtaken comes after all that was delivered.
        let overtaken = self.overtaken.iter().filter(|event| {
            matches!(event.attributes, EventAttributes::WorkflowExecutionSignaled { .. })
        });
        unread.map(|signal| signal.event_id).chain(overtaken.map(|event| event.id)).collect()
    }

    /// Sets aside the signals that were there before the guest ran: in history they stand
    /// before what it asked for until it first waited.
    pub(super) fn overtake_initial_signals(&mut self, count: u64) {
        for _ in 0..count {
            let Some(event) = self.history.pop_front_if(|event| {
                matches!(event.attributes, EventAttributes::WorkflowExecutionSignaled { .. })
            }) else {
                return;
            };
            self.overtaken.push_back(event);
        }
    }
}
