//! Calls about namespaces, passed on except where the script says otherwise.

use async_trait::async_trait;
use dacapo_model::ids::NamespaceName;
use dacapo_model::namespace::{Namespace, NamespaceChange};
use dacapo_model::time::Timestamp;

use super::{FaultyStore, Operation};
use crate::error::Result;
use crate::namespace::{Creation, NamespaceStore, Removal};
use crate::shard::Ownership;

#[async_trait]
impl NamespaceStore for FaultyStore {
    async fn namespaces(&self) -> Result<Vec<Namespace>> {
        self.call(Operation::Namespaces, async |_| self.inner.namespaces().await).await
    }

    async fn namespace_changes(&self) -> Result<u64> {
        self.call(Operation::NamespaceChanges, async |_| self.inner.namespace_changes().await).await
    }

    async fn create_namespace(
        &self,
        ownership: &Ownership,
        namespace: &Namespace,
        max: usize,
    ) -> Result<Creation> {
        self.call(Operation::CreateNamespace, async |_| {
            self.inner.create_namespace(ownership, namespace, max).await
        })
        .await
    }

    async fn change_namespace(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
        change: &NamespaceChange,
    ) -> Result<Option<Namespace>> {
        self.call(Operation::ChangeNamespace, async |_| {
            self.inner.change_namespace(ownership, name, change).await
        })
        .await
    }

    async fn mark_namespace_deleted(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
        now: Timestamp,
    ) -> Result<Option<Namespace>> {
        self.call(Operation::MarkNamespaceDeleted, async |_| {
            self.inner.mark_namespace_deleted(ownership, name, now).await
        })
        .await
    }

    async fn remove_namespace(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
    ) -> Result<Removal> {
        self.call(Operation::RemoveNamespace, async |_| {
            self.inner.remove_namespace(ownership, name).await
        })
        .await
    }
}
