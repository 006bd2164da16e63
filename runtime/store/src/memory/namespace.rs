//! Namespaces.

use async_trait::async_trait;
use dacapo_model::ids::NamespaceName;
use dacapo_model::namespace::{Namespace, NamespaceChange};
use dacapo_model::time::Timestamp;

use super::MemoryStore;
use crate::error::Result;
use crate::namespace::{Creation, NamespaceStore, Removal};
use crate::shard::Ownership;

#[async_trait]
impl NamespaceStore for MemoryStore {
    async fn namespaces(&self) -> Result<Vec<Namespace>> {
        Ok(self.read(|state| state.namespaces.values().cloned().collect()))
    }

    async fn namespace_changes(&self) -> Result<u64> {
        Ok(self.read(|state| state.namespace_changes))
    }

    async fn create_namespace(
        &self,
        ownership: &Ownership,
        namespace: &Namespace,
        max: usize,
    ) -> Result<Creation> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        state.check_all_held(ownership)?;
        if let Some(there) = state.namespaces.get(&namespace.name) {
            return Ok(Creation::There(Box::new(there.clone())));
        }
        if state.namespaces.len() >= max {
            return Ok(Creation::Full);
        }
        state.namespaces.insert(namespace.name.clone(), namespace.clone());
        state.namespace_changes += 1;
        Ok(Creation::New)
    }

    async fn change_namespace(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
        change: &NamespaceChange,
    ) -> Result<Option<Namespace>> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        state.check_all_held(ownership)?;
        let Some(namespace) = state.namespaces.get_mut(name) else {
            return Ok(None);
        };
        if namespace.deleted_at.is_none() {
            namespace.settings = change.of(std::mem::take(&mut namespace.settings));
        }
        let changed = namespace.clone();
        state.namespace_changes += 1;
        Ok(Some(changed))
    }

    async fn mark_namespace_deleted(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
        now: Timestamp,
    ) -> Result<Option<Namespace>> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        state.check_all_held(ownership)?;
        let Some(namespace) = state.namespaces.get_mut(name) else {
            return Ok(None);
        };
        namespace.deleted_at.get_or_insert(now);
        let marked = namespace.clone();
        state.namespace_changes += 1;
        Ok(Some(marked))
    }

    async fn remove_namespace(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
    ) -> Result<Removal> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        state.check_all_held(ownership)?;
        let Some(namespace) = state.namespaces.get(name) else {
            return Ok(Removal::Unknown);
        };
        if namespace.deleted_at.is_none()
            || state.executions.values().any(|run| run.namespace == *name)
            || state.modules.iter().any(|module| module.namespace == *name)
        {
            return Ok(Removal::InUse);
        }
        state.namespaces.remove(name);
        state.namespace_changes += 1;
        state.queue_settings.retain(|(namespace, _), _| namespace != name);
        state.queue_rates.retain(|((namespace, _), _), _| namespace != name);
        state.search_attributes.retain(|(namespace, _), _| namespace != name);
        state.search_attribute_changes += 1;
        state.access.forget_namespace(name);
        Ok(Removal::Removed)
    }
}
