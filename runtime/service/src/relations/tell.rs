//! Tells a child something on behalf of its parent.

use std::sync::Arc;

use dacapo_engine::decide::{FromParent, Input, Refusal};
use dacapo_model::ids::{EventId, NamespaceName, RunId, WorkflowId};

use super::{Recorded, backoff};
use crate::delivery::{self, Address, Reached};
use crate::runtime::Shared;
use crate::types::RunRef;

/// Tells a child, and again until it is recorded. The run that has its workflow
/// id may be another one by now, and knows whose child it is.
pub(super) async fn tell(
    shared: Arc<Shared>,
    namespace: NamespaceName,
    workflow_id: WorkflowId,
    (parent_run_id, initiated_event_id, message): (RunId, EventId, FromParent),
) -> Recorded {
    let child = RunRef { workflow_id, run_id: None };
    let input = Input::FromParent { parent_run_id, initiated_event_id, message };
    let mut backoff = backoff();
    loop {
        match delivery::tell(&shared, Address::Named(&namespace, &child), &input).await {
            Ok(Reached::Here((_, Ok(()) | Err(Refusal::Stale)))) => return Recorded::Yes,
            // Or it is another run's child.
            Ok(Reached::Here((_, Err(_))) | Reached::Closed(_)) => return Recorded::Closed,
            Ok(Reached::Unknown | Reached::Unreadable(_)) => return Recorded::Closed,
            Ok(Reached::Elsewhere) | Err(_) => backoff.wait().await,
        }
    }
}
