//! Keys, while those who made them and the namespaces that they open come and go.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dacapo_model::access::{ApiKeySecret, AuditEntry, Grants, NAMESPACE_API_KEYS_MAX};
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::NamespaceName;
use dacapo_model::namespace::NamespaceSettings;
use dacapo_model::time::Timestamp;
use dacapo_service::access::{Caller, NewApiKey};
use dacapo_service::error::ServiceError;
use dacapo_service::operations::AuditFilter;
use dacapo_service::tenancy::Principal;
use dacapo_store::Store;
use dacapo_store::faulty::{Fault, Operation};
use futures::FutureExt as _;
use support::guests::ScriptedHost;
use support::*;

fn shop() -> NamespaceName {
    NamespaceName::new("shop").expect("valid")
}

fn new_key(grants: &[&str]) -> NewApiKey {
    let grants = Grants::new(grants.iter().map(|text| text.parse().expect("a grant")));
    NewApiKey { name: "a key".to_owned(), grants: grants.expect("valid"), expires_at: None }
}

async fn make_by(node: &Node, by: &Caller, grants: &[&str]) -> Result<ApiKeySecret, ServiceError> {
    node.runtime().create_api_key(by, new_key(grants)).await.map(|(secret, _)| secret)
}

async fn make(node: &Node, grants: &[&str]) -> Result<ApiKeySecret, ServiceError> {
    make_by(node, &Caller::at_the_database(), grants).await
}

/// Whoever brings a key, as it is recognised when the request comes.
async fn caller(node: &Node, secret: &ApiKeySecret) -> Option<Caller> {
    let principal = node.runtime().authenticate(secret).await.expect("the store answers");
    principal.map(|principal| Caller { principal, ..Caller::at_the_database() })
}

fn by_another_node() -> AuditEntry {
    AuditEntry {
        at: Timestamp::default(),
        principal: Principal::Local.to_string(),
        action: "revoke_api_key".to_owned(),
        namespace: None,
        target: "a key".to_owned(),
        address: None,
        request_id: None,
    }
}

async fn make_shop(node: &Node) {
    node.runtime().create_namespace(shop(), NamespaceSettings::default()).await.expect("makes it");
}

async fn delete_shop(node: &Node) {
    node.runtime().delete_namespace(&shop(), "shop").await.expect("deletes it");
}

