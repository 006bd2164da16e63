//! Heartbeats of attempts that are completed from outside.

use dacapo_engine::decide::{ActivityTarget, Input, Refusal, find_activity};
use dacapo_engine::guest::AttemptSignals;
use dacapo_model::ids::EventId;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use tokio::time::Instant;

use super::actor::{Actor, Stop};
use super::message::HeartbeatAnswer;
use crate::activities::Throttle;

/// The heartbeats of an attempt outside.
pub(super) struct Heartbeats {
    attempt: u32,
    throttle: Throttle,
    unsaved: Option<Heartbeat>,
}

struct Heartbeat {
    details: Option<Payload>,
    heard_at: Timestamp,
}

impl Actor {
    /// Stores a heartbeat, unless one was stored a moment ago: then it waits for the next.
    pub(super) async fn heartbeat(
        &mut self,
        activity: &ActivityTarget,
        details: Option<Payload>,
    ) -> Result<HeartbeatAnswer, Stop> {
        let (event_id, attempt) = match find_activity(&self.state, activity) {
            Ok(found) => found,
            Err(refusal) => return Ok(Ok(Err(refusal))),
        };
        let Some(pending) = self.state.activities.get(&event_id) else {
            return Ok(Ok(Err(Refusal::NoSuchActivity)));
        };
        if pending.is_queued() {
            // Its worker has a lease, which the token of the task prolongs.
            return Ok(Ok(Err(Refusal::ActivityNotOpen)));
        }
        let signals =
            AttemptSignals { cancel_requested: pending.cancel.is_some(), paused: pending.paused };
        let throttle = Throttle::of(pending.options.heartbeat_timeout);
        let heard_at = self.shared.clock.now();
        let heartbeats = self.heartbeats.entry(event_id).or_insert(Heartbeats {
            attempt,
            throttle,
            unsaved: None,
        });
        if heartbeats.attempt != attempt {
            *heartbeats = Heartbeats { attempt, throttle, unsaved: None };
        }
        let before = heartbeats.unsaved.take().and_then(|heartbeat| heartbeat.details);
        heartbeats.unsaved = Some(Heartbeat { details: details.or(before), heard_at });
        self.save_heartbeats().await?;
        Ok(Ok(Ok(signals)))
    }

    /// When the next of them is to be stored, or, if all are, may be forgotten.
    pub(super) fn heartbeats_due(&self) -> Option<Instant> {
        self.heartbeats.values().filter_map(|heartbeats| heartbeats.throttle.not_before()).min()
    }

    /// Stores those whose time has come, and forgets the others that have none.
    pub(super) async fn save_heartbeats(&mut self) -> Result<(), Stop> {
        let now = self.shared.clock.instant();
        let mut inputs = Vec::new();
        self.heartbeats.retain(|event_id, heartbeats| {
            if heartbeats.throttle.not_before().is_some_and(|at| now < at) {
                return true;
            }
            let Some(input) = heartbeats.take(*event_id) else {
                return false;
            };
            heartbeats.throttle.saved(now);
            inputs.push((input, None));
            true
        });
        self.settle(inputs, false).await
    }

    /// The last heartbeat that is not stored, if the input may end its attempt. One that
    /// is alive has not run into its timeout, and the next attempt is told the details.
    pub(super) fn heartbeat_before(&mut self, input: &Input) -> Option<Input> {
        if self.heartbeats.is_empty() {
            return None;
        }
        let event_id = match input {
            Input::ActivityReported { activity, .. } => {
                find_activity(&self.state, activity).ok()?.0
            }
            Input::TimerDue { event_id } => *event_id,
            _ => return None,
        };
        self.heartbeats.remove(&event_id)?.take(event_id)
    }
}

impl Heartbeats {
    fn take(&mut self, scheduled_event_id: EventId) -> Option<Input> {
        let Heartbeat { details, heard_at } = self.unsaved.take()?;
        let attempt = self.attempt;
        Some(Input::ActivityHeartbeat { scheduled_event_id, attempt, details, heard_at })
    }
}
