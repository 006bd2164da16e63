//! What an actor does with messages while the store fails: who asks is told, and what
//! has happened waits.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use dacapo_engine::decide::Input;
use dacapo_model::ids::EventId;
use tokio::sync::{mpsc, oneshot};

use super::actor::Actor;
use super::message::{Envelope, InputAnswer, Message};
use super::settle::Asked;
use crate::health::takes_no_writes;

/// Messages that wait for the store, in order. Nobody waits for their answers, but
/// attempts of this node. There are no more than a few for each operation of the run:
/// what tells nothing new takes the place of what was there.
#[derive(Default)]
pub(super) struct Postponed {
    messages: Vec<Message>,
    /// Where those are of which there is one.
    places: HashMap<About, usize>,
}

/// What a message is about of which there need not be two.
#[derive(PartialEq, Eq, Hash)]
enum About {
    /// The row of this event is due.
    Due(EventId),
    /// An attempt of this activity is alive.
    Heartbeat(EventId, u32),
    /// It has come to its end.
    End(EventId, u32),
    /// It was left for somebody else to end.
    Left(EventId, u32),
}

impl Postponed {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn take(&mut self) -> Vec<Message> {
        std::mem::take(self).messages
    }

    /// Refuses an input that somebody waits for, and keeps any other.
    pub(super) fn input(&mut self, input: Input, answer: Option<oneshot::Sender<InputAnswer>>) {
        match answer {
            Some(answer) if !is_own(&input) => {
                let _ = answer.send(Err(takes_no_writes()));
            }
            answer => self.keep(Message::Input { input, answer }),
        }
    }

    fn keep(&mut self, message: Message) {
        // Nobody sends others without waiting for the answer.
        let Some(about) = about(&message) else {
            self.messages.push(message);
            return;
        };
        match self.places.entry(about) {
            Entry::Occupied(place) => {
                if let Some(before) = self.messages.get_mut(*place.get()) {
                    renew(before, message);
                }
            }
            Entry::Vacant(place) => {
                place.insert(self.messages.len());
                self.messages.push(message);
            }
        }
    }

    /// The same for all that has come to the mailbox.
    pub(super) fn mailbox(&mut self, mailbox: &mut mpsc::Receiver<Envelope>) {
        while let Ok(envelope) = mailbox.try_recv() {
            self.message(envelope.message);
        }
    }

    /// The same for any message.
    pub(super) fn message(&mut self, message: Message) {
        match message {
            Message::Input { input, answer } => self.input(input, answer),
            Message::AttemptLeft { .. } => self.keep(message),
            Message::Join { answer, .. } => drop(answer.send(Err(takes_no_writes()))),
            Message::Reset { answer, .. } => drop(answer.send(Err(takes_no_writes()))),
            Message::Describe { answer } => drop(answer.send(Err(takes_no_writes()))),
            Message::Heartbeat { answer, .. } => drop(answer.send(Err(takes_no_writes()))),
            Message::Query { answer, .. } => drop(answer.send(Err(takes_no_writes()))),
            Message::Trace { answer } => drop(answer.send(Err(takes_no_writes()))),
            Message::Move { answer, .. } => drop(answer.send(Err(takes_no_writes()))),
            // Who asks looks into the store next.
            Message::UpdateStage { .. } | Message::Evict | Message::Reread => {}
        }
    }
}

/// None for what is kept as often as it comes.
fn about(message: &Message) -> Option<About> {
    Some(match message {
        Message::AttemptLeft { scheduled_event_id, attempt } => {
            About::Left(*scheduled_event_id, *attempt)
        }
        Message::Input { input, .. } => match input {
            Input::RunTimerDue { .. } => About::Due(EventId::FIRST),
            Input::TimerDue { event_id } => About::Due(*event_id),
            Input::ActivityHeartbeat { scheduled_event_id, attempt, .. } => {
                About::Heartbeat(*scheduled_event_id, *attempt)
            }
            Input::ActivityReturned { scheduled_event_id, attempt, .. }
            | Input::ActivityTimedOut { scheduled_event_id, attempt, .. }
            | Input::ActivityStopped { scheduled_event_id, attempt, .. } => {
                About::End(*scheduled_event_id, *attempt)
            }
            _ => return None,
        },
        _ => return None,
    })
}

/// A later heartbeat says all that is to be known; of all else the first counts.
fn renew(before: &mut Message, later: Message) {
    if let Message::Input { input: Input::ActivityHeartbeat { details, heard_at, .. }, .. } = before
        && let Message::Input {
            input: Input::ActivityHeartbeat { details: new, heard_at: at, .. },
            ..
        } = later
    {
        if new.is_some() {
            *details = new;
        }
        *heard_at = at;
    }
}

/// Whether an attempt of this node waits for it, which can't ask again.
fn is_own(input: &Input) -> bool {
    matches!(input, Input::ActivityMovedOutside { .. })
}

impl Actor {
    /// Leaves for later what the store takes no commit for now.
    pub(super) fn postpone(&mut self, inputs: Vec<Asked>, activate: bool) {
        self.needs_activation |= activate;
        for (input, answer) in inputs {
            self.postponed.input(input, answer);
        }
    }

    /// Whether it waits for the store to take commits.
    pub(super) fn waits_for_store(&self) -> bool {
        self.needs_activation || !self.postponed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use dacapo_model::event::TimeoutType;
    use dacapo_model::ids::RunId;
    use dacapo_model::payload::Payload;
    use dacapo_model::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn heartbeat(attempt: u32, details: Option<&'static str>, at: i64) -> Input {
        Input::ActivityHeartbeat {
            scheduled_event_id: EventId(7),
            attempt,
            details: details.map(Payload::new),
            heard_at: Timestamp::from_micros(at),
        }
    }

    fn timed_out(attempt: u32) -> Input {
        let timeout_type = TimeoutType::Heartbeat;
        Input::ActivityTimedOut { scheduled_event_id: EventId(7), attempt, timeout_type }
    }

    fn inputs(postponed: &mut Postponed) -> Vec<Input> {
        let input = |message| match message {
            Message::Input { input, .. } => Some(input),
            _ => None,
        };
        postponed.take().into_iter().filter_map(input).collect()
    }

    #[test]
    fn what_tells_nothing_new_is_kept_once_however_often_it_comes() {
        let mut postponed = Postponed::default();
        let (run_id, event_id) = (RunId(Uuid::nil()), EventId(3));
        for at in 1..1_000 {
            postponed.input(Input::TimerDue { event_id }, None);
            postponed.input(Input::RunTimerDue { run_id }, None);
            postponed.input(heartbeat(1, Some("half"), at), None);
            postponed.input(heartbeat(1, None, at + 1), None);
            postponed.input(heartbeat(2, None, at), None);
            let (scheduled_event_id, attempt) = (EventId(7), 1);
            postponed.message(Message::AttemptLeft { scheduled_event_id, attempt });
        }
        postponed.input(timed_out(2), None);
        assert_eq!(postponed.messages.len(), 6);
        let expected = [
            Input::TimerDue { event_id },
            Input::RunTimerDue { run_id },
            heartbeat(1, Some("half"), 1_000),
            heartbeat(2, None, 999),
            timed_out(2),
        ];
        assert_eq!(inputs(&mut postponed), expected);
        // What was taken is not remembered.
        postponed.input(Input::TimerDue { event_id }, None);
        assert_eq!(inputs(&mut postponed), [Input::TimerDue { event_id }]);
    }
}
