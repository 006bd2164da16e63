//! Leases: when a node that waits may take the shards.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::ids::WorkflowHash;

use super::fixtures::*;
use crate::Store;
use crate::shard::{NodeId, Owner, OwnerLife, Ownership};

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("lease.rs");

const LEASE: Duration = Duration::from_secs(60);

async fn owner(store: &Arc<dyn Store>) -> Option<Owner> {
    store.owner().await.expect("says who")
}

async fn take(store: &Arc<dyn Store>, number: u128, before: Option<NodeId>) -> Option<Ownership> {
    store.acquire_shards_after(node(number), LEASE, before).await.expect("answers")
}

fn hashes() -> [WorkflowHash; 3] {
    [WorkflowHash(i32::MIN), WorkflowHash(7), WorkflowHash(i32::MAX)]
}

/// Whoever comes first may take it.
pub async fn a_store_that_was_never_owned_has_no_owner(store: Arc<dyn Store>) {
    assert_eq!(owner(&store).await, None);
    assert!(take(&store, 1, Some(node(2))).await.is_none(), "node 2 never had it");
    assert_eq!(owner(&store).await, None);
    assert!(take(&store, 1, None).await.is_some());
}

/// By the clock of the database.
pub async fn a_lease_lasts_until_it_is_over_or_given_back(store: Arc<dyn Store>) {
    let held = take(&store, 1, None).await.expect("it is free");
    let Some(Owner { node: first, life: OwnerLife::Leased(left) }) = owner(&store).await else {
        panic!("it has a lease: {:?}", owner(&store).await);
    };
    assert_eq!(first, node(1));
    assert!(left <= LEASE && left > LEASE / 2, "{left:?}");

    let ended = Some(Owner { node: node(1), life: OwnerLife::Ended });
    store.renew_lease(&held, Duration::ZERO).await.expect("renews");
    assert_eq!(owner(&store).await, ended, "it was for no time");
    store.renew_lease(&held, LEASE).await.expect("renews");
    assert_ne!(owner(&store).await, ended);
    store.release_lease(node(2)).await.expect("another's is not touched");
    assert_ne!(owner(&store).await, ended);
    store.release_lease(node(1)).await.expect("gives it back");
    assert_eq!(owner(&store).await, ended);
    store.check_held(&held, &hashes()).await.expect("the shards are its still");
}

/// Nobody has to wait for it.
pub async fn a_node_that_took_the_shards_without_a_lease_has_none(store: Arc<dyn Store>) {
    take(&store, 1, None).await.expect("it is free");
    store.acquire_all_shards(node(2)).await.expect("takes");
    let expected = Owner { node: node(2), life: OwnerLife::Ended };
    assert_eq!(owner(&store).await, Some(expected));
}

/// What was true when the node looked may not be true when it takes them.
pub async fn shards_are_taken_after_an_owner_only_while_they_are_its(store: Arc<dyn Store>) {
    let first = take(&store, 1, None).await.expect("it is free");
    assert!(take(&store, 2, None).await.is_none(), "it has an owner");
    let second = take(&store, 2, Some(node(1))).await.expect("node 1 has it");
    assert!(take(&store, 3, Some(node(1))).await.is_none(), "node 2 has it");
    for (old, new) in first.shards().iter().zip(second.shards()) {
        assert!(new.epoch > old.epoch);
    }
    store.commit(&second, &[unit([start(&execution("order-1", 1))])]).await.expect("it writes");
    assert_fenced(store.commit(&first, &[unit([start(&execution("order-2", 2))])]).await);
}

/// The others find out, and wait on.
pub async fn of_several_nodes_that_wait_one_takes_the_shards(store: Arc<dyn Store>) {
    take(&store, 1, None).await.expect("it is free");
    let waiting = (2..=9).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { take(&store, number, Some(node(1))).await })
    });
    let waiting: Vec<_> = waiting.collect();
    let mut taken = Vec::new();
    for node in waiting {
        taken.extend(node.await.expect("no panic"));
    }
    assert_eq!(taken.len(), 1);
    assert_eq!(owner(&store).await.map(|owner| owner.node), Some(taken[0].node));
    store.check_held(&taken[0], &hashes()).await.expect("it has them");
}

/// It finds out, and the lease is the other's.
pub async fn a_former_owner_can_not_renew_its_lease(store: Arc<dyn Store>) {
    let first = take(&store, 1, None).await.expect("it is free");
    take(&store, 2, Some(node(1))).await.expect("node 1 has it");
    assert_fenced(store.renew_lease(&first, LEASE).await);
    store.release_lease(node(1)).await.expect("it has none");
    let life = owner(&store).await.map(|owner| (owner.node, owner.life));
    assert!(matches!(life, Some((second, OwnerLife::Leased(_))) if second == node(2)), "{life:?}");
}

/// One shard is enough to refuse, and only those that are asked about count.
pub async fn what_is_held_is_held_until_another_node_takes_it(store: Arc<dyn Store>) {
    let first = store.acquire_all_shards(node(1)).await.expect("takes");
    store.check_held(&first, &hashes()).await.expect("it has them");
    store.check_held(&first, &[]).await.expect("nothing is lost");
    let second = store.acquire_all_shards(node(2)).await.expect("takes");
    assert_fenced(store.check_held(&first, &hashes()).await);
    store.check_held(&second, &hashes()).await.expect("it has them");

    let lost = first.lease_of(WorkflowHash(7)).copied().expect("all are held");
    let others = second.shards().iter().filter(|lease| lease.shard_id != lost.shard_id);
    let mixed = Ownership::new(node(2), others.copied().chain([lost]).collect());
    assert_fenced(store.check_held(&mixed, &hashes()).await);
    store.check_held(&mixed, &[WorkflowHash(i32::MIN)]).await.expect("it has that one");
    let without = second.shards().iter().filter(|lease| lease.shard_id != lost.shard_id);
    let without = Ownership::new(node(2), without.copied().collect());
    assert_fenced(store.check_held(&without, &[WorkflowHash(7)]).await);
}
