//! What is delivered to a guest that waits for anything without being in its history:
//! queries, which never will be, and updates, which are once they are accepted.
//!
//! Between such a delivery and the guest's answer nothing may happen that a replay
//! would miss. A guest that breaks this is stopped, and is launched again from history:
//! the run is as if nothing had been delivered.

use dacapo_model::command::Command;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, UpdateId};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::time::Timestamp;
use dacapo_model::update::Update;

use super::report::recorded_update;
use super::{CallError, Cursor, Delivery, Waiting};

/// A delivery that is not recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Offer {
    /// A question.
    Query(Query),
    /// A request to accept or to reject.
    Update {
        /// The request.
        update: Update,
        /// The time that the guest is told; that of the event if it accepts.
        at: Timestamp,
    },
}

/// The guest's answer to an [`Offer`].
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It answered the query.
    Answered(Result<Payload, Failure>),
    /// It took the update on; the first command says so.
    Accepted,
    /// It will not do it.
    Rejected(Failure),
}

/// Where such a delivery stands.
#[derive(Debug, Default)]
pub(super) enum Live {
    /// There is none.
    #[default]
    None,
    /// The guest gets it next. The time before is that of the run.
    Offered { offer: Offer, time_before: Timestamp },
    /// The guest has a query of this id, and perhaps has answered it.
    Asked { id: String, answer: Option<Result<Payload, Failure>> },
    /// The guest has an update, and has not decided.
    Undecided { update: Update, origin: UpdateSource },
    /// The guest has rejected an update, and does not wait yet.
    Rejected { failure: Failure, time_before: Timestamp },
    /// The guest has ended its run, and is asked a query outside of `next`.
    AfterEnd,
    /// It is over.
    Over(Reply),
}

/// Where an update that the guest has comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum UpdateSource {
    /// It is offered.
    Offer { time_before: Timestamp },
    /// History says here that the guest accepted it.
    History(EventId),
}

impl Cursor {
    /// Delivers an offer next. False if the guest waits for something else than whatever
    /// comes: then it can't take an offer.
    pub fn offer(&mut self, offer: Offer) -> bool {
        if !self.waiting.as_ref().is_some_and(Waiting::is_for_anything) {
            return false;
        }
        // The clock shows it as soon as the guest runs, as it does on replay.
        let time_before = self.now;
        if let Offer::Update { at, .. } = offer {
            self.now = at;
        }
        self.live = Live::Offered { offer, time_before };
        true
    }

    /// Whether the guest has been woken for an offer, and has not taken it.
    pub(super) fn is_offered(&self) -> bool {
        matches!(self.live, Live::Offered { .. })
    }

    /// Begins a query of a guest that has ended its run. From now on the guest may do
    /// nothing that a run may do.
    pub fn ask_after_end(&mut self) {
        self.live = Live::AfterEnd;
    }

    /// Takes the guest's answer to the offer, once it waits again or has ended. None if
    /// there was no offer, or it has no answer.
    pub fn take_reply(&mut self) -> Option<Reply> {
        match std::mem::take(&mut self.live) {
            Live::Over(reply) => Some(reply),
            _ => None,
        }
    }

    /// Whether the guest has something that is not recorded. What it uses up meanwhile,
    /// such as random numbers, must be restored.
    pub fn is_off_the_record(&self) -> bool {
        matches!(
            self.live,
            Live::Offered { .. }
                | Live::Asked { .. }
                | Live::Undecided { origin: UpdateSource::Offer { .. }, .. }
                | Live::Rejected { .. }
        )
    }

    /// Takes the guest's answer to a query.
    pub fn respond_query(
        &mut self,
        query_id: &str,
        response: Result<Payload, Failure>,
    ) -> Result<(), CallError> {
        match &mut self.live {
            Live::Asked { id, answer } if id == query_id && answer.is_none() => {
                *answer = Some(response.map_err(Failure::bounded));
                Ok(())
            }
            _ => Err(CallError::UnknownQuery { id: query_id.to_owned() }),
        }
    }

