//! What the run may do.

use std::sync::Arc;

use dacapo_engine::decide::{Input, Refusal, decide};
use dacapo_engine::transition::Transition;
use dacapo_model::time::Timestamp;

use super::actor::Actor;
use crate::tenancy::NamespacePolicy;

impl Actor {
    /// What its namespace may do now.
    pub(super) fn policy(&self) -> Arc<NamespacePolicy> {
        self.shared.namespaces.policy_of(&self.run.namespace)
    }

    /// Decides what an input changes, within the limits that hold now.
    pub(super) fn decide(&mut self, input: Input, now: Timestamp) -> Result<Transition, Refusal> {
        let policy = self.policy();
        decide(&mut self.state, input, now, &policy.limits)
    }
}
