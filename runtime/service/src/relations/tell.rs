//! Tells a child something on behalf of its parent.

use std::sync::Arc;

use dacapo_engine::decide::{FromParent, Input, Refusal};
use dacapo_model::ids::{EventId, NamespaceName, RunId, WorkflowId};

use super::{BACKOFF, ask, backoff};
use crate::registry::OpenRun;
use crate::runtime::Shared;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The child has recorded it, now or before.
    Yes,
    /// The child has closed.
    Closed,
}

/// Tells a child, and again until it is recorded. The run that has its workflow
/// id may be another one by now, and knows whose child it is.
pub(super) async fn tell(
    shared: Arc<Shared>,
    namespace: NamespaceName,
    workflow_id: WorkflowId,
    (parent_run_id, initiated_event_id, message): (RunId, EventId, FromParent),
) -> Told {
    let mut backoff = backoff();
    shared.recovered.cancelled().await;
    loop {
        let Some(run) = shared.registry.by_workflow(&namespace, &workflow_id) else {
            return Told::Closed;
        };
        let message = message.clone();
        let input = Input::FromParent { parent_run_id, initiated_event_id, message };
        match ask(&shared, &run, input).await {
            Some(Ok(()) | Err(Refusal::Stale)) => return Told::Yes,
            Some(Err(Refusal::Closed)) => gone(&run).await,
            Some(Err(_another_run)) => return Told::Closed,
            None => backoff.wait().await,
        }
    }
}

/// Waits until a run that takes no message any more has left the registry: the
/// run that it continues as, if there is one, is there then. Not for long: a run
/// whose start failed says nothing when it leaves.
async fn gone(run: &OpenRun) {
    let mut progress = run.watch();
    let closed = progress.wait_for(|progress| progress.closing.is_some());
    let _ = tokio::time::timeout(BACKOFF, closed).await;
}
