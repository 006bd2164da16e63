//! Namespaces.

use std::sync::Arc;

use bytes::Bytes;
use dacapo_model::access::{ApiKey, ApiKeySecret, AuditEntry, Grants};
use dacapo_model::ids::{ModuleName, NamespaceName, QueueName, WorkflowHash};
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_model::namespace::{Namespace, NamespaceChange, NamespaceLimits, NamespaceSettings};
use dacapo_model::queue_limits::{Concurrency, Rate};
use dacapo_model::search_attribute::{
    RegisteredAttribute, SearchAttributeName, SearchAttributeType,
};

use super::fixtures::*;
use crate::Store;
use crate::error::StoreError;
use crate::module::NewModule;
use crate::namespace::{Creation, Removal};
use crate::queue_settings::SettingsChange;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("namespace.rs");

const MANY: usize = 100;

fn settings() -> NamespaceSettings {
    let number = std::num::NonZeroU64::new;
    NamespaceSettings {
        retention_seconds: Some(86_400),
        limits: NamespaceLimits {
            open_runs_max: number(100),
            start_rate: Some(Rate::new(2.5, Some(10)).expect("valid")),
            activities_max: number(8),
            payload_bytes_max: number(1_000),
            history_events_max: number(2_000),
            history_bytes_max: number(3_000),
            module_bytes_max: number(4_000),
        },
        allowed_hosts: Some(vec!["*.example.com".to_owned(), "[::1]:80".to_owned()]),
        secrets: Some(vec!["KEY".to_owned()]),
    }
}

fn made(name: &str) -> Namespace {
    let name = namespace(name);
    Namespace { name, settings: settings(), created_at: at(17), deleted_at: None }
}

impl Owned {
    async fn create(&self, namespace: &Namespace, max: usize) -> Creation {
        let created = self.store.create_namespace(&self.ownership, namespace, max);
        created.await.expect("writes")
    }

    async fn change(&self, name: &NamespaceName, change: &NamespaceChange) -> Option<Namespace> {
        let changed = self.store.change_namespace(&self.ownership, name, change);
        changed.await.expect("writes")
    }

    async fn mark(&self, name: &NamespaceName, seconds: i64) -> Option<Namespace> {
        let marked = self.store.mark_namespace_deleted(&self.ownership, name, at(seconds));
        marked.await.expect("writes")
    }

    async fn remove_namespace(&self, name: &NamespaceName) -> Removal {
        self.store.remove_namespace(&self.ownership, name).await.expect("writes")
    }

    /// Without the one that every store has.
    async fn made(&self) -> Vec<Namespace> {
        let mut all = self.store.namespaces().await.expect("lists");
        all.retain(|namespace| namespace.name != default_namespace());
        all
    }
}

/// Made by the first migration. Nothing is set of it.
pub async fn there_is_a_default_namespace(store: Arc<dyn Store>) {
    let all = store.namespaces().await.expect("lists");
    let [there] = all.try_into().expect("there is one");
    assert_eq!(there.name, default_namespace());
    assert_eq!(there.settings, NamespaceSettings::default());
    assert_eq!(there.deleted_at, None);
}

/// With all that is set of them, by name.
pub async fn namespaces_are_made_and_listed(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let plain = Namespace { settings: NamespaceSettings::default(), ..made("b") };
    assert_eq!(owned.create(&plain, MANY).await, Creation::New);
    assert_eq!(owned.create(&made("a"), MANY).await, Creation::New);
    assert_eq!(owned.made().await, [made("a"), plain]);
}

/// The one that is there stays as it is.
pub async fn a_name_has_one_namespace(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    owned.create(&made("a"), MANY).await;
    let again = Namespace { created_at: at(99), ..made("a") };
    assert_eq!(owned.create(&again, MANY).await, Creation::There(Box::new(made("a"))));
    assert_eq!(owned.made().await, [made("a")]);
}

/// Also if they are made at the same time.
pub async fn there_are_only_so_many_namespaces(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let creations = ["a", "b", "c", "d", "e", "f"].map(|name| {
        let owned = owned.clone();
        tokio::spawn(async move { owned.create(&made(name), 3).await })
    });
    let mut outcomes = Vec::new();
    for creation in creations {
        outcomes.push(creation.await.expect("no panic"));
    }
    let new = outcomes.iter().filter(|outcome| **outcome == Creation::New);
    assert_eq!(new.count(), 2, "the default is one of the three");
    assert!(outcomes.contains(&Creation::Full));
}

