//! The search attributes that namespaces have registered (`search_attributes`).

use async_trait::async_trait;
use dacapo_model::ids::NamespaceName;
use dacapo_model::search_attribute::{
    RegisteredAttribute, SearchAttributeName, SearchAttributeType,
};

use crate::error::Result;
use crate::shard::Ownership;

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// It was not there before.
    New,
    /// It is as it was registered before, with the same type.
    Known(RegisteredAttribute),
    /// It is registered with another type, which stays.
    OtherType(RegisteredAttribute),
    /// The namespace has as many as it may have.
    Full,
}

impl Registration {
    /// What is decided of a name, of which there is `before`, in a namespace that has `count`.
    pub fn decide(
        before: Option<RegisteredAttribute>,
        attribute_type: SearchAttributeType,
        count: usize,
        max: usize,
    ) -> Self {
        match before {
            Some(before) if before.attribute_type == attribute_type => Self::Known(before),
            Some(before) => Self::OtherType(before),
            None if count >= max => Self::Full,
            None => Self::New,
        }
    }
}

/// Keeping them.
#[async_trait]
pub trait SearchAttributeStore: Send + Sync {
    /// Registers one, unless the name is registered, or the namespace has `max` already.
    /// Registrations come one after the other.
    ///
    /// [`Fenced`](crate::error::StoreError::Fenced), and nothing was written, if a shard is
    /// not held under its epoch any more.
    async fn register_search_attribute(
        &self,
        ownership: &Ownership,
        attribute: RegisteredAttribute,
        max: usize,
    ) -> Result<Registration>;

    /// Removes one. False if it was not there. Fenced likewise. Values in the rows of runs
    /// stay.
    async fn remove_search_attribute(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &SearchAttributeName,
    ) -> Result<bool>;

    /// How often they have changed. As long as it is the same number,
    /// [`Self::all_search_attributes`] finds the same.
    async fn search_attribute_changes(&self) -> Result<u64>;

    /// Those of all namespaces, by namespace and name.
    async fn all_search_attributes(&self) -> Result<Vec<RegisteredAttribute>>;
}
