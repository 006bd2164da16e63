//! Who clients are, the keys by which they say so, and the log of what they changed.
//!
//! These are no operations of a namespace: a key may open several.

use dacapo_model::access::{ApiKey, ApiKeyId, ApiKeySecret, AuditEntry};
use dacapo_model::ids::NamespaceName;
pub use dacapo_store::access::{AuditFilter, NumberedEntry};

use crate::Runtime;
use crate::access::{self, Caller, NewApiKey, make_api_key, remove_api_key};
use crate::error::Result;
use crate::tenancy::Principal;

impl Runtime {
    /// Who brings this key; none if it is nobody's, or its time is over. Unavailable while
    /// the store can't say which keys there are.
    pub async fn authenticate(&self, secret: &ApiKeySecret) -> Result<Option<Principal>> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let Some(client) = shared.api_keys.recognise(secret.hash(), now).await? else {
            return Ok(None);
        };
        if shared.api_keys.notes_use(&client.key, now) {
            let (store, id) = (shared.store.clone(), client.key.clone());
            shared.life.spawn_until_halted(async move {
                if let Err(error) = store.note_api_key_use(&id, now).await {
                    tracing::debug!(%error, "the use of a key could not be noted");
                }
            });
        }
        Ok(Some(Principal::Client(client)))
    }

    /// Writes into the log what a client asks for, before it is done.
    pub async fn audit(&self, entry: AuditEntry) -> Result<()> {
        let shared = &self.shared;
        shared.admit_write()?;
        let at = entry.at;
        shared.store.append_audit(entry).await?;
        if shared.audit_trail.is_due(at) {
            let store = shared.store.clone();
            shared.life.spawn_until_halted(async move {
                if let Err(error) = access::trim(&*store, at).await {
                    tracing::warn!(%error, "old entries of the audit log could not be removed");
                }
            });
        }
        Ok(())
    }

    /// What the log says of something that is asked for now.
    pub fn audit_entry(
        &self,
        by: &Caller,
        action: &str,
        namespace: Option<&NamespaceName>,
        target: &str,
    ) -> AuditEntry {
        by.entry(self.shared.clock.now(), action, namespace, target)
    }

    /// Entries of the log, the newest first.
    pub async fn list_audit(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<NumberedEntry>> {
        self.shared.admit()?;
        Ok(self.shared.store.audit_entries(filter, limit).await?)
    }

    /// Makes a key, which is given back this once.
    pub async fn create_api_key(
        &self,
        by: &Caller,
        new: NewApiKey,
    ) -> Result<(ApiKeySecret, ApiKey)> {
        let shared = &self.shared;
        shared.admit_write()?;
        let made = make_api_key(&*shared.store, new, by, shared.clock.now()).await?;
        // It is there, whether or not this node finds out now.
        let _ = shared.api_keys.catch_up().await;
        Ok(made)
    }

    /// The keys that the caller administers, the oldest first.
    pub async fn list_api_keys(&self, by: &Principal) -> Result<Vec<ApiKey>> {
        self.shared.admit()?;
        let mut keys = self.shared.store.api_keys().await?;
        keys.retain(|key| by.administers(&key.grants));
        Ok(keys)
    }

    /// Revokes a key: from the answer on it is refused here, and a second later everywhere.
    pub async fn revoke_api_key(&self, by: &Caller, id: &ApiKeyId) -> Result<()> {
        let shared = &self.shared;
        shared.admit_write()?;
        remove_api_key(&*shared.store, id, by, shared.clock.now()).await?;
        shared.api_keys.catch_up().await
    }

    /// Whether there is a key at all.
    pub async fn has_api_keys(&self) -> Result<bool> {
        Ok(!self.shared.store.api_keys().await?.is_empty())
    }
}