/// What is not named stays, whoever changes something else at the same time.
pub async fn settings_of_a_namespace_are_changed_one_by_one(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    owned.create(&made("a"), MANY).await;
    let name = namespace("a");
    let one = NamespaceChange { retention_seconds: Some(None), ..NamespaceChange::default() };
    let other = NamespaceChange { secrets: Some(Some(Vec::new())), ..NamespaceChange::default() };
    let (first, second) = tokio::join!(owned.change(&name, &one), owned.change(&name, &other));
    assert!(first.is_some() && second.is_some());
    let expected = other.of(one.of(settings()));
    let changed = owned.made().await.remove(0);
    assert_eq!(changed, Namespace { settings: expected, ..made("a") });
    assert_eq!(owned.change(&namespace("b"), &one).await, None);
}

/// From the first time on, and nothing is changed of it any more.
pub async fn a_namespace_is_marked_as_deleted_once(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    owned.create(&made("a"), MANY).await;
    let name = namespace("a");
    let marked = Namespace { deleted_at: Some(at(20)), ..made("a") };
    assert_eq!(owned.mark(&name, 20).await.as_ref(), Some(&marked));
    assert_eq!(owned.mark(&name, 30).await.as_ref(), Some(&marked));
    let change = NamespaceChange { retention_seconds: Some(None), ..NamespaceChange::default() };
    assert_eq!(owned.change(&name, &change).await.as_ref(), Some(&marked));
    assert_eq!(owned.create(&made("a"), MANY).await, Creation::There(Box::new(marked.clone())));
    assert_eq!(owned.made().await, [marked]);
    assert_eq!(owned.mark(&namespace("b"), 20).await, None);
}

/// With what is set in it, and of no other.
pub async fn a_namespace_is_removed_with_what_is_set_in_it(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let queue = QueueName::new("q").expect("valid");
    let concurrency = Some(Some(Concurrency::new(3).expect("valid")));
    let limited = SettingsChange { concurrency, ..SettingsChange::default() };
    for name in ["a", "b"] {
        owned.create(&made(name), MANY).await;
        let (store, name) = (&owned.store, namespace(name));
        let set =
            store.change_queue_settings(&owned.ownership, &name, &queue, &limited, at(18)).await;
        set.expect("writes");
        let attribute = RegisteredAttribute {
            namespace: name,
            name: SearchAttributeName::new("tier").expect("valid"),
            attribute_type: SearchAttributeType::Int,
            created_at: at(18),
        };
        let registered = store.register_search_attribute(&owned.ownership, attribute, MANY).await;
        registered.expect("writes");
    }
    let name = namespace("a");
    assert_eq!(owned.remove_namespace(&name).await, Removal::InUse, "it is not being deleted");
    owned.mark(&name, 20).await;
    assert_eq!(owned.remove_namespace(&name).await, Removal::Removed);
    assert_eq!(owned.remove_namespace(&name).await, Removal::Unknown);
    assert_eq!(owned.made().await, [made("b")]);
    let queues = owned.store.all_queue_settings().await.expect("reads");
    let queues: Vec<_> = queues.into_iter().map(|it| it.namespace).collect();
    assert_eq!(queues, [namespace("b")]);
    let attributes = owned.store.all_search_attributes().await.expect("reads");
    let attributes: Vec<_> = attributes.into_iter().map(|it| it.namespace).collect();
    assert_eq!(attributes, [namespace("b")]);
    assert_eq!(owned.create(&made("a"), MANY).await, Creation::New, "the name is free");
}

