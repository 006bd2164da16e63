//! Keys to the API, and the log of what was done with them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use dacapo_model::access::{ApiKey, ApiKeyId, AuditEntry};
use dacapo_model::ids::NamespaceName;
use dacapo_model::time::Timestamp;

use super::{MemoryStore, State};
use crate::access::{AccessStore, AuditFilter, NumberedEntry};
use crate::error::Result;

/// Both tables, and what is counted of them.
#[derive(Clone, Default)]
pub(super) struct Access {
    keys: BTreeMap<ApiKeyId, ApiKey>,
    key_changes: u64,
    audit: BTreeMap<u64, AuditEntry>,
    audit_number: u64,
}

impl Access {
    /// Nobody has what they had of it, should another namespace get its name.
    pub(super) fn forget_namespace(&mut self, name: &NamespaceName) {
        self.keys.retain(|_, key| match key.grants.without(name) {
            Some(grants) => {
                key.grants = grants;
                true
            }
            None => false,
        });
        self.key_changes += 1;
    }
}

impl State {
    fn append_audit(&mut self, entry: AuditEntry) {
        self.access.audit_number += 1;
        self.access.audit.insert(self.access.audit_number, entry);
    }
}

#[async_trait]
impl AccessStore for MemoryStore {
    async fn create_api_key(&self, key: ApiKey, changes: u64, entry: AuditEntry) -> Result<bool> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        if state.access.key_changes != changes {
            return Ok(false);
        }
        state.access.keys.insert(key.id.clone(), key);
        state.access.key_changes += 1;
        state.append_audit(entry);
        Ok(true)
    }

    async fn revoke_api_key(&self, id: &ApiKeyId, entry: AuditEntry) -> Result<bool> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        if state.access.keys.remove(id).is_none() {
            return Ok(false);
        }
        state.access.key_changes += 1;
        state.append_audit(entry);
        Ok(true)
    }

    async fn note_api_key_use(&self, id: &ApiKeyId, at: Timestamp) -> Result<()> {
        self.counters.add_statements(1);
        if let Some(key) = self.state.lock().access.keys.get_mut(id) {
            key.last_used_at = key.last_used_at.max(Some(at));
        }
        Ok(())
    }

    async fn api_key_changes(&self) -> Result<u64> {
        Ok(self.read(|state| state.access.key_changes))
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>> {
        let mut keys: Vec<ApiKey> =
            self.read(|state| state.access.keys.values().cloned().collect());
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(keys)
    }

    async fn append_audit(&self, entry: AuditEntry) -> Result<()> {
        self.counters.add_statements(1);
        self.state.lock().append_audit(entry);
        Ok(())
    }

    async fn audit_entries(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<NumberedEntry>> {
        let namespace = filter.namespace.as_ref().map(|it| it.as_str());
        let fits = |entry: &AuditEntry| {
            namespace.is_none_or(|namespace| entry.namespace.as_deref() == Some(namespace))
        };
        Ok(self.read(|state| {
            let before = state.access.audit.range(..filter.before.unwrap_or(u64::MAX)).rev();
            let found = before.filter(|(_, entry)| fits(entry)).take(limit as usize);
            found
                .map(|(number, entry)| NumberedEntry { number: *number, entry: entry.clone() })
                .collect()
        }))
    }

    async fn trim_audit(&self, older_than: Timestamp, limit: u32) -> Result<u64> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        let old = state.access.audit.iter().filter(|(_, entry)| entry.at < older_than);
        let old: Vec<u64> = old.map(|(number, _)| *number).take(limit as usize).collect();
        old.iter().for_each(|number| drop(state.access.audit.remove(number)));
        Ok(old.len() as u64)
    }
}
