//! Keys to the API, and the log of what was done with them.

use std::sync::Arc;

use dacapo_model::access::{ApiKey, ApiKeySecret, AuditEntry, Grants};
use dacapo_model::time::Timestamp;

use super::fixtures::*;
use crate::Store;
use crate::access::AuditFilter;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("access.rs");

fn key(number: u8) -> ApiKey {
    let hash = ApiKeySecret::new([number; 32]).hash();
    let grants = ["admin@default", "reader"].map(|text| text.parse().expect("a grant"));
    ApiKey {
        id: hash.id(),
        hash,
        name: format!("key {number}"),
        grants: Grants::new(grants).expect("valid"),
        created_at: at(i64::from(number)),
        expires_at: number.is_multiple_of(2).then(|| at(1_000)),
        last_used_at: None,
    }
}

fn entry(number: i64, namespace: Option<&str>) -> AuditEntry {
    AuditEntry {
        at: at(number),
        principal: "key:0123456789abcdef".to_owned(),
        action: format!("action_{number}"),
        namespace: namespace.map(str::to_owned),
        target: "/api/v1/ü%00".to_owned(),
        address: namespace.map(|_| "10.0.0.1".to_owned()),
        request_id: namespace.map(|_| "r".to_owned()),
    }
}

async fn actions(store: &dyn Store, filter: &AuditFilter, limit: u32) -> Vec<String> {
    let entries = store.audit_entries(filter, limit).await.expect("reads");
    entries.into_iter().map(|it| it.entry.action).collect()
}

async fn changes(store: &dyn Store) -> u64 {
    store.api_key_changes().await.expect("reads")
}

async fn create_after(store: &dyn Store, number: u8, changes: u64) -> bool {
    let entry = entry(i64::from(number), None);
    store.create_api_key(key(number), changes, entry).await.expect("writes")
}

async fn create(store: &dyn Store, number: u8) {
    assert!(create_after(store, number, changes(store).await).await);
}

/// With all that is said of them, the oldest first.
pub async fn keys_come_back_as_they_were_made(store: Arc<dyn Store>) {
    for number in [2, 3, 1] {
        create(&*store, number).await;
    }
    assert_eq!(store.api_keys().await.expect("reads"), [key(1), key(2), key(3)]);
}

/// What was done and that it was done are one commit.
pub async fn a_key_comes_and_goes_with_an_entry_in_the_log(store: Arc<dyn Store>) {
    create(&*store, 1).await;
    let id = key(1).id;
    assert!(store.revoke_api_key(&id, entry(7, None)).await.expect("writes"));
    assert!(!store.revoke_api_key(&id, entry(8, None)).await.expect("writes"), "it is gone");
    assert_eq!(store.api_keys().await.expect("reads"), []);
    assert_eq!(actions(&*store, &AuditFilter::default(), 10).await, ["action_7", "action_1"]);
}

/// Of those who make keys at the same time, one knew what there was.
pub async fn a_key_is_made_only_if_no_other_has_come_or_gone(store: Arc<dyn Store>) {
    let known = changes(&*store).await;
    let made = (1..=6).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { create_after(&*store, number, known).await })
    });
    let mut count = 0;
    for made in made.collect::<Vec<_>>() {
        count += usize::from(made.await.expect("no panic"));
    }
    assert_eq!(count, 1);
    let keys = store.api_keys().await.expect("reads");
    assert_eq!(keys.len(), 1);
    let known = changes(&*store).await;
    store.revoke_api_key(&keys[0].id, entry(7, None)).await.expect("writes");
    assert!(!create_after(&*store, 9, known).await, "the one that made it may be gone");
    assert_eq!(store.api_keys().await.expect("reads"), []);
}

/// Whoever has read them finds out by the number alone; that one was used is no change.
pub async fn changes_of_keys_are_counted_and_uses_are_not(store: Arc<dyn Store>) {
    let before = changes(&*store).await;
    create(&*store, 1).await;
    let made = changes(&*store).await;
    assert!(made > before);
    let id = key(1).id;
    for time in [at(50), at(40)] {
        store.note_api_key_use(&id, time).await.expect("writes");
    }
    store.note_api_key_use(&key(9).id, at(50)).await.expect("there is none, which is no error");
    assert_eq!(changes(&*store).await, made);
    assert_eq!(store.api_keys().await.expect("reads")[0].last_used_at, Some(at(50)));
    store.revoke_api_key(&id, entry(1, None)).await.expect("writes");
    assert!(changes(&*store).await > made);
}

/// Page by page, of all or of one namespace.
pub async fn the_log_is_read_from_its_end(store: Arc<dyn Store>) {
    for number in 1..=5 {
        let namespace = if number % 2 == 0 { "even" } else { "odd" };
        store.append_audit(entry(number, Some(namespace))).await.expect("writes");
    }
    let newest = store.audit_entries(&AuditFilter::default(), 2).await.expect("reads");
    assert_eq!(newest[0].entry, entry(5, Some("odd")));
    let before = AuditFilter { before: Some(newest[1].number), namespace: None };
    assert_eq!(actions(&*store, &before, 2).await, ["action_3", "action_2"]);
    let of_even = AuditFilter { namespace: Some(namespace("even")), before: None };
    assert_eq!(actions(&*store, &of_even, 10).await, ["action_4", "action_2"]);
}

/// Not more at a time than was asked for.
pub async fn old_entries_of_the_log_are_removed_in_portions(store: Arc<dyn Store>) {
    for number in 1..=5 {
        store.append_audit(entry(number, None)).await.expect("writes");
    }
    let trim = async |older_than: Timestamp| store.trim_audit(older_than, 2).await.expect("writes");
    assert_eq!(trim(at(4)).await, 2);
    assert_eq!(trim(at(4)).await, 1);
    assert_eq!(trim(at(4)).await, 0);
    assert_eq!(actions(&*store, &AuditFilter::default(), 10).await, ["action_5", "action_4"]);
}
