//! Keys to the API, and the log of what was done with them (`api_keys`, `audit_log`).
//!
//! Nobody owns them: each server, and whoever is at the database, changes them for all. So no
//! epoch guards them.

use async_trait::async_trait;
use dacapo_model::access::{ApiKey, ApiKeyId, AuditEntry};
use dacapo_model::ids::NamespaceName;
use dacapo_model::time::Timestamp;

use crate::error::Result;

/// An entry of the log, and its number: later ones have higher numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedEntry {
    /// Grows, with gaps.
    pub number: u64,
    /// What was done.
    pub entry: AuditEntry,
}

/// Which entries to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Those of one namespace.
    pub namespace: Option<NamespaceName>,
    /// Those with lower numbers.
    pub before: Option<u64>,
}

/// Keeping them.
#[async_trait]
pub trait AccessStore: Send + Sync {
    /// Keeps a key, and says so in the log, both or neither. False, and nothing was written,
    /// if [`Self::api_key_changes`] is not `changes` any more: what its maker knew of keys and
    /// namespaces may not be true now. Those who make keys come one after the other.
    async fn create_api_key(&self, key: ApiKey, changes: u64, entry: AuditEntry) -> Result<bool>;

    /// Removes a key, and says so in the log, both or neither. False, and nothing was
    /// written, if there is no such key.
    async fn revoke_api_key(&self, id: &ApiKeyId, entry: AuditEntry) -> Result<bool>;

    /// Notes when a key was used, unless it was used later, or is gone. No change as
    /// [`Self::api_key_changes`] counts them.
    async fn note_api_key_use(&self, id: &ApiKeyId, at: Timestamp) -> Result<()>;

    /// How often keys have come or gone, and namespaces gone. As long as it is the same number,
    /// [`Self::api_keys`] finds the same, but for when they were used.
    async fn api_key_changes(&self) -> Result<u64>;

    /// All keys, the oldest first.
    async fn api_keys(&self) -> Result<Vec<ApiKey>>;

    /// Adds an entry to the log.
    async fn append_audit(&self, entry: AuditEntry) -> Result<()>;

    /// Reads entries, the newest first, at most `limit`.
    async fn audit_entries(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<NumberedEntry>>;

    /// Removes entries that are older, at most `limit`. Says how many that were.
    async fn trim_audit(&self, older_than: Timestamp, limit: u32) -> Result<u64>;
}
