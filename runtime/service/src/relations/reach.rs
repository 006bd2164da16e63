//! Tells another run what a run has to say to it.

use std::sync::Arc;

use dacapo_engine::decide::{FromParent, Input};
use dacapo_engine::state::{ExternalRequest, PendingExternal};
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{EventId, RequestId, RunId, WorkflowId};
use dacapo_model::signal::Signal;

use super::chain::is_child;
use super::tell::tell;
use super::{Entered, Recorded, Requester, backoff, failure_of, post, spawn};
use crate::delivery::{LOOKS_MAX, not_reached};
use crate::error::{Result, ServiceError};
use crate::runtime::Shared;
use crate::tenancy::Tenant;
use crate::types::RunRef;

/// Delivers a request, however long it takes, and tells the run what came of it.
pub(crate) fn reach(
    shared: &Arc<Shared>,
    requester: &Arc<Requester>,
    initiated_event_id: EventId,
    external: PendingExternal,
) {
    let Some(entered) = Entered::new(shared, (requester.key.run_id, initiated_event_id)) else {
        return;
    };
    let (shared_by_task, requester) = (shared.clone(), requester.clone());
    spawn(shared, async move {
        let (_entered, shared) = (entered, shared_by_task);
        let mut backoff = backoff();
        let outcome = loop {
            match try_reach(&shared, &requester, initiated_event_id, &external).await {
                Ok(()) => break Ok(()),
                Err(error) if error.code.is_retryable() => backoff.wait().await,
                Err(error) => break Err(failure_of(error)),
            }
        };
        let input = Input::ExternalReached { initiated_event_id, outcome };
        post(shared, requester.key, input).await;
    });
}

async fn try_reach(
    shared: &Arc<Shared>,
    requester: &Requester,
    initiated_event_id: EventId,
    external: &PendingExternal,
) -> Result<()> {
    let workflow_id = external.workflow_id.clone();
    let Some(first) = external.first_run_id else {
        let run = RunRef { workflow_id, run_id: external.run_id };
        return ask(shared, requester, initiated_event_id, external, run).await;
    };
    for _ in 0..LOOKS_MAX {
        let Some(run_id) = open_run_of(shared, requester, &workflow_id, first).await? else {
            return Err(ServiceError::new(ErrorCode::RunClosed, "it is closed already"));
        };
        let run = RunRef { workflow_id: workflow_id.clone(), run_id: Some(run_id) };
        match ask(shared, requester, initiated_event_id, external, run).await {
            // Another run may have gone on in its place meanwhile.
            Err(error) if error.code == ErrorCode::RunClosed => {}
            asked => return asked,
        }
    }
    Err(not_reached())
}

/// The run that the child which has begun as `first` is now; none if it has ended.
async fn open_run_of(
    shared: &Arc<Shared>,
    requester: &Requester,
    workflow_id: &WorkflowId,
    first: RunId,
) -> Result<Option<RunId>> {
    let (store, namespace) = (&shared.store, &requester.namespace);
    let latest = store.find_execution(namespace, workflow_id, None).await?;
    let Some(open) = latest.filter(|latest| latest.status.is_open()) else { return Ok(None) };
    let is_it = is_child(&**store, open.key, first).await?;
    Ok(is_it.then_some(open.key.run_id))
}

async fn ask(
    shared: &Arc<Shared>,
    requester: &Requester,
    initiated_event_id: EventId,
    external: &PendingExternal,
    run: RunRef,
) -> Result<()> {
    // The same each time, so that a repeat is recognised.
    let request_id = RequestId::new(format!("{}/{initiated_event_id}", requester.key.run_id))?;
    let itself = || Tenant::of_run(shared, requester.key, &requester.namespace);
    match &external.request {
        ExternalRequest::Signal { name, input } => {
            let signal =
                Signal { name: name.clone(), input: input.clone(), request_id: Some(request_id) };
            itself()?.signal_run(&run, signal).await.map(drop)
        }
        ExternalRequest::Cancel { reason } => {
            itself()?.request_cancel(&run, reason.clone(), Some(request_id)).await.map(drop)
        }
        ExternalRequest::Terminate { reason } => {
            itself()?.terminate_run(&run, reason.clone()).await.map(drop)
        }
        ExternalRequest::CancelChild { child, reason } => {
            shared.admit_write()?;
            let message =
                FromParent::Cancel { reason: reason.clone(), request_id: request_id.clone() };
            let told = (requester.key.run_id, *child, message);
            let child_id = run.workflow_id.clone();
            match tell(shared.clone(), requester.namespace.clone(), child_id, told).await {
                Recorded::Yes => Ok(()),
                // It had recorded that, and this node or the one before has not heard of it.
                Recorded::Closed if itself()?.was_asked_to_cancel(&run, &request_id).await? => {
                    Ok(())
                }
                Recorded::Closed => {
                    Err(ServiceError::new(ErrorCode::RunClosed, "the child is closed already"))
                }
            }
        }
    }
}
