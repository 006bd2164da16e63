//! Finds the run that a request names, and tells it things.

use std::sync::Arc;

use dacapo_engine::decide::{Input, Refusal};
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::Execution;
use dacapo_model::ids::{NamespaceName, RunId, RunKey, WorkflowHash, WorkflowId};
use dacapo_model::limits::FAILURE_MESSAGE_BYTES_MAX;
use dacapo_model::payload::Payload;
use tokio::sync::oneshot;

use super::RunRef;
use crate::delivery::{self, Address, Reached};
use crate::error::{Result, ServiceError};
use crate::run::{Message, OpenRun};
use crate::tenancy::Tenant;

/// A run that a request is about.
pub(crate) enum Located<T = Arc<OpenRun>> {
    /// Open, on this node.
    Open(T),
    /// Closed, in the store.
    Closed(Box<Execution>),
}

impl Tenant {
    /// Finds a run. Reads the store only if it is not in memory.
    pub(super) async fn locate(&self, run: &RunRef) -> Result<Located> {
        let address = Address::Named(&self.namespace, run);
        self.located(run, delivery::find(&self.shared, address).await?)
    }

    /// Asks a run something that it answers.
    pub(super) async fn ask<A>(
        &self,
        run: &RunRef,
        message: impl Fn(oneshot::Sender<A>) -> Message,
    ) -> Result<Located<(Arc<OpenRun>, A)>> {
        let address = Address::Named(&self.namespace, run);
        self.located(run, delivery::ask(&self.shared, address, message).await?)
    }

    /// Tells a run something, and waits until that is committed.
    pub(super) async fn send(
        &self,
        run: &RunRef,
        input: Input,
    ) -> Result<(RunId, std::result::Result<(), Refusal>)> {
        let address = Address::Named(&self.namespace, run);
        let told = delivery::tell(&self.shared, address, &input).await?;
        Ok(match self.located(run, told)? {
            Located::Open((key, verdict)) => (key.run_id, verdict),
            Located::Closed(execution) => (execution.key.run_id, Err(Refusal::Closed)),
        })
    }

    fn located<T>(&self, run: &RunRef, reached: Reached<T>) -> Result<Located<T>> {
        match reached {
            Reached::Here(here) => Ok(Located::Open(here)),
            Reached::Closed(execution) => Ok(Located::Closed(execution)),
            Reached::Elsewhere => Err(ServiceError::displaced()),
            Reached::Unknown => Err(not_found(&self.namespace, run)),
            Reached::Unreadable(error) => Err(error.into()),
        }
    }

    /// Says who owns a run.
    pub(super) fn hash_of(&self, workflow_id: &WorkflowId) -> WorkflowHash {
        WorkflowHash::of(&self.namespace, workflow_id)
    }

    /// What the store calls a run of that workflow id.
    pub(super) fn key_of(&self, run: &RunRef, run_id: RunId) -> RunKey {
        RunKey { hash: self.hash_of(&run.workflow_id), run_id }
    }

    /// Refuses a payload that is larger than this namespace may send.
    pub(super) fn check_payload(&self, what: &str, payload: &Payload) -> Result<()> {
        check_payload(what, payload, self.policy.limits.payload_bytes_max)
    }

    /// Lets an answer from memory out only if the run was still this node's after the
    /// request had come. Both are found out at the same time.
    pub(super) async fn confirmed<T>(
        &self,
        run: &RunRef,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let held = self.shared.hold.confirm.held(self.hash_of(&run.workflow_id));
        let (held, answer) = futures::join!(held, answer);
        held?;
        answer
    }
}

/// Refuses a payload that is too large.
pub(crate) fn check_payload(what: &str, payload: &Payload, bytes_max: usize) -> Result<()> {
    if payload.len() <= bytes_max {
        return Ok(());
    }
    Err(ServiceError::new(
        ErrorCode::PayloadTooLarge,
        format!(
            "{what} has {} bytes; at most {bytes_max} are allowed. Pass a reference to the data \
             instead",
            payload.len()
        ),
    ))
}

/// Refuses a reason that is too long to be one.
pub(crate) fn check_reason(reason: &str) -> Result<()> {
    if reason.len() <= FAILURE_MESSAGE_BYTES_MAX {
        return Ok(());
    }
    Err(ServiceError::new(
        ErrorCode::InvalidArgument,
        format!(
            "the reason has {} bytes; at most {FAILURE_MESSAGE_BYTES_MAX} are allowed",
            reason.len()
        ),
    ))
}

/// The error for a request to a run that has closed.
pub(crate) fn closed(run: &RunRef, run_id: RunId) -> ServiceError {
    ServiceError::new(
        ErrorCode::RunClosed,
        format!("run {run_id} of workflow id `{}` is closed already", run.workflow_id),
    )
    .with("run_id", run_id)
}

fn not_found(namespace: &NamespaceName, run: &RunRef) -> ServiceError {
    let message = match run.run_id {
        Some(run_id) => format!(
            "workflow id `{}` has no run {run_id} in namespace `{namespace}`",
            run.workflow_id
        ),
        None => format!(
            "there is no run of workflow id `{}` in namespace `{namespace}`",
            run.workflow_id
        ),
    };
    ServiceError::new(ErrorCode::RunNotFound, message).with("workflow_id", &run.workflow_id)
}
