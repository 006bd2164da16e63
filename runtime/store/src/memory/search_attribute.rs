//! Search attributes that are registered.

use async_trait::async_trait;
use dacapo_model::ids::NamespaceName;
use dacapo_model::search_attribute::{RegisteredAttribute, SearchAttributeName};

use super::MemoryStore;
use crate::error::Result;
use crate::search_attribute::{Registration, SearchAttributeStore};
use crate::shard::Ownership;

#[async_trait]
impl SearchAttributeStore for MemoryStore {
    async fn register_search_attribute(
        &self,
        ownership: &Ownership,
        attribute: RegisteredAttribute,
        max: usize,
    ) -> Result<Registration> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        state.check_all_held(ownership)?;
        let of_namespace =
            state.search_attributes.values().filter(|it| it.namespace == attribute.namespace);
        let count = of_namespace.count();
        let place = (attribute.namespace.clone(), attribute.name.clone());
        let before = state.search_attributes.get(&place).cloned();
        let registration = Registration::decide(before, attribute.attribute_type, count, max);
        if registration == Registration::New {
            state.search_attributes.insert(place, attribute);
            state.search_attribute_changes += 1;
        }
        Ok(registration)
    }

    async fn remove_search_attribute(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &SearchAttributeName,
    ) -> Result<bool> {
        self.counters.add_statements(1);
        let mut state = self.state.lock();
        state.check_all_held(ownership)?;
        let place = (namespace.clone(), name.clone());
        let is_removed = state.search_attributes.remove(&place).is_some();
        state.search_attribute_changes += u64::from(is_removed);
        Ok(is_removed)
    }

    async fn search_attribute_changes(&self) -> Result<u64> {
        Ok(self.read(|state| state.search_attribute_changes))
    }

    async fn all_search_attributes(&self) -> Result<Vec<RegisteredAttribute>> {
        Ok(self.read(|state| state.search_attributes.values().cloned().collect()))
    }
}
