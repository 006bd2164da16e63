//! What the node owns, as a value that changes while it runs.

use std::sync::Arc;

use dacapo_store::shard::{NodeId, Ownership};
use tokio::sync::watch;

/// The ranges that this node owns, as far as it knows. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    node: NodeId,
    current: watch::Sender<Arc<Ownership>>,
}

impl Owned {
    pub(crate) fn new(ownership: Ownership) -> Self {
        let node = ownership.node;
        Self { node, current: watch::Sender::new(Arc::new(ownership)) }
    }

    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// What it owns now. The store is asked whether that is still so.
    pub(crate) fn current(&self) -> Arc<Ownership> {
        self.current.borrow().clone()
    }

    /// Whether it owns nothing any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.current.borrow().is_empty()
    }

    /// Returns once it owns nothing any more.
    pub(crate) async fn until_empty(&self) {
        // The sender is in `self`, so it does not go away.
        drop(self.current.subscribe().wait_for(|owned| owned.is_empty()).await);
    }

    /// Makes a change, which says whether it is one.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Ownership) -> bool) {
        self.current.send_if_modified(|current| {
            let mut next = Ownership::clone(current);
            let changed = change(&mut next);
            if changed {
                *current = Arc::new(next);
            }
            changed
        });
    }
}
