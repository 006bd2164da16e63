//! What holds no data of workflows: passed on.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dacapo_model::access::{ApiKey, ApiKeyId, AuditEntry};
use dacapo_model::ids::{ModuleName, NamespaceName, QueueName, RunKey, WorkflowHash};
use dacapo_model::module::{ModuleDigest, ModuleVersion};
use dacapo_model::namespace::{Namespace, NamespaceChange};
use dacapo_model::queue_limits::QueueLimits;
use dacapo_model::search_attribute::{RegisteredAttribute, SearchAttributeName};
use dacapo_model::time::Timestamp;
use dacapo_store::access::{AccessStore, AuditFilter, NumberedEntry};
use dacapo_store::allowance::QueueUse;
use dacapo_store::deletion::{ClosedRun, DeletionStore, ModuleDeletion, RunDeletion};
use dacapo_store::encryption_key::{EncryptionKey, EncryptionKeyStore};
use dacapo_store::error::Result;
use dacapo_store::module::{ModuleStore, NewModule};
use dacapo_store::namespace::{Creation, NamespaceStore, Removal};
use dacapo_store::probe::ProbeStore;
use dacapo_store::queue_settings::{QueueSettings, QueueSettingsStore, SettingsChange};
use dacapo_store::search_attribute::{Registration, SearchAttributeStore};
use dacapo_store::shard::{NodeId, Owner, Ownership, ShardStore};
use dacapo_store::statistics::{Statistics, StatisticsStore};

use crate::EncryptedStore;

#[async_trait]
impl AccessStore for EncryptedStore {
    async fn create_api_key(&self, key: ApiKey, changes: u64, entry: AuditEntry) -> Result<bool> {
        self.inner.create_api_key(key, changes, entry).await
    }

    async fn revoke_api_key(&self, id: &ApiKeyId, entry: AuditEntry) -> Result<bool> {
        self.inner.revoke_api_key(id, entry).await
    }

    async fn note_api_key_use(&self, id: &ApiKeyId, at: Timestamp) -> Result<()> {
        self.inner.note_api_key_use(id, at).await
    }

