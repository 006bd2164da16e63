//! What an actor does with messages while the store fails: who asks is told, and what
//! has happened waits.

use dacapo_engine::decide::Input;
use tokio::sync::{mpsc, oneshot};

use super::actor::Actor;
use super::message::{Envelope, InputAnswer, Message};
use super::settle::Asked;
use crate::health::takes_no_writes;

/// Messages that wait for the store, in order. Nobody waits for their answers, but
/// attempts of this node; so there are no more than the run has operations.
#[derive(Default)]
pub(super) struct Postponed(Vec<Message>);

impl Postponed {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.0)
    }

    /// Refuses an input that somebody waits for, and keeps any other.
    pub(super) fn input(&mut self, input: Input, answer: Option<oneshot::Sender<InputAnswer>>) {
        match answer {
            Some(answer) if !is_own(&input) => {
                let _ = answer.send(Err(takes_no_writes()));
            }
            answer => self.0.push(Message::Input { input, answer }),
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
            Message::AttemptLeft { .. } => self.0.push(message),
            Message::Join { answer, .. } => drop(answer.send(Err(takes_no_writes()))),
            Message::Reset { answer, .. } => drop(answer.send(Err(takes_no_writes()))),
            Message::Describe { answer } => drop(answer.send(Err(takes_no_writes()))),
            Message::Heartbeat { answer, .. } => drop(answer.send(Err(takes_no_writes()))),
            Message::Query { answer, .. } => drop(answer.send(Err(takes_no_writes()))),
            Message::Trace { answer } => drop(answer.send(Err(takes_no_writes()))),
            Message::Move { answer, .. } => drop(answer.send(Err(takes_no_writes()))),
            // Who asks looks into the store next.
            Message::UpdateStage { .. } | Message::Evict => {}
        }
    }
}

/// Whether an attempt of this node waits for it, which can't ask again.
fn is_own(input: &Input) -> bool {
    matches!(input, Input::ActivityOpened { .. })
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
