//! Calls about access, passed on except where the script says otherwise.

use async_trait::async_trait;
use dacapo_model::access::{ApiKey, ApiKeyId, AuditEntry};
use dacapo_model::time::Timestamp;

use super::{FaultyStore, Operation};
use crate::access::{AccessStore, AuditFilter, NumberedEntry};
use crate::error::Result;

#[async_trait]
impl AccessStore for FaultyStore {
    async fn create_api_key(&self, key: ApiKey, changes: u64, entry: AuditEntry) -> Result<bool> {
        self.call(Operation::CreateApiKey, async |_| {
            self.inner.create_api_key(key, changes, entry).await
        })
        .await
    }

    async fn revoke_api_key(&self, id: &ApiKeyId, entry: AuditEntry) -> Result<bool> {
        self.call(Operation::RevokeApiKey, async |_| self.inner.revoke_api_key(id, entry).await)
            .await
    }

    async fn note_api_key_use(&self, id: &ApiKeyId, at: Timestamp) -> Result<()> {
        self.call(Operation::NoteApiKeyUse, async |_| self.inner.note_api_key_use(id, at).await)
            .await
    }

    async fn api_key_changes(&self) -> Result<u64> {
        self.call(Operation::ApiKeyChanges, async |_| self.inner.api_key_changes().await).await
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>> {
        self.call(Operation::ApiKeys, async |_| self.inner.api_keys().await).await
    }

    async fn append_audit(&self, entry: AuditEntry) -> Result<()> {
        self.call(Operation::AppendAudit, async |_| self.inner.append_audit(entry).await).await
    }

    async fn audit_entries(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<NumberedEntry>> {
        self.call(Operation::AuditEntries, async |_| self.inner.audit_entries(filter, limit).await)
            .await
    }

    async fn trim_audit(&self, older_than: Timestamp, limit: u32) -> Result<u64> {
        self.call(Operation::TrimAudit, async |_| self.inner.trim_audit(older_than, limit).await)
            .await
    }
}
