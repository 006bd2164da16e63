//! What the run may do.

use std::sync::Arc;

use dacapo_engine::decide::{Input, Refusal, decide};
use dacapo_engine::transition::Transition;
use dacapo_model::code::ErrorCode;
use dacapo_model::command::{Command, Outcome};
use dacapo_model::execution::Blocked;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;

use super::actor::Actor;
use crate::tenancy::NamespacePolicy;

impl Actor {
    /// What it may do now in its namespace.
    pub(super) fn policy(&self) -> Arc<NamespacePolicy> {
        self.shared.namespaces.policy_of_run(&self.run.namespace, &self.run.workflow_id)
    }

    /// Why its guest may not ask for this, if a payload in it is larger than its namespace
    /// allows. What the server allows the host has looked at.
    pub(super) fn too_large(&self, commands: &[Command]) -> Option<Blocked> {
        let policy = self.policy();
        policy.settings.limits.payload_bytes_max?;
        let max = policy.limits.payload_bytes_max;
        let bytes =
            commands.iter().filter_map(payload_of).map(Payload::len).find(|it| *it > max)?;
        Some(Blocked {
            code: ErrorCode::PayloadTooLarge.as_str().to_owned(),
            message: format!(
                "the workflow passed a payload of {bytes} bytes; at most {max} are allowed in \
                 namespace `{}` (`payload_bytes_max`). Pass a reference to the data instead, or \
                 set a higher limit; then retry the run",
                self.run.namespace
            ),
            backtrace: None,
            nondeterminism: None,
        })
    }

    /// Decides what an input changes, within the limits that hold now.
    pub(super) fn decide(&mut self, input: Input, now: Timestamp) -> Result<Transition, Refusal> {
        let policy = self.policy();
        let attempted = self.attempted(&input);
        let step = decide(&mut self.state, input, now, &policy.limits)?;
        self.spans.extend(attempted.and_then(|it| it.ended_by(&step, now)));
        Ok(step)
    }
}

/// What a command carries, if it carries something.
fn payload_of(command: &Command) -> Option<&Payload> {
    match command {
        Command::ScheduleActivity { input, .. } => Some(input),
        Command::StartChild(child) => Some(&child.input),
        Command::SignalExternal(signal) => Some(&signal.input),
        Command::CompleteUpdate { outcome, .. } => outcome.as_ref().ok(),
        Command::Publish { value, .. } => Some(value),
        Command::Close(
            Outcome::Completed(payload) | Outcome::ContinueAsNew { input: payload, .. },
        ) => Some(payload),
        Command::Close(Outcome::Failed { .. } | Outcome::Cancelled(_))
        | Command::StartTimer { .. }
        | Command::CancelExternal(_)
        | Command::CancelOperation { .. }
        | Command::AcceptUpdate { .. }
        | Command::RecordMarker(_)
        | Command::RequestCancelActivity { .. }
        | Command::UpsertAttributes(_) => None,
    }
}
