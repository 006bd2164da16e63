//! Other runs say something to this one.

use dacapo_engine::decide::{Input, implied};

use super::Simulation;
use crate::support::relations::{self, Outreach};
use crate::support::{Checked, ensure};

impl Simulation {
    /// Another run says something, once.
    pub(super) fn say(&mut self, input: Input) -> Checked {
        match &input {
            Input::ChildStarted { initiated_event_id }
            | Input::ChildStartFailed { initiated_event_id, .. }
            | Input::ChildClosed { initiated_event_id, .. } => {
                self.outreach.starting.remove(initiated_event_id);
            }
            Input::ExternalReached { initiated_event_id, .. } => {
                self.outreach.reaching.remove(initiated_event_id);
            }
            _ => {}
        }
        if let Input::ChildClosed { initiated_event_id, .. } = &input {
            let child = self.state.children.get(initiated_event_id);
            if let Some(cancel) = child.and_then(|child| child.cancel) {
                self.outreach.reaching.remove(&cancel);
            }
        }
        self.outreach.said.push(input.clone());
        if let Some(first) = implied(&self.state, &input) {
            self.feed(first)?;
            // Whoever was to be told of it is told that it is over.
            let (_, reaching) = Outreach::needed(&self.state);
            self.outreach.reaching.retain(|id| reaching.contains(id));
        }
        self.feed(input)?;
        let (_, reaching) = Outreach::needed(&self.state);
        self.outreach.reaching.retain(|id| reaching.contains(id));
        self.check_outreach()
    }

    /// What was said before changes nothing.
    pub(super) fn say_again(&mut self, pick: u8) -> Checked {
        let Some(at) = relations::pick(0..self.outreach.said.len(), pick) else {
            return Ok(());
        };
        let events = self.history.len();
        self.feed(self.outreach.said[at].clone())?;
        ensure!(self.history.len() == events, "what another run said was recorded again");
        Ok(())
    }

    pub(super) fn check_outreach(&self) -> Checked {
        self.outreach.check(&self.state)
    }
}
