//! Search attributes that namespaces have registered.

use std::sync::Arc;

use dacapo_model::search_attribute::{
    RegisteredAttribute, SearchAttributeName, SearchAttributeType,
};

use super::fixtures::*;
use crate::Store;
use crate::error::StoreError;
use crate::search_attribute::Registration;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("search_attribute.rs");

const MANY: usize = 100;

fn attribute(
    namespace_name: &str,
    name: &str,
    attribute_type: SearchAttributeType,
) -> RegisteredAttribute {
    RegisteredAttribute {
        namespace: namespace(namespace_name),
        name: attribute_name(name),
        attribute_type,
        created_at: at(17),
    }
}

fn attribute_name(name: &str) -> SearchAttributeName {
    SearchAttributeName::new(name).expect("a valid name")
}

impl Owned {
    async fn register(&self, attribute: &RegisteredAttribute, max: usize) -> Registration {
        let store = &self.store;
        let registered = store.register_search_attribute(&self.ownership, attribute.clone(), max);
        registered.await.expect("writes")
    }

    async fn remove(&self, namespace_name: &str, name: &str) -> bool {
        let (namespace, name) = (namespace(namespace_name), attribute_name(name));
        let removed = self.store.remove_search_attribute(&self.ownership, &namespace, &name);
        removed.await.expect("writes")
    }

    async fn registered(&self) -> Vec<RegisteredAttribute> {
        self.store.all_search_attributes().await.expect("reads")
    }
}

/// Of every type, and by namespace and name.
pub async fn registered_search_attributes_are_listed_in_order(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let mut all: Vec<_> = SearchAttributeType::ALL
        .into_iter()
        .map(|it| attribute("default", &format!("of_{it}"), it))
        .collect();
    all.push(attribute("other", "of_bool", SearchAttributeType::Text));
    for attribute in all.iter().rev() {
        assert_eq!(owned.register(attribute, MANY).await, Registration::New);
    }
    all.sort_by_key(|it| (it.namespace.clone(), it.name.clone()));
    assert_eq!(owned.registered().await, all);
}

/// Only removing it makes way for another one.
pub async fn a_search_attribute_keeps_its_type(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let first = attribute("default", "tier", SearchAttributeType::Keyword);
    assert_eq!(owned.register(&first, MANY).await, Registration::New);
    let later = RegisteredAttribute { created_at: at(99), ..first.clone() };
    assert_eq!(owned.register(&later, MANY).await, Registration::Known(first.clone()));
    let other = attribute("default", "tier", SearchAttributeType::Int);
    assert_eq!(owned.register(&other, MANY).await, Registration::OtherType(first.clone()));
    assert_eq!(owned.registered().await, [first]);
    assert!(owned.remove("default", "tier").await);
    assert!(!owned.remove("default", "tier").await, "it is gone");
    assert_eq!(owned.register(&other, MANY).await, Registration::New);
    assert_eq!(owned.registered().await, [other]);
}

/// Each namespace for itself, and also those who register at the same time.
pub async fn a_namespace_has_only_so_many_search_attributes(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let names = ["a", "b", "c", "d", "e", "f"];
    let attributes = names.map(|name| attribute("default", name, SearchAttributeType::Int));
    let elsewhere = attribute("other", "x", SearchAttributeType::Int);
    assert_eq!(owned.register(&elsewhere, 2).await, Registration::New);
    let registrations = attributes.map(|attribute| {
        let owned = owned.clone();
        tokio::spawn(async move { owned.register(&attribute, 2).await })
    });
    let mut outcomes = Vec::new();
    for registration in registrations {
        outcomes.push(registration.await.expect("no panic"));
    }
    outcomes.retain(|outcome| *outcome == Registration::New);
    assert_eq!(outcomes.len(), 2);
    let there = owned.registered().await;
    assert_eq!(there.len(), 3);
    assert_eq!(owned.register(&there[0], 2).await, Registration::Known(there[0].clone()));
}

/// Whoever has read them finds out by the number alone.
pub async fn changes_of_search_attributes_are_counted(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let changes = async || owned.store.search_attribute_changes().await.expect("reads");
    let before = changes().await;
    let first = attribute("default", "tier", SearchAttributeType::Keyword);
    owned.register(&first, MANY).await;
    let registered = changes().await;
    assert!(registered > before);
    owned.remove("default", "tier").await;
    assert!(changes().await > registered);
}

/// Neither registers nor removes: the next owner has read them.
pub async fn a_former_owner_changes_no_search_attribute(store: Arc<dyn Store>) {
    let former = Owned::of(store.clone()).await;
    let tier = attribute("default", "tier", SearchAttributeType::Keyword);
    former.register(&tier, MANY).await;
    store.acquire_all_shards(node(2)).await.expect("takes the shards");
    let other = attribute("default", "other", SearchAttributeType::Keyword);
    let registered = store.register_search_attribute(&former.ownership, other, MANY).await;
    assert!(matches!(registered, Err(StoreError::Fenced { .. })), "{registered:?}");
    let removed =
        store.remove_search_attribute(&former.ownership, &tier.namespace, &tier.name).await;
    assert!(matches!(removed, Err(StoreError::Fenced { .. })), "{removed:?}");
    assert_eq!(store.all_search_attributes().await.expect("reads"), [tier]);
}
