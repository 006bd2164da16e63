//! Namespaces (`namespaces`). The first migration creates one called `default`.

use async_trait::async_trait;
use dacapo_model::ids::NamespaceName;
use dacapo_model::namespace::{Namespace, NamespaceChange};
use dacapo_model::time::Timestamp;

use crate::error::Result;
use crate::shard::Ownership;

/// What became of the creation of a namespace.
#[derive(Debug, Clone, PartialEq)]
pub enum Creation {
    /// It was not there before.
    New,
    /// There is one of this name, as it was.
    There(Box<Namespace>),
    /// There are as many as there may be.
    Full,
}

/// What became of the removal of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone, with what was set in it.
    Removed,
    /// It was not there.
    Unknown,
    /// It is there, and stays: it is not being deleted, or has runs or modules.
    InUse,
}

/// Keeping them. Whatever changes them is
/// [`Fenced`](crate::error::StoreError::Fenced), and nothing was written, if a shard is not
/// held under its epoch any more. Changes come one after the other.
#[async_trait]
pub trait NamespaceStore: Send + Sync {
    /// All of them, by name.
    async fn namespaces(&self) -> Result<Vec<Namespace>>;

    /// How often they have changed. As long as it is the same number, [`Self::namespaces`]
    /// finds the same.
    async fn namespace_changes(&self) -> Result<u64>;

    /// Makes one, unless there is one of this name, or there are `max` already.
    async fn create_namespace(
        &self,
        ownership: &Ownership,
        namespace: &Namespace,
        max: usize,
    ) -> Result<Creation>;

    /// Changes what is set of one, and gives it as it is then. None if it is not there. One
    /// that is being deleted stays as it is.
    async fn change_namespace(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
        change: &NamespaceChange,
    ) -> Result<Option<Namespace>>;

    /// Says that one is being deleted, since `now` unless that was said before. None if it is
    /// not there.
    async fn mark_namespace_deleted(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
        now: Timestamp,
    ) -> Result<Option<Namespace>>;

    /// Removes one that is being deleted, with the settings of its task queues and its search
    /// attributes, if it has neither runs nor modules.
    async fn remove_namespace(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
    ) -> Result<Removal>;
}
