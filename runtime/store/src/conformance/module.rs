//! Modules: names, versions, contents.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use dacapo_model::ids::ModuleName;
use dacapo_model::module::{ModuleDefinitions, ModuleDigest, ModuleVersion};

use super::fixtures::*;
use crate::Store;
use crate::deletion::ModuleDeletion;
use crate::error::StoreError;
use crate::module::NewModule;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("module.rs");

fn module(name: &str, content: &[u8]) -> NewModule {
    NewModule {
        namespace: default_namespace(),
        name: ModuleName::new(name).expect("a valid name"),
        digest: ModuleDigest::of(content),
        bytes: Bytes::copy_from_slice(content),
        definitions: ModuleDefinitions {
            workflows: vec![type_name("shop.order"), type_name("ünï \"quoted\"")],
            activities: vec![type_name("shop.charge")],
        },
        created_at: START,
    }
}

async fn put(owned: &Owned, name: &str, content: &[u8]) -> (ModuleVersion, bool) {
    owned.store.put_module(&owned.ownership, module(name, content)).await.expect("keeps the module")
}

/// From 1, each name for itself.
pub async fn versions_are_counted_under_a_name(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let new = module("shop", b"one");
    let expected = ModuleVersion {
        namespace: new.namespace.clone(),
        name: new.name.clone(),
        version: 1,
        digest: new.digest,
        size_bytes: 3,
        definitions: new.definitions.clone(),
        created_at: new.created_at,
    };
    assert_eq!(
        owned.store.put_module(&owned.ownership, new).await.expect("keeps"),
        (expected.clone(), true)
    );
    assert_eq!(put(&owned, "shop", b"two").await.0.version, 2);
    assert_eq!(put(&owned, "other", b"three").await.0.version, 1);
    assert_eq!(owned.store.all_modules().await.expect("lists")[1], expected);
}

/// A repeated upload answers with the version that is there.
pub async fn the_newest_content_again_is_no_new_version(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let (first, is_new) = put(&owned, "shop", b"one").await;
    assert!(is_new);
    let again = NewModule { created_at: at(5), ..module("shop", b"one") };
    assert_eq!(
        owned.store.put_module(&owned.ownership, again).await.expect("keeps"),
        (first.clone(), false)
    );
    assert_eq!(owned.store.all_modules().await.expect("lists"), [first]);
}

/// Going back is a version, too.
pub async fn an_older_content_is_a_new_version(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    put(&owned, "shop", b"one").await;
    put(&owned, "shop", b"two").await;
    let (back, is_new) = put(&owned, "shop", b"one").await;
    assert!(is_new);
    assert_eq!((back.version, back.digest), (3, ModuleDigest::of(b"one")));
}

/// Large and binary.
pub async fn content_is_kept_byte_for_byte(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let content: Vec<u8> =
        (0..5_000_000_u32).map(|n| n.wrapping_mul(31).to_be_bytes()[3]).collect();
    let (version, _) = put(&owned, "shop", &content).await;
    assert_eq!(version.size_bytes, 5_000_000);
    let read = owned.store.module_bytes(version.digest).await.expect("reads");
    assert!(read.is_some_and(|read| read == content));
    let unknown = owned.store.module_bytes(ModuleDigest::of(b"unknown")).await.expect("reads");
    assert_eq!(unknown, None);
}

/// Runs are pinned to a content, names only point to it.
pub async fn one_content_may_have_several_names(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    assert!(put(&owned, "shop", b"one").await.1);
    assert!(put(&owned, "shop-copy", b"one").await.1);
    let read = owned.store.module_bytes(ModuleDigest::of(b"one")).await.expect("reads");
    assert_eq!(read.as_deref(), Some(b"one".as_slice()));
}

/// By bytes, whatever the database thinks of languages.
pub async fn modules_are_listed_in_order(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    for name in ["b", "A", "a", "B", "a-1", "a1", "_"] {
        put(&owned, name, name.as_bytes()).await;
        put(&owned, name, b"second").await;
    }
    let modules = owned.store.all_modules().await.expect("lists");
    let listed: Vec<_> = modules.iter().map(|it| (it.name.as_str(), it.version)).collect();
    let mut expected = listed.clone();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    assert_eq!(listed.len(), 14);
}

/// No version is given twice, none is left out.
pub async fn concurrent_uploads_get_versions_of_their_own(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let uploads: Vec<_> = (0..8_u8)
        .map(|n| {
            let owned = owned.clone();
            tokio::spawn(async move { put(&owned, "shop", &[n]).await.0.version })
        })
        .collect();
    let mut versions = BTreeSet::new();
    for upload in uploads {
        versions.insert(upload.await.expect("uploads"));
    }
    assert_eq!(versions, (1..=8).collect());
}

/// One of them is first, the others find it there.
pub async fn concurrent_uploads_of_one_content_make_one_version(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let uploads: Vec<_> = (0..8)
        .map(|_| {
            let owned = owned.clone();
            tokio::spawn(async move { put(&owned, "shop", b"one").await })
        })
        .collect();
    let mut new = 0;
    for upload in uploads {
        let (version, is_new) = upload.await.expect("uploads");
        assert_eq!(version.version, 1);
        new += u32::from(is_new);
    }
    assert_eq!(new, 1);
}

/// Nothing is kept where nobody could find it.
pub async fn a_module_needs_a_namespace(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let stray = NewModule { namespace: namespace("nowhere"), ..module("shop", b"one") };
    let refused = owned.store.put_module(&owned.ownership, stray).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { column: "namespace", .. })), "{refused:?}");
    assert_eq!(owned.store.all_modules().await.expect("lists"), []);
}

/// The next owner has read the modules before it could have come.
pub async fn a_module_of_a_former_owner_is_not_kept(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    put(&owned, "shop", b"one").await;
    owned.store.acquire_all_shards(node(2)).await.expect("takes");
    // Not even one that is there already is acknowledged.
    for content in [b"one", b"two"] {
        let refused = owned.store.put_module(&owned.ownership, module("shop", content)).await;
        assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    }
    assert_eq!(owned.store.all_modules().await.expect("lists").len(), 1);
}

/// What tells a node that keeps modules in memory to read them again.
pub async fn uploads_and_deletions_of_modules_are_counted(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let changes = async || owned.store.module_changes().await.expect("counts");
    let mut before = changes().await;
    put(&owned, "shop", b"one").await;
    assert!(changes().await > before);
    before = changes().await;
    put(&owned, "shop", b"one").await;
    assert_eq!(changes().await, before, "it is there already");
    put(&owned, "shop", b"two").await;
    assert!(changes().await > before);
    before = changes().await;
    let name = ModuleName::new("shop").expect("a valid name");
    let namespace = default_namespace();
    let deleted = owned.store.delete_modules(&owned.ownership, &namespace, &name, Some(1)).await;
    assert_eq!(deleted.expect("deletes"), ModuleDeletion::Deleted(vec![1]));
    assert!(changes().await > before);
}