    async fn api_key_changes(&self) -> Result<u64> {
        self.inner.api_key_changes().await
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>> {
        self.inner.api_keys().await
    }

    async fn append_audit(&self, entry: AuditEntry) -> Result<()> {
        self.inner.append_audit(entry).await
    }

    async fn audit_entries(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<NumberedEntry>> {
        self.inner.audit_entries(filter, limit).await
    }

    async fn trim_audit(&self, older_than: Timestamp, limit: u32) -> Result<u64> {
        self.inner.trim_audit(older_than, limit).await
    }
}

#[async_trait]
impl DeletionStore for EncryptedStore {
    async fn closed_runs(
        &self,
        namespace: &NamespaceName,
        before: Timestamp,
        after: Option<ClosedRun>,
        limit: u32,
    ) -> Result<Vec<ClosedRun>> {
        self.inner.closed_runs(namespace, before, after, limit).await
    }

    async fn delete_run(&self, ownership: &Ownership, key: RunKey) -> Result<RunDeletion> {
        self.inner.delete_run(ownership, key).await
    }

    async fn delete_modules(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &ModuleName,
        version: Option<u32>,
    ) -> Result<ModuleDeletion> {
        self.inner.delete_modules(ownership, namespace, name, version).await
    }
}

#[async_trait]
impl ModuleStore for EncryptedStore {
    async fn put_module(
        &self,
        ownership: &Ownership,
        module: NewModule,
    ) -> Result<(ModuleVersion, bool)> {
        self.inner.put_module(ownership, module).await
    }

    async fn module_changes(&self) -> Result<u64> {
        self.inner.module_changes().await
    }

    async fn all_modules(&self) -> Result<Vec<ModuleVersion>> {
        self.inner.all_modules().await
    }

    async fn module_bytes(&self, digest: ModuleDigest) -> Result<Option<Bytes>> {
        self.inner.module_bytes(digest).await
    }
}

#[async_trait]
impl NamespaceStore for EncryptedStore {
    async fn namespaces(&self) -> Result<Vec<Namespace>> {
        self.inner.namespaces().await
    }

    async fn namespace_changes(&self) -> Result<u64> {
        self.inner.namespace_changes().await
    }

    async fn create_namespace(
        &self,
        ownership: &Ownership,
        namespace: &Namespace,
        max: usize,
    ) -> Result<Creation> {
        self.inner.create_namespace(ownership, namespace, max).await
    }

    async fn change_namespace(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
        change: &NamespaceChange,
    ) -> Result<Option<Namespace>> {
        self.inner.change_namespace(ownership, name, change).await
    }

    async fn mark_namespace_deleted(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
        now: Timestamp,
    ) -> Result<Option<Namespace>> {
        self.inner.mark_namespace_deleted(ownership, name, now).await
    }

    async fn remove_namespace(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
    ) -> Result<Removal> {
        self.inner.remove_namespace(ownership, name).await
    }
}

#[async_trait]
impl ProbeStore for EncryptedStore {
    async fn probe_write(&self) -> Result<()> {
        self.inner.probe_write().await
    }
}

#[async_trait]
impl QueueSettingsStore for EncryptedStore {
    async fn change_queue_settings(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        queue: &QueueName,
        change: &SettingsChange,
        now: Timestamp,
    ) -> Result<QueueSettings> {
        self.inner.change_queue_settings(ownership, namespace, queue, change, now).await
    }

    async fn queue_use(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
        limits: &QueueLimits,
        now: Timestamp,
    ) -> Result<QueueUse> {
        self.inner.queue_use(namespace, queue, limits, now).await
    }

    async fn all_queue_settings(&self) -> Result<Vec<QueueSettings>> {
        self.inner.all_queue_settings().await
    }
}

#[async_trait]
impl SearchAttributeStore for EncryptedStore {
    async fn register_search_attribute(
        &self,
        ownership: &Ownership,
        attribute: RegisteredAttribute,
        max: usize,
    ) -> Result<Registration> {
        self.inner.register_search_attribute(ownership, attribute, max).await
    }

    async fn remove_search_attribute(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &SearchAttributeName,
    ) -> Result<bool> {
        self.inner.remove_search_attribute(ownership, namespace, name).await
    }

    async fn search_attribute_changes(&self) -> Result<u64> {
        self.inner.search_attribute_changes().await
    }

    async fn all_search_attributes(&self) -> Result<Vec<RegisteredAttribute>> {
        self.inner.all_search_attributes().await
    }
}

#[async_trait]
impl ShardStore for EncryptedStore {
    async fn acquire_all_shards(&self, node: NodeId) -> Result<Ownership> {
        self.inner.acquire_all_shards(node).await
    }

    async fn acquire_shards_after(
        &self,
        node: NodeId,
        lease: Duration,
        before: Option<NodeId>,
    ) -> Result<Option<Ownership>> {
        self.inner.acquire_shards_after(node, lease, before).await
    }

    async fn owner(&self) -> Result<Option<Owner>> {
        self.inner.owner().await
    }

    async fn renew_lease(&self, ownership: &Ownership, lease: Duration) -> Result<()> {
        self.inner.renew_lease(ownership, lease).await
    }

    async fn lease_session_lives(&self) -> bool {
        self.inner.lease_session_lives().await
    }

    async fn release_lease(&self, node: NodeId) -> Result<()> {
        self.inner.release_lease(node).await
    }

    async fn check_held(&self, ownership: &Ownership, hashes: &[WorkflowHash]) -> Result<()> {
        self.inner.check_held(ownership, hashes).await
    }

    async fn shard_owners(&self) -> Result<Vec<(u16, u64, Option<NodeId>)>> {
        self.inner.shard_owners().await
    }
}

#[async_trait]
impl EncryptionKeyStore for EncryptedStore {
    async fn encryption_keys(&self) -> Result<Vec<EncryptionKey>> {
        self.inner.encryption_keys().await
    }

    async fn add_encryption_key(&self, key: &EncryptionKey) -> Result<()> {
        self.inner.add_encryption_key(key).await
    }
}

impl StatisticsStore for EncryptedStore {
    fn statistics(&self) -> Statistics {
        self.inner.statistics()
    }
}
