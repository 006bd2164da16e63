//! A run has closed: what becomes of its children.

use std::sync::Arc;

use dacapo_engine::decide::FromParent;
use dacapo_engine::state::{Children, Externals};
use dacapo_model::event::ParentClosePolicy;
use futures::{FutureExt as _, StreamExt as _};

use super::{AT_ONCE, Requester, reach, spawn, start, tell};
use crate::runtime::Shared;

/// Does with each child what its parent close policy says. A node that dies
/// meanwhile leaves it to the next one, which finds children without a parent.
pub(crate) fn leave(
    shared: &Arc<Shared>,
    parent: &Arc<Requester>,
    children: Children,
    externals: Externals,
) {
    for (event_id, external) in externals {
        reach(shared, parent, event_id, external);
    }
    let mut left = Vec::new();
    for (event_id, child) in children {
        match child.initiated.options.parent_close_policy {
            ParentClosePolicy::Abandon if child.started => {}
            ParentClosePolicy::Abandon => start(shared, parent, event_id, &child.initiated),
            // One that is just starting finds its parent closed.
            ParentClosePolicy::Terminate | ParentClosePolicy::RequestCancel => {
                if child.started {
                    left.push((event_id, child.initiated.workflow_id));
                }
            }
        }
    }
    if left.is_empty() {
        return;
    }
    let (shared_by_task, parent) = (shared.clone(), parent.clone());
    let tell = move |(event_id, workflow_id)| {
        let told = (parent.key.run_id, event_id, FromParent::Closed);
        tell::tell(shared_by_task.clone(), parent.namespace.clone(), workflow_id, told).map(drop)
    };
    spawn(shared, futures::stream::iter(left).for_each_concurrent(AT_ONCE, tell));
}
