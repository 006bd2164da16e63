//! Tells another run what a run has to say to it.

use std::sync::Arc;

use dacapo_engine::decide::{FromParent, Input};
use dacapo_engine::state::{ExternalRequest, PendingExternal};
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{EventId, RequestId};
use dacapo_model::signal::Signal;

use super::tell::{Told, tell};
use super::{Entered, Origin, backoff, failure_of, post, spawn};
use crate::Runtime;
use crate::error::{Result, ServiceError};
use crate::operations::RunRef;
use crate::runtime::Shared;

/// Delivers a request, however long it takes, and tells the run what came of it.
pub(crate) fn reach(
    shared: &Arc<Shared>,
    origin: &Arc<Origin>,
    initiated_event_id: EventId,
    external: PendingExternal,
) {
    let Some(entered) = Entered::new(shared, (origin.run_id, initiated_event_id)) else {
        return;
    };
    let (shared_by_task, origin) = (shared.clone(), origin.clone());
    spawn(shared, async move {
        let (_entered, shared) = (entered, shared_by_task);
        shared.recovered.cancelled().await;
        let mut backoff = backoff();
        let outcome = loop {
            match try_reach(&shared, &origin, initiated_event_id, &external).await {
                Ok(()) => break Ok(()),
                Err(error) if error.code.is_retryable() => backoff.wait().await,
                Err(error) => break Err(failure_of(error)),
            }
        };
        let input = Input::ExternalReached { initiated_event_id, outcome };
        post(shared, origin.run_id, input).await;
    });
}

async fn try_reach(
    shared: &Arc<Shared>,
    origin: &Origin,
    initiated_event_id: EventId,
    external: &PendingExternal,
) -> Result<()> {
    // The same each time, so that a repeat is recognised.
    let request_id = RequestId::new(format!("{}/{initiated_event_id}", origin.run_id))?;
    let runtime = Runtime { shared: shared.clone() };
    let run = RunRef {
        namespace: origin.namespace.clone(),
        workflow_id: external.workflow_id.clone(),
        run_id: external.run_id,
    };
    match &external.request {
        ExternalRequest::Signal { name, input } => {
            let signal =
                Signal { name: name.clone(), input: input.clone(), request_id: Some(request_id) };
            runtime.signal_run(&run, signal).await.map(drop)
        }
        ExternalRequest::Cancel { reason } => {
            runtime.request_cancel(&run, reason.clone(), Some(request_id)).await.map(drop)
        }
        ExternalRequest::CancelChild { child, reason } => {
            shared.admit_write()?;
            let message = FromParent::Cancel { reason: reason.clone(), request_id };
            let told = (origin.run_id, *child, message);
            match tell(shared.clone(), run.namespace, run.workflow_id, told).await {
                Told::Yes => Ok(()),
                Told::Closed => {
                    Err(ServiceError::new(ErrorCode::RunClosed, "the child is closed already"))
                }
            }
        }
    }
}