/// Another namespace may get its name, and must not get those who had a key to it.
pub async fn keys_permit_nothing_in_a_namespace_that_was_removed(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let (store, name) = (&owned.store, namespace("a"));
    owned.create(&made("a"), MANY).await;
    let key = |number: u8, grants: &[&str]| {
        let hash = ApiKeySecret::new([number; 32]).hash();
        let grants = grants.iter().map(|text| text.parse().expect("a grant"));
        ApiKey {
            id: hash.id(),
            hash,
            name: format!("key {number}"),
            grants: Grants::new(grants).expect("valid"),
            created_at: at(i64::from(number)),
            expires_at: None,
            last_used_at: None,
        }
    };
    let all = [&["admin@a"][..], &["admin@a", "reader@b", "reader"], &["operator@b"]];
    for (number, grants) in (1..).zip(all) {
        let entry = AuditEntry {
            at: at(1),
            principal: "local".to_owned(),
            action: "create_api_key".to_owned(),
            namespace: None,
            target: "key".to_owned(),
            address: None,
            request_id: None,
        };
        let changes = store.api_key_changes().await.expect("reads");
        let made = store.create_api_key(key(number, grants), changes, entry).await;
        assert!(made.expect("writes"));
    }
    let changes = store.api_key_changes().await.expect("reads");
    owned.mark(&name, 20).await;
    assert_eq!(owned.remove_namespace(&name).await, Removal::Removed);
    let left = [key(2, &["reader@b", "reader"]), key(3, &["operator@b"])];
    assert_eq!(store.api_keys().await.expect("reads"), left);
    let gone = store.api_key_changes().await.expect("reads");
    assert!(gone > changes);
    // Whoever makes a key for it must hear that it is gone, also if none was for it.
    owned.create(&made("c"), MANY).await;
    owned.mark(&namespace("c"), 21).await;
    assert_eq!(owned.remove_namespace(&namespace("c")).await, Removal::Removed);
    assert!(store.api_key_changes().await.expect("reads") > gone);
}

/// Until its last run and its last module are gone.
pub async fn a_namespace_that_has_something_is_not_removed(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let name = namespace("a");
    owned.create(&made("a"), MANY).await;
    let mut run = execution("order-1", 1);
    run.namespace = name.clone();
    run.key.hash = WorkflowHash::of(&name, &run.workflow_id);
    owned.start(&[&run]).await;
    let content = b"one";
    let module = NewModule {
        namespace: name.clone(),
        name: ModuleName::new("shop").expect("valid"),
        digest: ModuleDigest::of(content),
        bytes: Bytes::from_static(content),
        definitions: ModuleDefinitions { workflows: Vec::new(), activities: Vec::new() },
        created_at: START,
    };
    owned.store.put_module(&owned.ownership, module.clone()).await.expect("keeps the module");
    owned.mark(&name, 20).await;
    assert_eq!(owned.remove_namespace(&name).await, Removal::InUse, "it has a run");
    owned.commit([close(&run, 2)]).await.expect("closes");
    let (store, held) = (&owned.store, &owned.ownership);
    store.delete_run(held, run.key).await.expect("deletes");
    assert_eq!(owned.remove_namespace(&name).await, Removal::InUse, "it has a module");
    store.delete_modules(held, &name, &module.name, None).await.expect("deletes");
    assert_eq!(owned.remove_namespace(&name).await, Removal::Removed);
    assert!(store.put_module(held, module).await.is_err(), "there is no such namespace");
}

/// Whoever has read them finds out by the number alone.
pub async fn changes_of_namespaces_are_counted(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let changes = async || owned.store.namespace_changes().await.expect("reads");
    let mut before = changes().await;
    let mut is_greater = async || {
        let now = changes().await;
        std::mem::replace(&mut before, now) < now
    };
    owned.create(&made("a"), MANY).await;
    assert!(is_greater().await);
    let change = NamespaceChange { retention_seconds: Some(None), ..NamespaceChange::default() };
    owned.change(&namespace("a"), &change).await;
    assert!(is_greater().await);
    owned.mark(&namespace("a"), 20).await;
    assert!(is_greater().await);
    owned.remove_namespace(&namespace("a")).await;
    assert!(is_greater().await);
    assert!(!is_greater().await);
}

/// The next owner has read them.
pub async fn a_former_owner_changes_no_namespace(store: Arc<dyn Store>) {
    let former = Owned::of(store.clone()).await;
    former.create(&made("a"), MANY).await;
    store.acquire_all_shards(node(2)).await.expect("takes the shards");
    let (held, name) = (&former.ownership, namespace("a"));
    let created = store.create_namespace(held, &made("b"), MANY).await;
    assert!(matches!(created, Err(StoreError::Fenced { .. })), "{created:?}");
    let changed = store.change_namespace(held, &name, &NamespaceChange::default()).await;
    assert!(matches!(changed, Err(StoreError::Fenced { .. })), "{changed:?}");
    let marked = store.mark_namespace_deleted(held, &name, at(20)).await;
    assert!(matches!(marked, Err(StoreError::Fenced { .. })), "{marked:?}");
    let removed = store.remove_namespace(held, &name).await;
    assert!(matches!(removed, Err(StoreError::Fenced { .. })), "{removed:?}");
    let all = store.namespaces().await.expect("lists");
    assert_eq!(all.len(), 2);
    assert!(all.contains(&made("a")));
}
