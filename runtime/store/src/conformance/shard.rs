//! Ownership: only the current owner writes.

use std::sync::Arc;

use dacapo_model::ids::WorkflowHash;

use super::fixtures::*;
use crate::Store;
use crate::commit::CommitUnit;
use crate::error::StoreError;
use crate::execution::ExecutionFilter;
use crate::shard::{INITIAL_SHARDS, Ownership};

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("shard.rs");

fn start_unit(number: u128) -> CommitUnit {
    unit([start(&execution(&format!("order-{number}"), number))])
}

async fn count_runs(store: &Arc<dyn Store>) -> usize {
    let all = ExecutionFilter::default();
    store.list_executions(&default_namespace(), &all, None, u32::MAX).await.expect("lists").len()
}

/// No gap, no overlap, in order.
pub async fn the_first_ranges_cover_every_hash_once(store: Arc<dyn Store>) {
    let before = store.shard_owners().await.expect("owners");
    assert_eq!(before.len(), usize::from(INITIAL_SHARDS));
    assert!(before.iter().all(|(_, _, owner)| owner.is_none()));
    let ownership = store.acquire_all_shards(node(1)).await.expect("takes");
    let shards = ownership.shards();
    assert_eq!(shards.len(), usize::from(INITIAL_SHARDS));
    assert_eq!(shards[0].hash_from, WorkflowHash(i32::MIN));
    assert_eq!(shards[shards.len() - 1].hash_to, WorkflowHash(i32::MAX));
    for (position, pair) in shards.windows(2).enumerate() {
        assert_eq!(usize::from(pair[0].shard_id), position);
        assert_eq!(i64::from(pair[0].hash_to.0) + 1, i64::from(pair[1].hash_from.0));
    }
}

/// And says whose they are.
pub async fn taking_shards_raises_every_epoch(store: Arc<dyn Store>) {
    let first = store.acquire_all_shards(node(1)).await.expect("takes");
    let second = store.acquire_all_shards(node(2)).await.expect("takes");
    assert_eq!(second.node, node(2));
    for (old, new) in first.shards().iter().zip(second.shards()) {
        assert_eq!(old.shard_id, new.shard_id);
        assert!(old.epoch > 0 && new.epoch > old.epoch);
    }
    let owners = store.shard_owners().await.expect("owners");
    let expected: Vec<_> =
        second.shards().iter().map(|it| (it.shard_id, it.epoch, Some(node(2)))).collect();
    assert_eq!(owners, expected);
}

