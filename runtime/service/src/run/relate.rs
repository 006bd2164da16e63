//! What a run has to do with other runs.

use dacapo_engine::state::RunState;
use dacapo_engine::transition::Effect;
use dacapo_model::event::HistoryEvent;

use super::actor::Actor;
use crate::relations::{self, Requester};

impl Actor {
    /// Does the effects that are about other runs.
    pub(super) fn relate(&self, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        let (shared, state) = (&self.shared, &self.state);
        let requester = Requester::of(&self.run, state);
        for effect in effects {
            match effect {
                // One that was given up since, with the run itself, is left below.
                Effect::StartChild { initiated_event_id } => {
                    if let Some(child) = state.children.get(&initiated_event_id) {
                        relations::start(shared, &requester, initiated_event_id, &child.initiated);
                    }
                }
                Effect::ReachExternal { initiated_event_id } => {
                    if let Some(external) = state.externals.get(&initiated_event_id) {
                        relations::reach(shared, &requester, initiated_event_id, external.clone());
                    }
                }
                Effect::LeaveChildren { children, externals } => {
                    relations::leave(shared, &requester, children, externals);
                }
                _ => {}
            }
        }
    }

    /// Goes on with what the run began with others, after it was read.
    pub(super) fn resume_relations(&self, history: &[HistoryEvent]) {
        if self.closing.is_some() {
            // Its last commit seemed to fail, and left its effects undone.
            self.relate(left_by(history).into_iter().collect());
            return;
        }
        self.relate(self.state.relation_duties().collect());
    }

    /// Tells the parent that this run has closed, if it is a child.
    pub(super) fn report_to_parent(&self) {
        if let (Some(parent), Some(closing)) = (&self.state.parent, &self.closing) {
            relations::report(&self.shared, &self.run, parent, &closing.attributes);
        }
    }
}

/// What was pending when a run closed.
fn left_by(history: &[HistoryEvent]) -> Option<Effect> {
    let (_closing, before) = history.split_last()?;
    let state = RunState::from_history(before).ok()??;
    let RunState { children, externals, .. } = state;
    (!children.is_empty() || !externals.is_empty())
        .then_some(Effect::LeaveChildren { children, externals })
}