async fn until_shop_is_gone(node: &Node) {
    let gone = async {
        while node.runtime().describe_namespace(&shop()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it is deleted");
}

fn code<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> ErrorCode {
    result.expect_err("it is refused").code
}

#[tokio::test]
async fn a_key_whose_maker_was_revoked_meanwhile_is_not_made() {
    let store = memory();
    let node = start(store.clone(), &ScriptedHost::new()).await;
    let admin = make(&node, &["admin"]).await.expect("made");
    let by = caller(&node, &admin).await.expect("it is valid");
    // As another node does, of which this one has not heard.
    let revoked = store.revoke_api_key(&admin.hash().id(), by_another_node()).await;
    assert!(revoked.expect("writes"));
    assert_eq!(code(make_by(&node, &by, &["admin"]).await), ErrorCode::Unauthenticated);
    let other = make(&node, &["reader"]).await.expect("made");
    let revoked = node.runtime().revoke_api_key(&by, &other.hash().id()).await;
    assert_eq!(code(revoked), ErrorCode::ApiKeyNotFound, "nor does it revoke others");
}

/// A node on a store in which something is done just before a key is written, once.
async fn node_with(before_the_write: impl Fn(&Arc<dyn Store>) + Send + Sync + 'static) -> Node {
    let inner = memory();
    let (calls, is_done) = (Calls::default(), AtomicBool::new(true));
    let armed = Arc::new(is_done);
    let (of_script, within) = (armed.clone(), inner.clone());
    let store = scripted(inner, &calls, move |call| {
        if call.operation == Operation::CreateApiKey && !of_script.swap(true, Ordering::SeqCst) {
            before_the_write(&within);
        }
        Fault::None
    });
    let node = start(store, &ScriptedHost::new()).await;
    make_shop(&node).await;
    make(&node, &["admin@shop", "reader"]).await.expect("made");
    armed.store(false, Ordering::SeqCst);
    node
}

/// What a store in memory does is done at once.
fn at_once<T>(done: impl Future<Output = T>) -> T {
    done.now_or_never().expect("it waits for nothing")
}

#[tokio::test]
async fn a_key_whose_maker_is_revoked_between_the_look_and_the_write_is_not_made() {
    let node = node_with(|store| {
        for key in at_once(store.api_keys()).expect("reads") {
            let revoked = at_once(store.revoke_api_key(&key.id, by_another_node()));
            assert!(revoked.expect("writes"));
        }
    })
    .await;
    let keys = node.runtime().list_api_keys(&Principal::Local).await.expect("lists");
    let client = dacapo_service::tenancy::ApiClient {
        key: keys[0].id.clone(),
        grants: keys[0].grants.clone(),
    };
    let principal = Principal::Client(Arc::new(client));
    let by = Caller { principal, ..Caller::at_the_database() };
    assert_eq!(code(make_by(&node, &by, &["worker@shop"]).await), ErrorCode::Unauthenticated);
    let left = node.runtime().list_api_keys(&Principal::Local).await.expect("lists");
    assert_eq!(left, []);
}

#[tokio::test]
async fn a_key_that_comes_just_before_another_one_keeps_nobody_from_making_theirs() {
    let node = node_with(|store| {
        let mut other = at_once(store.api_keys()).expect("reads").remove(0);
        other.hash = ApiKeySecret::new([9; 32]).hash();
        other.id = other.hash.id();
        let changes = at_once(store.api_key_changes()).expect("reads");
        let made = at_once(store.create_api_key(other, changes, by_another_node()));
        assert!(made.expect("writes"));
    })
    .await;
    make(&node, &["reader"]).await.expect("made at the second try");
    let keys = node.runtime().list_api_keys(&Principal::Local).await.expect("lists");
    assert_eq!(keys.len(), 3);
}

#[tokio::test]
async fn keys_are_made_for_namespaces_that_are_there_and_stay() {
    let calls = Calls::default();
    let stays = Arc::new(AtomicBool::new(true));
    let of_script = stays.clone();
    let store = scripted(memory(), &calls, move |call| match call.operation {
        Operation::RemoveNamespace if of_script.load(Ordering::SeqCst) => Fault::Unavailable,
        _ => Fault::None,
    });
    let node = start(store, &ScriptedHost::new()).await;
    assert_eq!(code(make(&node, &["reader@shop"]).await), ErrorCode::NamespaceNotFound);
    make_shop(&node).await;
    make(&node, &["reader@shop"]).await.expect("it is there");
    delete_shop(&node).await;
    let refused = make(&node, &["reader", "worker@shop"]).await;
    assert_eq!(code(refused), ErrorCode::NamespaceBeingDeleted);
    // Whoever does not administer a namespace does not hear whether it is there.
    let admin = make(&node, &["admin@default"]).await.expect("made");
    let by = caller(&node, &admin).await.expect("it is valid");
    for grant in ["reader@shop", "reader@nowhere"] {
        assert_eq!(code(make_by(&node, &by, &[grant]).await), ErrorCode::PermissionDenied);
    }
    stays.store(false, Ordering::SeqCst);
    until_shop_is_gone(&node).await;
    assert_eq!(code(make(&node, &["reader@shop"]).await), ErrorCode::NamespaceNotFound);
}

#[tokio::test]
async fn a_namespace_has_only_so_many_keys_and_others_still_have_room() {
    let node = start(memory(), &ScriptedHost::new()).await;
    make_shop(&node).await;
    for _ in 0..NAMESPACE_API_KEYS_MAX {
        make(&node, &["reader@shop", "worker@shop"]).await.expect("there is room");
    }
    let refused = make(&node, &["admin@shop"]).await.expect_err("it is full");
    assert_eq!(refused.code, ErrorCode::TooManyApiKeys);
    assert_eq!(refused.details["namespace"], "shop");
    assert_eq!(refused.details["keys_max"], "100");
    assert!(refused.message.contains("revoke"), "{refused}");
    let other = make(&node, &["admin@default", "reader"]).await.expect("others have room");
    let keys = node.runtime().list_api_keys(&Principal::Local).await.expect("lists");
    let by = Caller::at_the_database();
    node.runtime().revoke_api_key(&by, &keys[0].id).await.expect("revoked");
    make(&node, &["admin@shop"]).await.expect("there is room again");
    assert!(caller(&node, &other).await.is_some());
}

#[tokio::test]
async fn a_key_of_a_namespace_that_was_deleted_does_not_open_another_one_of_its_name() {
    let node = start(memory(), &ScriptedHost::new()).await;
    for _ in 0..3 {
        make_shop(&node).await;
        let key = make(&node, &["admin@shop"]).await.expect("made");
        assert!(caller(&node, &key).await.is_some());
        delete_shop(&node).await;
        until_shop_is_gone(&node).await;
        make_shop(&node).await;
        assert!(caller(&node, &key).await.is_none(), "not for a moment");
        delete_shop(&node).await;
        until_shop_is_gone(&node).await;
    }
}

#[tokio::test]
async fn the_log_says_which_key_was_made_and_revoked() {
    let node = start(memory(), &ScriptedHost::new()).await;
    make_shop(&node).await;
    let key = make(&node, &["admin@shop", "worker@shop"]).await.expect("made");
    make(&node, &["reader"]).await.expect("made");
    let (by, id) = (Caller::at_the_database(), key.hash().id());
    node.runtime().revoke_api_key(&by, &id).await.expect("revoked");
    let entries = node.runtime().list_audit(&AuditFilter::default(), 10).await.expect("lists");
    let said: Vec<_> = entries
        .iter()
        .map(|it| (it.entry.action.as_str(), it.entry.namespace.as_deref(), &it.entry.target))
        .collect();
    let shop_key = format!(r#"{id} "a key" worker@shop,admin@shop"#);
    assert_eq!(said[0], ("revoke_api_key", Some("shop"), &shop_key));
    assert_eq!(said[2], ("create_api_key", Some("shop"), &shop_key));
    assert_eq!((said[1].0, said[1].1), ("create_api_key", None));
    assert!(said[1].2.ends_with(r#" "a key" reader"#), "{said:?}");
}
