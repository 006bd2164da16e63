//! What a crash has left between parents and children. Most of it is read by recovery
//! anyway; looked up are children that closed unheard, and parents that are not here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use dacapo_engine::decide::FromParent;
use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::event::{ParentClosePolicy, StartChildWorkflowExecutionInitiated};
use dacapo_model::ids::{EventId, RunKey};
use futures::{FutureExt as _, StreamExt as _};

use super::ends::Sought;
use super::followed::{self, Followed};
use super::report::{Awaited, ChildOf, parent_key, tell_if_ended};
use super::{AT_ONCE, backoff, spawn, tell};
use crate::builtin::schedule::followed_by;
use crate::delivery::{Address, Reached, find, is_here};
use crate::run::{Loaded, OpenRun};
use crate::runtime::Shared;

/// What open runs say of each other, gathered page by page.
#[derive(Default)]
pub(crate) struct Recovery {
    /// Open runs that are children.
    open: HashSet<ChildOf>,
    /// Those whose parent's end is also theirs.
    bound: Vec<(ChildOf, Arc<OpenRun>)>,
    /// Children that open runs wait for, by their first runs.
    awaited: Vec<(ChildOf, Sought<Awaited>)>,
    /// Runs that runs of schedules have taken over from those before them.
    followed: Vec<Followed>,
}

/// Children of one parent, by the events that asked for them.
type Siblings = Vec<(EventId, Arc<OpenRun>)>;

impl Recovery {
    /// Takes an open run into account.
    pub(crate) fn add(&mut self, run: &Arc<OpenRun>, loaded: &Loaded) {
        let state = &loaded.state;
        if let Some(parent) = &state.parent {
            let child = (parent_key(run, parent), parent.initiated_event_id);
            self.open.insert(child);
            if parent.parent_close_policy != ParentClosePolicy::Abandon {
                self.bound.push((child, run.clone()));
            }
        }
        for (event_id, child) in state.children.iter().filter(|(_, child)| child.started) {
            let of = (run.key, *event_id);
            let StartChildWorkflowExecutionInitiated { workflow_id, run_id, .. } = &child.initiated;
            let child = Awaited::child(of, &run.workflow_id, &run.namespace, workflow_id, *run_id);
            self.awaited.push((of, child));
        }
        if BuiltinWorkflow::Schedule.name_in(&run.workflow_id).is_some() {
            for (workflow_id, first) in followed_by(&loaded.history) {
                let (namespace, schedule) = (run.namespace.clone(), run.workflow_id.clone());
                self.followed.push(Followed { namespace, schedule, workflow_id, first });
            }
        }
    }

    /// Makes good what the crash has kept from happening, now that all open runs
    /// are known.
    pub(crate) fn finish(self, shared: &Arc<Shared>) {
        let Self { open, bound, awaited, followed } = self;
        followed::tell_of_ended(shared, followed);
        let closed = awaited.into_iter().filter(|(child, _)| !open.contains(child));
        let closed: Vec<_> = closed.map(|(_, child)| child).collect();
        let mut apart: HashMap<RunKey, Siblings> = HashMap::new();
        for ((parent, initiated_event_id), run) in bound {
            if !is_here(shared, parent.run_id) {
                apart.entry(parent).or_default().push((initiated_event_id, run));
            }
        }
        if closed.is_empty() && apart.is_empty() {
            return;
        }
        tracing::info!(
            closed_unheard = closed.len(),
            parents_not_here = apart.len(),
            "children whose parents do not know that they closed, or are not here"
        );
        let shared_by_task = shared.clone();
        spawn(shared, async move {
            let shared = shared_by_task;
            let leave = |(parent, children): (RunKey, Siblings)| {
                leave_if_closed(shared.clone(), parent, children)
            };
            let leave_all = futures::stream::iter(apart).for_each_concurrent(AT_ONCE, leave);
            let ((), ()) = futures::join!(tell_if_ended(&shared, closed), leave_all);
        });
    }
}

/// Does with children what is to be done when their parent has closed, if it has. It may
/// be open on another node, and nothing is known of one whose row can't be read.
async fn leave_if_closed(shared: Arc<Shared>, parent: RunKey, children: Siblings) {
    let mut backoff = backoff();
    loop {
        match find(&shared, Address::Key(parent)).await {
            Ok(Reached::Closed(_) | Reached::Unknown) => break,
            Ok(Reached::Here(_) | Reached::Elsewhere | Reached::Unreadable(_)) => return,
            Err(_) => backoff.wait().await,
        }
    }
    let leave = |(initiated_event_id, run): (EventId, Arc<OpenRun>)| {
        let told = (parent.run_id, initiated_event_id, FromParent::Closed);
        let (namespace, id) = (run.namespace.clone(), run.workflow_id.clone());
        tell::tell(shared.clone(), namespace, id, told).map(drop)
    };
    futures::stream::iter(children).for_each_concurrent(AT_ONCE, leave).await;
}
