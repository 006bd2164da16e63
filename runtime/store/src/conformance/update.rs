//! Updates that wait for the guest: one row per id of a run.

use std::sync::Arc;

use dacapo_model::ids::{QueryName, RunKey, UpdateId, UpdateName};
use dacapo_model::payload::Payload;
use dacapo_model::update::{AdmittedUpdate, Update};

use super::fixtures::*;
use crate::Store;
use crate::commit::RunTransition;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("update.rs");

fn update_id(text: &str) -> UpdateId {
    UpdateId::new(text).expect("a valid id")
}

fn admitted(id: &str, micros: i64) -> AdmittedUpdate {
    let name = UpdateName::new("add 'é'").expect("a valid name");
    let input = Payload::new(format!("\"{id}\""));
    AdmittedUpdate { update: Update { id: update_id(id), name, input }, admitted_at: at(micros) }
}

fn set(key: RunKey, updates: Vec<AdmittedUpdate>) -> RunTransition {
    RunTransition { updates_set: updates, ..transition(key) }
}

fn remove(key: RunKey, ids: &[&str]) -> RunTransition {
    let updates_removed = ids.iter().map(|id| update_id(id)).collect();
    RunTransition { updates_removed, ..transition(key) }
}

/// Removing what is not there is no error.
pub async fn an_update_is_kept_until_it_is_removed(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    let stored = async || owned.store.run_updates(&[key]).await.expect("reads");
    owned.commit([set(key, vec![admitted("a", 1), admitted("b", 2)])]).await.expect("keeps");
    assert_eq!(stored().await, [(key, admitted("a", 1)), (key, admitted("b", 2))]);
    owned.commit([remove(key, &["a", "c"])]).await.expect("removes");
    owned.commit([remove(key, &["a"])]).await.expect("removes again");
    assert_eq!(stored().await, [(key, admitted("b", 2))]);
}

/// And a transition that does both keeps it.
pub async fn an_update_kept_and_removed_in_one_commit_is_gone(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    let both = RunTransition { updates_set: vec![admitted("b", 2)], ..remove(key, &["b"]) };
    let units = [set(key, vec![admitted("a", 1)]), remove(key, &["a"]), both];
    owned.commit(units).await.expect("commits");
    let stored = owned.store.run_updates(&[key]).await.expect("reads");
    assert_eq!(stored, [(key, admitted("b", 2))]);
}

/// And by id where they arrived together; only of the runs asked for.
pub async fn updates_of_runs_are_read_together_in_the_order_of_their_arrival(
    store: Arc<dyn Store>,
) {
    let owned = Owned::of(store).await;
    let mut keys: Vec<_> = (1..=4_u128).map(|n| execution(&format!("order-{n}"), n).key).collect();
    for key in &keys {
        let updates = vec![admitted("c", 1), admitted("b", 2), admitted("a", 2)];
        owned.commit([set(*key, updates)]).await.expect("keeps");
    }
    keys.pop();
    let found = owned.store.run_updates(&keys).await.expect("reads");
    keys.sort();
    let of = |key| [("c", 1), ("a", 2), ("b", 2)].map(|(id, micros)| (key, admitted(id, micros)));
    let expected: Vec<_> = keys.iter().flat_map(|key| of(*key)).collect();
    assert_eq!(found, expected);
    assert_eq!(owned.store.run_updates(&[]).await.expect("reads"), []);
}

/// Also no bytes at all.
pub async fn updates_come_back_byte_for_byte(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    let mut expected = Vec::new();
    for (micros, bytes) in (1..).zip([&[0, 255, 39][..], b"", b"\\x41"]) {
        let mut kept = admitted(&format!("update {micros}"), micros);
        kept.update.input = Payload::from(bytes.to_vec());
        expected.push((key, kept.clone()));
        owned.commit([set(key, vec![kept])]).await.expect("keeps");
    }
    assert_eq!(owned.store.run_updates(&[key]).await.expect("reads"), expected);
}

/// With the events and the summary of the same commit.
pub async fn updates_and_values_are_written_with_their_commit_or_not_at_all(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let name = QueryName::new("status").expect("a valid name");
    let with_messages = |transition: RunTransition| RunTransition {
        updates_set: vec![admitted("a", 1)],
        query_results_set: vec![(name.clone(), Payload::new("1"))],
        ..transition
    };
    let written = async || {
        let updates = owned.store.run_updates(&[run.key]).await.expect("reads").len();
        let value = owned.store.query_result(run.key, &name).await.expect("reads");
        (owned.history(run.key).await.len(), updates, value.is_some())
    };
    let twice = append(run.key, [any_event(1)]);
    assert_conflict(owned.commit([with_messages(start(&run)), twice]).await);
    assert_eq!(written().await, (0, 0, false));
    let newer = owned.store.acquire_all_shards(node(2)).await.expect("takes over");
    assert_fenced(owned.commit([with_messages(start(&run))]).await);
    assert_fenced(owned.commit([with_messages(transition(run.key))]).await);
    assert_eq!(written().await, (0, 0, false));
    let owned = Owned { store: owned.store.clone(), ownership: newer };
    let before = owned.store.statistics();
    owned.commit([with_messages(start(&run))]).await.expect("commits");
    assert_eq!(owned.store.statistics().since(before).commits, 1);
    let updates = owned.store.run_updates(&[run.key]).await.expect("reads").len();
    assert_eq!((owned.history(run.key).await.len(), updates), (1, 1));
}
