//! Finds the run that a request names, and tells it things.

use std::sync::Arc;

use dacapo_engine::decide::{Input, Refusal};
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::Execution;
use dacapo_model::ids::{RunId, WorkflowHash};
use dacapo_model::limits::FAILURE_MESSAGE_BYTES_MAX;
use dacapo_model::payload::Payload;
use tokio::sync::oneshot;

use super::RunRef;
use crate::Runtime;
use crate::error::{Result, ServiceError};
use crate::registry::OpenRun;
use crate::run::{Message, deliver};
use crate::runtime::Shared;

/// A run, and where it can be asked.
pub(crate) enum Located {
    /// Open, on this node.
    Open(Arc<OpenRun>),
    /// Closed, in the store.
    Closed(Box<Execution>),
}

/// How often a request looks again for a run that closed between two looks.
const LOOKS_MAX: usize = 32;

/// Finds a run. Reads the store only if it is not open here.
pub(crate) async fn locate(shared: &Shared, run: &RunRef) -> Result<Located> {
    shared.catalog.check_namespace(&run.namespace)?;
    for _ in 0..LOOKS_MAX {
        let open = shared
            .registry
            .by_workflow(&run.namespace, &run.workflow_id)
            .filter(|open| run.run_id.is_none_or(|run_id| run_id == open.key.run_id));
        if let Some(open) = open {
            return Ok(Located::Open(open));
        }
        let found =
            shared.store.find_execution(&run.namespace, &run.workflow_id, run.run_id).await?;
        match found {
            None => return Err(not_found(run)),
            Some(execution) if !execution.status.is_open() => {
                return Ok(Located::Closed(Box::new(execution)));
            }
            // It has started between the two looks.
            Some(_) => {}
        }
    }
    Err(ServiceError::new(
        ErrorCode::Unavailable,
        "the run is open, but not on this node yet; send the request again",
    ))
}

/// Tells a run something, and waits until that is committed.
pub(crate) async fn send(
    shared: &Arc<Shared>,
    run: &RunRef,
    input: Input,
) -> Result<(RunId, std::result::Result<(), Refusal>)> {
    shared.admit_write()?;
    for _ in 0..LOOKS_MAX {
        let open = match locate(shared, run).await? {
            Located::Open(open) => open,
            Located::Closed(execution) => {
                return Ok((execution.key.run_id, Err(Refusal::Closed)));
            }
        };
        let (answer, answered) = oneshot::channel();
        let message = Message::Input { input: input.clone(), answer: Some(answer) };
        if deliver(shared, &open, message).await.is_err() {
            continue;
        }
        let verdict = answered.await.map_err(|_| no_answer())??;
        if verdict == Err(Refusal::Closed) && run.run_id.is_none() {
            // It may go on as another run by now, which is the one that is meant.
            continue;
        }
        if verdict.is_err() {
            // Nothing was committed for it, which would have shown whose the run is.
            shared.confirm.held(open.key.hash).await?;
        }
        return Ok((open.key.run_id, verdict));
    }
    Err(not_reached())
}

impl Runtime {
    /// Lets an answer from memory out only if the run was still this node's after the
    /// request had come. Both are found out at the same time.
    pub(super) async fn confirmed<T>(
        &self,
        run: &RunRef,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let hash = WorkflowHash::of(&run.namespace, &run.workflow_id);
        let (held, answer) = futures::join!(self.shared.confirm.held(hash), answer);
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

/// The run's actor went away without an answer.
pub(crate) fn no_answer() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the run did not answer; whether the request had its effect is not known. Send it again, \
         with the same request id if it changes something",
    )
}

/// Each run that had the workflow id closed before it took the request.
pub(crate) fn not_reached() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the runs of this workflow id follow each other too fast to be reached; nothing was \
         changed. Send the request again",
    )
}

/// The error for a request to a run that has closed.
pub(crate) fn closed(run: &RunRef, run_id: RunId) -> ServiceError {
    ServiceError::new(
        ErrorCode::RunClosed,
        format!("run {run_id} of workflow id `{}` is closed already", run.workflow_id),
    )
    .with("run_id", run_id)
}

fn not_found(run: &RunRef) -> ServiceError {
    let message = match run.run_id {
        Some(run_id) => format!(
            "workflow id `{}` has no run {run_id} in namespace `{}`",
            run.workflow_id, run.namespace
        ),
        None => format!(
            "there is no run of workflow id `{}` in namespace `{}`",
            run.workflow_id, run.namespace
        ),
    };
    ServiceError::new(ErrorCode::RunNotFound, message).with("workflow_id", &run.workflow_id)
}
