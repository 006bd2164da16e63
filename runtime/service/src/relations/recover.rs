//! What a crash has left between parents and children. All that is needed for it
//! is read by recovery anyway; only children that closed unheard are looked up.

use std::collections::HashSet;
use std::sync::Arc;

use dacapo_engine::decide::FromParent;
use dacapo_engine::state::RunState;
use dacapo_model::event::ParentClosePolicy;
use dacapo_model::ids::{RunId, RunKey, WorkflowHash};
use futures::{FutureExt as _, StreamExt as _};

use super::report::{ChildOf, find_end};
use super::{AT_ONCE, spawn, tell};
use crate::registry::OpenRun;
use crate::runtime::Shared;

/// What open runs say of each other, gathered page by page.
#[derive(Default)]
pub(crate) struct Recovery {
    /// Open runs that are children.
    open: HashSet<ChildOf>,
    /// Those whose parent's end is also theirs.
    bound: Vec<(ChildOf, RunKey)>,
    /// Children that open runs wait for, by their first runs.
    awaited: Vec<(ChildOf, RunKey)>,
    /// Open runs of which nothing else is known.
    unreadable: HashSet<RunId>,
}

impl Recovery {
    /// Takes an open run into account.
    pub(crate) fn add(&mut self, run: &OpenRun, state: &RunState) {
        if let Some(parent) = &state.parent {
            let child = (parent.run_id, parent.initiated_event_id);
            self.open.insert(child);
            if parent.parent_close_policy != ParentClosePolicy::Abandon {
                self.bound.push((child, run.key));
            }
        }
        for (event_id, child) in state.children.iter().filter(|(_, child)| child.started) {
            let hash = WorkflowHash::of(&run.namespace, &child.initiated.workflow_id);
            let key = RunKey { hash, run_id: child.initiated.run_id };
            self.awaited.push(((run.key.run_id, *event_id), key));
        }
    }

    /// Takes an open run into account of which nothing can be read. It may be a parent or
    /// a child: nobody is told that it has closed.
    pub(crate) fn leave(&mut self, run_id: RunId) {
        self.unreadable.insert(run_id);
    }

    /// Makes good what the crash has kept from happening, now that all open runs
    /// are known.
    pub(crate) fn finish(self, shared: &Arc<Shared>) {
        let Self { open, bound, awaited, unreadable } = self;
        let closed: Vec<_> =
            awaited.into_iter().filter(|(child, _)| !open.contains(child)).collect();
        let orphans: Vec<_> = bound
            .into_iter()
            .filter(|((parent, _), _)| !unreadable.contains(parent))
            .filter(|((parent, _), _)| shared.registry.by_run(*parent).is_none())
            .filter_map(|(child, key)| Some((child, shared.registry.by_run(key.run_id)?)))
            .collect();
        if closed.is_empty() && orphans.is_empty() {
            return;
        }
        tracing::info!(
            closed_unheard = closed.len(),
            orphans = orphans.len(),
            "children whose parents do not know, or have closed"
        );
        let shared_by_task = shared.clone();
        spawn(shared, async move {
            let shared = shared_by_task;
            let leave = |((parent, initiated_event_id), run): (ChildOf, Arc<OpenRun>)| {
                let told = (parent, initiated_event_id, FromParent::Closed);
                let (namespace, id) = (run.namespace.clone(), run.workflow_id.clone());
                tell::tell(shared.clone(), namespace, id, told).map(drop)
            };
            let leave_all = futures::stream::iter(orphans).for_each_concurrent(AT_ONCE, leave);
            let ((), ()) = futures::join!(find_end(&shared, closed), leave_all);
        });
    }
}