    /// Accepts the update that the guest has.
    pub fn accept_update(&mut self, update_id: &UpdateId) -> Result<(), CallError> {
        match std::mem::take(&mut self.live) {
            Live::Undecided { update, origin } if update.id == *update_id => {
                self.accepted.insert(update.id.clone());
                if let UpdateSource::Offer { .. } = origin {
                    self.live = Live::Over(Reply::Accepted);
                    let offered_at = self.now;
                    self.add_command(Command::AcceptUpdate { update, offered_at })?;
                }
                Ok(())
            }
            live => {
                self.live = live;
                Err(CallError::UnknownUpdate(update_id.clone()))
            }
        }
    }

    /// Rejects the update that the guest has.
    pub fn reject_update(
        &mut self,
        update_id: &UpdateId,
        failure: Failure,
    ) -> Result<(), CallError> {
        match std::mem::take(&mut self.live) {
            Live::Undecided { update, origin: UpdateSource::Offer { time_before } }
                if update.id == *update_id =>
            {
                self.live = Live::Rejected { failure: failure.bounded(), time_before };
                Ok(())
            }
            Live::Undecided { update, origin: UpdateSource::History(event_id) }
                if update.id == *update_id =>
            {
                Err(recorded_update(event_id, &update, "rejected it".to_owned()))
            }
            live => {
                self.live = live;
                Err(CallError::UnknownUpdate(update_id.clone()))
            }
        }
    }

    /// Takes the guest's answer to an update that it accepted.
    pub fn complete_update(
        &mut self,
        update_id: &UpdateId,
        outcome: Result<Payload, Failure>,
    ) -> Result<(), CallError> {
        if !self.accepted.remove(update_id) {
            return Err(CallError::UnknownUpdate(update_id.clone()));
        }
        let outcome = outcome.map_err(Failure::bounded);
        self.emit(Command::CompleteUpdate { update_id: update_id.clone(), outcome })
    }

    /// Fails if the guest has to answer or to wait before it does something else.
    pub(super) fn check_undisturbed(
        &self,
        attempted: impl FnOnce() -> String,
    ) -> Result<(), CallError> {
        match &self.live {
            Live::None | Live::Over(_) => Ok(()),
            Live::Offered { offer: Offer::Query(_), .. } | Live::Asked { .. } | Live::AfterEnd => {
                Err(CallError::DuringQuery { attempted: attempted() })
            }
            Live::Undecided { update, origin: UpdateSource::History(event_id) } => {
                Err(recorded_update(*event_id, update, attempted()))
            }
            Live::Offered { offer: Offer::Update { update, .. }, .. }
            | Live::Undecided { update, origin: UpdateSource::Offer { .. } } => {
                let update_id = update.id.clone();
                Err(CallError::BeforeDecision { update_id, attempted: attempted() })
            }
            Live::Rejected { .. } => Err(CallError::AfterRejection { attempted: attempted() }),
        }
    }

    /// Ends what the guest has, as it waits for anything. It must have answered.
    pub(super) fn settle_live(&mut self) -> Result<(), CallError> {
        let waits = || format!("waited for {}", Waiting::Next);
        match std::mem::take(&mut self.live) {
            Live::Asked { answer: Some(answer), .. } => {
                self.live = Live::Over(Reply::Answered(answer));
                Ok(())
            }
            Live::Rejected { failure, time_before } => {
                self.now = time_before;
                self.live = Live::Over(Reply::Rejected(failure));
                Ok(())
            }
            live => {
                self.live = live;
                self.check_undisturbed(waits)
            }
        }
    }

    /// Takes the offer, if there is one.
    pub(super) fn take_offer(&mut self) -> Option<Delivery> {
        let (offer, time_before) = match std::mem::take(&mut self.live) {
            Live::Offered { offer, time_before } => (offer, time_before),
            live => {
                self.live = live;
                return None;
            }
        };
        Some(match offer {
            Offer::Query(Query { name, input }) => {
                self.queries += 1;
                let id = self.queries.to_string();
                self.live = Live::Asked { id: id.clone(), answer: None };
                Delivery::Query { id, name, input }
            }
            Offer::Update { update, at: _ } => {
                let delivery = update.clone();
                self.live = Live::Undecided { update, origin: UpdateSource::Offer { time_before } };
                Delivery::Update(delivery)
            }
        })
    }
}
