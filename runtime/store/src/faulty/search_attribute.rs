//! Calls about search attributes, passed on except where the script says otherwise.

use async_trait::async_trait;
use dacapo_model::ids::NamespaceName;
use dacapo_model::search_attribute::{RegisteredAttribute, SearchAttributeName};

use super::{FaultyStore, Operation};
use crate::error::Result;
use crate::search_attribute::{Registration, SearchAttributeStore};
use crate::shard::Ownership;

#[async_trait]
impl SearchAttributeStore for FaultyStore {
    async fn register_search_attribute(
        &self,
        ownership: &Ownership,
        attribute: RegisteredAttribute,
        max: usize,
    ) -> Result<Registration> {
        self.call(Operation::RegisterSearchAttribute, async |_| {
            self.inner.register_search_attribute(ownership, attribute, max).await
        })
        .await
    }

    async fn remove_search_attribute(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &SearchAttributeName,
    ) -> Result<bool> {
        self.call(Operation::RemoveSearchAttribute, async |_| {
            self.inner.remove_search_attribute(ownership, namespace, name).await
        })
        .await
    }

    async fn search_attribute_changes(&self) -> Result<u64> {
        self.call(Operation::SearchAttributeChanges, async |_| {
            self.inner.search_attribute_changes().await
        })
        .await
    }

    async fn all_search_attributes(&self) -> Result<Vec<RegisteredAttribute>> {
        self.call(Operation::AllSearchAttributes, async |_| {
            self.inner.all_search_attributes().await
        })
        .await
    }
}