/// The error names the shard and its new epoch.
pub async fn a_former_owner_is_fenced_and_writes_nothing(store: Arc<dyn Store>) {
    let old = store.acquire_all_shards(node(1)).await.expect("takes");
    let new = store.acquire_all_shards(node(2)).await.expect("takes");
    let hash = execution("order-1", 1).key.hash;
    let lease = *new.lease_of(hash).expect("holds every shard");
    let refused = store.commit(&old, &[start_unit(1)]).await;
    match refused {
        Err(StoreError::Fenced { shard_id, epoch }) => {
            assert_eq!((shard_id, epoch), (lease.shard_id, lease.epoch));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(count_runs(&store).await, 0);
    store.commit(&new, &[start_unit(1)]).await.expect("the new owner writes");
    assert_fenced(store.commit(&old, &[start_unit(2)]).await);
    assert_eq!(count_runs(&store).await, 1);
}

/// Units of shards that are still held are not written either.
pub async fn one_lost_shard_fences_the_whole_commit(store: Arc<dyn Store>) {
    let old = store.acquire_all_shards(node(1)).await.expect("takes");
    let new = store.acquire_all_shards(node(2)).await.expect("takes");
    let lost = execution("order-7", 7).key.hash;
    let leases = new.shards().iter().zip(old.shards()).map(|(new, old)| {
        let is_lost = (new.hash_from..=new.hash_to).contains(&lost);
        if is_lost { *old } else { *new }
    });
    let mixed = Ownership::new(node(2), leases.collect());
    let units: Vec<_> = (1..=20).map(start_unit).collect();
    assert_fenced(store.commit(&mixed, &units).await);
    assert_eq!(count_runs(&store).await, 0);
    let held: Vec<_> = (1..=6).map(start_unit).collect();
    store.commit(&mixed, &held).await.expect("the other shards are held");
}

/// Who leaves out the units of the shard that the error names can write the others.
pub async fn a_fence_names_a_shard_of_a_unit_that_is_to_blame(store: Arc<dyn Store>) {
    let old = store.acquire_all_shards(node(1)).await.expect("takes");
    let mut mixed = store.acquire_all_shards(node(1)).await.expect("takes");
    let hash = |number: u128| execution(&format!("order-{number}"), number).key.hash;
    for number in [3, 11] {
        mixed.take(*old.lease_of(hash(number)).expect("holds every shard"));
    }
    let mut left: Vec<u128> = (1..=20).collect();
    for _ in [3, 11] {
        let units: Vec<_> = left.iter().copied().map(start_unit).collect();
        let Err(StoreError::Fenced { shard_id, epoch }) = store.commit(&mixed, &units).await else {
            panic!("a shard is lost");
        };
        assert_eq!(mixed.lose(&[(shard_id, epoch)].into()), 1, "it is one of them");
        left.retain(|number| mixed.lease_of(hash(*number)).is_some());
    }
    assert!(!left.contains(&3) && !left.contains(&11), "{left:?}");
    let units: Vec<_> = left.iter().copied().map(start_unit).collect();
    store.commit(&mixed, &units).await.expect("the rest is held");
    assert_eq!(count_runs(&store).await, left.len());
}

/// A caller that is fenced must stop; one that lost a race must try again.
pub async fn a_fence_is_reported_before_a_conflict(store: Arc<dyn Store>) {
    let old = store.acquire_all_shards(node(1)).await.expect("takes");
    store.commit(&old, &[start_unit(1)]).await.expect("writes");
    store.acquire_all_shards(node(2)).await.expect("takes");
    assert_fenced(store.commit(&old, &[start_unit(1)]).await);
}

/// The new owner has written what the old one does not know.
pub async fn a_fence_is_reported_before_a_gap(store: Arc<dyn Store>) {
    let old = store.acquire_all_shards(node(1)).await.expect("takes");
    store.acquire_all_shards(node(2)).await.expect("takes");
    let ahead = unit([append(execution("order-1", 1).key, [any_event(7)])]);
    assert_fenced(store.commit(&old, &[ahead]).await);
}

/// Even if nobody else has it.
pub async fn a_shard_that_is_not_held_is_fenced(store: Arc<dyn Store>) {
    let all = store.acquire_all_shards(node(1)).await.expect("takes");
    let hash = execution("order-1", 1).key.hash;
    let lease = *all.lease_of(hash).expect("holds every shard");
    let others = all.shards().iter().copied().filter(|it| it.shard_id != lease.shard_id);
    let without = Ownership::new(node(1), others.collect());
    match store.commit(&without, &[start_unit(1)]).await {
        Err(StoreError::Fenced { shard_id, epoch }) => {
            assert_eq!((shard_id, epoch), (lease.shard_id, lease.epoch));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(count_runs(&store).await, 0);
}

/// The old owner writes as fast as it can, on several connections, while the
/// shards are taken. What the new owner reads first must be all there ever is.
pub async fn no_commit_of_a_former_owner_lands_after_a_takeover(store: Arc<dyn Store>) {
    for round in 1..=5_u128 {
        let old = Arc::new(store.acquire_all_shards(node(round * 2)).await.expect("takes"));
        let writers: Vec<_> = (1..=4_u128)
            .map(|writer| {
                let (store, old) = (Arc::clone(&store), Arc::clone(&old));
                tokio::spawn(async move {
                    let mut number = round * 1_000_000 + writer * 100_000;
                    loop {
                        match store.commit(&old, &[start_unit(number)]).await {
                            Ok(()) => number += 1,
                            refused => return assert_fenced(refused),
                        }
                    }
                })
            })
            .collect();
        let before = count_runs(&store).await;
        while count_runs(&store).await < before + 8 {
            assert!(writers.iter().all(|writer| !writer.is_finished()), "a writer gave up");
            tokio::task::yield_now().await;
        }
        store.acquire_all_shards(node(round * 2 + 1)).await.expect("takes");
        let seen = count_runs(&store).await;
        for writer in writers {
            writer.await.expect("ends when it is fenced");
        }
        assert_eq!(count_runs(&store).await, seen, "round {round}");
    }
}
