//! What an actor does with what it is told.

use super::actor::{Actor, Stop};
use super::message::Message;
use super::settle::Asked;
use crate::error::ServiceError;

impl Actor {
    /// Inputs that follow each other share a transition; all else stands alone, and
    /// finds the run as those before it left it.
    pub(super) async fn handle(&mut self, batch: Vec<Message>) -> Result<(), Stop> {
        if self.shared.hold.health.is_given_up() {
            return self.handle_meanwhile(batch).await;
        }
        self.in_turn = self.postponed.take().into_iter().chain(batch).collect();
        let mut inputs = Vec::new();
        let mut settled = !self.needs_activation;
        while let Some(message) = self.in_turn.pop_front() {
            let Some(message) = self.unless_faulted(message).await? else {
                continue;
            };
            match message {
                Message::Input { input, answer } => {
                    inputs.extend(self.with_heartbeat((input, answer)));
                    settled = false;
                }
                other if !settled => {
                    // Who waits for it may have to be told before this returns.
                    self.in_turn.push_front(other);
                    self.settle(std::mem::take(&mut inputs), false).await?;
                    settled = true;
                }
                other => self.attend(other).await?,
            }
        }
        self.settle(inputs, false).await
    }

    /// Nothing can be recorded: inputs wait, together with those that came before, and
    /// all else finds the run as it is.
    async fn handle_meanwhile(&mut self, batch: Vec<Message>) -> Result<(), Stop> {
        self.in_turn = batch.into();
        while let Some(message) = self.in_turn.pop_front() {
            match self.unless_faulted(message).await? {
                Some(Message::Input { input, answer }) => {
                    let inputs = self.with_heartbeat((input, answer));
                    self.postpone(inputs.collect(), false);
                }
                Some(other) => self.attend(other).await?,
                None => {}
            }
        }
        Ok(())
    }

    /// An input, after what an attempt has said that it may be about.
    fn with_heartbeat(&mut self, input: Asked) -> impl Iterator<Item = Asked> + use<> {
        let beat = self.heartbeat_before(&input.0);
        beat.map(|beat| (beat, None)).into_iter().chain([input])
    }

    /// All but inputs.
    async fn attend(&mut self, message: Message) -> Result<(), Stop> {
        // What came before it in the batch may have closed the run.
        if self.closing.is_some() {
            self.leave(message);
            return Ok(());
        }
        match message {
            // They are settled together, by who calls this.
            Message::Input { .. } => {}
            Message::Join { request_id, policy, replacement, chosen, answer } => {
                let joined = self.join(request_id, policy, *replacement).await;
                drop(chosen);
                let (result, answered) = match joined {
                    Ok(answered) => (Ok(()), Ok(answered)),
                    Err(stop) => (Err(stop), Err(ServiceError::stopping())),
                };
                let _ = answer.send(answered);
                result?;
            }
            Message::Reset { reset, base, chosen, answer } => {
                let reset = self.reset(*reset, base).await;
                drop(chosen);
                let (result, answered) = match reset {
                    Ok(answered) => (Ok(()), answered),
                    Err(stop) => (Err(stop), Err(ServiceError::stopping())),
                };
                let _ = answer.send(answered);
                result?;
            }
            Message::Describe { answer } => {
                let _ = answer.send(Ok(self.describe()));
            }
            Message::Heartbeat { activity, details, answer } => {
                let _ = answer.send(self.heartbeat(&activity, details).await?);
            }
            Message::AttemptLeft { scheduled_event_id, attempt } => {
                self.attempts.forget_attempt(scheduled_event_id, attempt);
            }
            Message::Query { query, answer } => {
                let _ = answer.send(self.query(query).await);
            }
            Message::UpdateStage { update_id, answer } => {
                let _ = answer.send(self.state.updates.stage(&update_id));
            }
            Message::Trace { answer } => {
                let _ = answer.send(self.trace().await);
            }
            Message::Evict => self.drop_guest(),
            Message::Reread => self.reload().await?,
            Message::Move { module_digest, answer } => {
                let (result, answered) = match self.move_to(module_digest).await {
                    Ok(answered) => (Ok(()), answered),
                    Err(stop) => (Err(stop), Err(ServiceError::stopping())),
                };
                let _ = answer.send(answered);
                result?;
            }
        }
        Ok(())
    }
}
