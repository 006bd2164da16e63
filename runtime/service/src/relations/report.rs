//! Tells parents how their children closed.

use std::sync::Arc;

use dacapo_engine::decide::{ChildOutcome, Input, child_run_id};
use dacapo_model::event::{EventAttributes, ParentExecution};
use dacapo_model::ids::{EventId, NamespaceName, RunId, RunKey, WorkflowHash, WorkflowId};

use super::ends::{End, Sought, end_of, find_ends};
use super::followed::{self, Followed};
use super::{Recorded, post, spawn};
use crate::delivery::is_here;
use crate::run::OpenRun;
use crate::runtime::Shared;

/// A child by its parent's run and its `StartChildWorkflowExecutionInitiated`.
pub(super) type ChildOf = (RunKey, EventId);

/// What a parent is told that is still open when its child was deleted.
const DELETED: &str = "it was deleted before its parent heard how it ended";

/// A child whose parent waits for its end.
#[derive(Debug, Clone)]
pub(super) struct Awaited {
    of: ChildOf,
    /// Who hears of its end once the parent has closed.
    follower: Option<Followed>,
}

impl Awaited {
    /// A child that is looked for from its first run on.
    pub(super) fn child(
        of: ChildOf,
        parent: &WorkflowId,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
        first: RunId,
    ) -> Sought<Self> {
        let follower = Followed::child_of(parent, namespace, workflow_id, first);
        Sought {
            listener: Self { of, follower },
            namespace: namespace.clone(),
            workflow_id: workflow_id.clone(),
            first,
            run_id: first,
        }
    }
}

/// A run that was a child has closed: tells its parent, unless the run goes on as
/// another, which is that child from then on.
pub(crate) fn report(
    shared: &Arc<Shared>,
    run: &OpenRun,
    parent: &ParentExecution,
    last: &EventAttributes,
) {
    let of = (parent_key(run, parent), parent.initiated_event_id);
    let first = child_run_id(parent.run_id, parent.initiated_event_id);
    let child = Awaited::child(of, &parent.workflow_id, &run.namespace, &run.workflow_id, first);
    let shared_by_task = shared.clone();
    match end_of(last) {
        End::Of(outcome) => spawn(shared, tell(shared_by_task, child.listener, outcome)),
        // It closed before, and was started again by a parent that had not heard.
        End::As(run_id) if !is_here(shared, run_id) => {
            let next = Sought { run_id, ..child };
            spawn(shared, async move { tell_if_ended(&shared_by_task, vec![next]).await });
        }
        End::As(_) | End::NotYet => {}
    }
}

/// The run that started `child`.
pub(super) fn parent_key(child: &OpenRun, parent: &ParentExecution) -> RunKey {
    let hash = WorkflowHash::of(&child.namespace, &parent.workflow_id);
    RunKey { hash, run_id: parent.run_id }
}

/// Finds children in the store and tells the parents of those that have ended.
pub(super) async fn tell_if_ended(shared: &Arc<Shared>, children: Vec<Sought<Awaited>>) {
    let tell = |child, outcome| tell(shared.clone(), child, outcome);
    find_ends(shared, children, DELETED, tell).await;
}

/// Tells a parent how its child has ended, or whoever follows it if the parent has closed.
/// Another parent that has closed has no use for it.
async fn tell(shared: Arc<Shared>, child: Awaited, outcome: ChildOutcome) {
    let Awaited { of: (parent, initiated_event_id), follower } = child;
    let input = Input::ChildClosed { initiated_event_id, outcome: outcome.clone() };
    let told = post(shared.clone(), parent, input).await;
    if let (Recorded::Closed, Some(followed)) = (told, follower) {
        followed::tell(shared, followed, outcome).await;
    }
}
