//! What a node has of its store.

use std::sync::Arc;

use dacapo_store::Store;

use crate::config::Tenure;
use crate::error::Result;
use crate::health::StoreHealth;
use crate::ownership::{Confirm, Loss, Owned};

/// The hold that a node has on its store: its shards, as long as no other node has them,
/// and whether commits get through. Who answers from memory, or writes, asks it.
pub(crate) struct Hold {
    pub(crate) store: Arc<dyn Store>,
    /// How it comes by the shards.
    pub(crate) tenure: Tenure,
    /// The shards.
    pub(crate) owned: Owned,
    /// Asks the store whether they are still the node's.
    pub(crate) confirm: Confirm,
    /// Whether what is in memory still counts.
    pub(crate) loss: Loss,
    /// Whether the store takes commits.
    pub(crate) health: Arc<StoreHealth>,
}

impl Hold {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        tenure: Tenure,
        owned: Owned,
        health: Arc<StoreHealth>,
    ) -> Self {
        let loss = Loss::none_yet(store.clone(), owned.clone());
        let confirm = Confirm::start(store.clone(), owned.clone(), loss.clone());
        Self { store, tenure, owned, confirm, loss, health }
    }

    /// Refuses everything once memory does not count.
    pub(crate) fn admit(&self) -> Result<()> {
        self.loss.admit()
    }

    /// Refuses to change anything while the store takes no writes.
    pub(crate) fn admit_write(&self) -> Result<()> {
        self.health.admit()
    }
}
