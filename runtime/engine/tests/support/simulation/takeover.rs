//! The node dies, or the code changes: all is made again from what is stored.

use dacapo_engine::decide::{Input, decide};
use dacapo_engine::state::{ActivityDuty, Placement};
use dacapo_engine::transition::Transition;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::module::ModuleDigest;

use super::{RUN, Simulation};
use crate::support::Checked;
use crate::support::guest::Guest;
use crate::support::stored::stored;

impl Simulation {
    /// The node dies. What is known afterwards comes out of the store alone.
    pub(super) fn crash(&mut self) -> Checked {
        self.guest = None;
        self.running.clear();
        self.state = self.recovered()?;
        self.idle_cancels.clear();
        self.outreach.resume(&self.state);
        let interrupted = self.state.activities.iter();
        let interrupted = interrupted.filter(|(_, a)| a.placement == Placement::Here);
        self.running = interrupted.map(|(id, activity)| (*id, activity.attempt)).collect();
        let mut lost = Vec::new();
        for (id, activity) in &self.state.activities {
            match activity.duty() {
                Some(ActivityDuty::ReportStopped) => {
                    self.idle_cancels.push((*id, activity.attempt));
                }
                Some(ActivityDuty::ReportLost) => lost.push((*id, activity.attempt)),
                Some(ActivityDuty::RunAttempt) | None => {}
            }
        }
        self.end_idle_cancels()?;
        for (scheduled_event_id, attempt) in lost {
            if !self.running.remove(&(scheduled_event_id, attempt)) {
                continue;
            }
            let outcome = Err(Failure::new(FailureKind::Application, "Lost", "the node died"));
            self.feed(Input::ActivityReturned { scheduled_event_id, attempt, outcome })?;
        }
        Ok(())
    }

    /// The run is replayed with changed code, which must fit it, and goes on with
    /// that from where it stands.
    pub(super) fn move_on(&mut self) -> Checked {
        if !self.state.status.is_open() {
            return Ok(());
        }
        let program = self.program.changed();
        if self.state.delayed_until.is_some() {
            // Nothing to replay.
            let module_digest = ModuleDigest([program.known as u8; 32]);
            self.program = program;
            return self.feed(Input::Move { module_digest });
        }
        let mut guest = Guest::new(&program);
        let commands = guest
            .advance(stored(&self.history))
            .map_err(|error| format!("code that knows its past does not fit: {error}"))?;
        let module_digest = ModuleDigest([program.known as u8; 32]);
        let mut transition = Transition::default();
        for input in [Input::Move { module_digest }, Input::GuestTurn { run_id: RUN, commands }] {
            let step = decide(&mut self.state, input, self.now, &self.limits)
                .map_err(|refusal| format!("a move was refused: {refusal}"))?;
            transition.extend(step);
        }
        self.program = program;
        // What the code before has published since the last event stays in its row,
        // until the name is published again: the new code knows nothing of it.
        self.published.clone_from(&guest.place.published);
        self.guest = (self.state.status != ExecutionStatus::Blocked).then_some(guest);
        self.place = self.guest.as_ref().map(|guest| guest.place.clone());
        self.commit(transition)
    }
}
