//! Updates on their way to the guest.

use dacapo_engine::decide::Input;
use dacapo_engine::guest::Offered;
use dacapo_engine::state::UpdateStage;
use dacapo_engine::transition::Transition;
use dacapo_model::execution::Blocked;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::UpdateId;

use super::actor::Actor;
use crate::committer::CommitFailure;
use crate::update_watch::UpdateProgress;

impl Actor {
    /// Offers the guest the updates that wait for it, one by one, for as long as it
    /// takes them. Each is decided about, or stays: so this ends.
    pub(super) async fn offer_updates(
        &mut self,
        transition: &mut Transition,
    ) -> Result<(), CommitFailure> {
        while self.state.guest_may_run()
            && let Some(update) = self.state.updates.first_admitted().cloned()
        {
            if self.guest.is_none() {
                self.turn(Vec::new(), transition).await?;
            }
            self.shared.capacity.residency.mark_busy(self.run.key.run_id);
            let Some(guest) = &mut self.guest else {
                return Ok(());
            };
            let at = self.shared.clock.now().max(self.state.last_event_at);
            let update_id = update.id.clone();
            match guest.instance.offer_update(update, at).await {
                Offered::Elsewhere => return Ok(()),
                Offered::Accepted(commands) => self.take_turn(commands, transition).await,
                Offered::Rejected(failure) => self.reject(update_id, failure, transition),
                Offered::Faulted(blocked) => self.block(blocked, transition),
                // It may have changed what is only in its memory.
                Offered::Broken(blocked) => {
                    self.drop_guest();
                    self.reject(update_id, not_taken(blocked), transition);
                }
            }
        }
        Ok(())
    }

    /// Tells those who wait how far their updates have come: the commit that brought
    /// them there may have seemed to fail.
    pub(super) fn tell_all(&self) {
        let run = &self.run;
        for update_id in run.updates.watched() {
            let progress = match self.state.updates.stage(&update_id) {
                Some(UpdateStage::Accepted) => UpdateProgress::Accepted,
                Some(UpdateStage::Completed(event_id)) => {
                    let mut history = self.history.iter().flatten();
                    let event = history.find(|event| event.id == event_id);
                    match event.and_then(|event| UpdateProgress::of_event(&event.attributes)) {
                        Some(progress) => progress,
                        None => continue,
                    }
                }
                Some(UpdateStage::Admitted | UpdateStage::Before(_)) | None => continue,
            };
            run.updates.publish(run.key.run_id, &update_id, progress);
        }
    }

    fn reject(&mut self, update_id: UpdateId, failure: Failure, transition: &mut Transition) {
        let now = self.shared.clock.now();
        let input = Input::UpdateRejected { update_id, failure };
        let decided = self.decide(input, now);
        transition.extend(decided.expect("an open run has what was offered"));
    }
}

/// The code can't be asked, or does not behave. The update is refused; the run is as
/// it was.
fn not_taken(blocked: Blocked) -> Failure {
    let message = format!("the workflow did not decide about the update: {}", blocked.message);
    Failure::new(FailureKind::Application, "UpdateNotTaken", message).non_retryable()
}
