use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use dacapo_model::ids::WorkflowHash;
use dacapo_model::payload::Payload;
use dacapo_store::Store;
use dacapo_store::conformance::fixtures::{self, execution, node, start, unit};
use dacapo_store::faulty::{Call, Fault, FaultyStore, Operation};
use dacapo_store::memory::MemoryStore;
use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::Tenure;
use crate::health::StoreHealth;
use crate::ownership::{Loss, Owned};

const MIB: usize = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

async fn committer(store: impl Store + 'static) -> (Committer, Arc<dyn Store>) {
    let (committer, store, _) = watched_committer(store).await;
    (committer, store)
}

async fn watched_committer(
    store: impl Store + 'static,
) -> (Committer, Arc<dyn Store>, Arc<StoreHealth>) {
    let fixtures::Owned { store, ownership } = fixtures::Owned::of(Arc::new(store)).await;
    let health = Arc::new(StoreHealth::new(CancellationToken::new()));
    let (committer, _) = committer_with(store.clone(), ownership, health.clone());
    (committer, store, health)
}

fn committer_with(
    store: Arc<dyn Store>,
    ownership: Ownership,
    health: Arc<StoreHealth>,
) -> (Committer, Loss) {
    let hold = Hold::new(store, Tenure::Alone, Owned::new(ownership), health);
    let loss = hold.loss.clone();
    (Committer::start(Arc::new(hold)), loss)
}

/// Starts of runs with these numbers, all at once.
async fn starts(committer: &Committer, numbers: impl Iterator<Item = u128>) -> Vec<Verdict> {
    let commits = numbers.map(|number| {
        let run = execution(&format!("order-{number}"), number);
        committer.commit(unit([start(&run)]))
    });
    let all = futures::future::join_all(commits);
    tokio::time::timeout(PATIENCE, all).await.expect("everyone is answered")
}

fn number_of(unit: &CommitUnit) -> u128 {
    unit.transitions[0].key.run_id.0.as_u128()
}

fn is_of(unit: &CommitUnit, number: u128) -> bool {
    number_of(unit) == number
}

fn is_rejected(verdict: &Verdict) -> bool {
    matches!(verdict, Err(CommitFailure::Rejected(_)))
}

#[tokio::test]
async fn a_unit_that_the_store_refuses_stands_alone_and_costs_few_commits() {
    let commits = Arc::new(AtomicU64::new(0));
    let counted = commits.clone();
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), move |call: Call| {
        counted.fetch_add(u64::from(call.operation == Operation::Commit), Ordering::SeqCst);
        Fault::None
    });
    let (committer, _) = committer(store.refusing(|unit| is_of(unit, 77))).await;
    let verdicts = starts(&committer, 1..=300).await;
    for (number, verdict) in (1..).zip(&verdicts) {
        assert_eq!(is_rejected(verdict), number == 77, "{number}: {verdict:?}");
    }
    let commits = commits.load(Ordering::SeqCst);
    assert!(commits < 40, "{commits} commits");
}

/// An error of the database itself, such as one of its processes out of memory.
#[tokio::test]
async fn a_unit_that_is_refused_for_a_reason_that_may_pass_is_tried_once_more_alone() {
    let alone: Arc<Mutex<HashMap<u128, u32>>> = Arc::default();
    let counted = alone.clone();
    let store = FaultyStore::transparent(Arc::new(MemoryStore::new()));
    let store = store.refusing_now(move |units| {
        let mut alone = counted.lock();
        if let [unit] = units {
            *alone.entry(number_of(unit)).or_default() += 1;
        }
        // One of them for as long as it has not stood alone twice, the other always.
        units.iter().any(|unit| match number_of(unit) {
            7 => alone.get(&7).is_none_or(|times| *times < 2),
            number => number == 9,
        })
    });
    let (committer, _) = committer(store).await;
    let verdicts = starts(&committer, 1..=16).await;
    for (number, verdict) in (1..).zip(&verdicts) {
        assert_eq!(is_rejected(verdict), number == 9, "{number}: {verdict:?}");
    }
    let times = [7, 9].map(|number| alone.lock().get(&number).copied());
    assert_eq!(times, [Some(2); 2], "once more, and not again");
}

#[tokio::test]
async fn a_unit_at_which_the_store_panics_stands_alone() {
    let store = FaultyStore::transparent(Arc::new(MemoryStore::new())).refusing(|unit| {
        assert!(!is_of(unit, 7), "run 7");
        false
    });
    let (committer, _) = committer(store).await;
    let verdicts = starts(&committer, 1..=20).await;
    for (number, verdict) in (1..).zip(&verdicts) {
        assert_eq!(is_rejected(verdict), number == 7, "{number}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_asked_once_for_all_who_wait() {
    let commits = Arc::new(AtomicU64::new(0));
    let counted = commits.clone();
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), move |call: Call| {
        if call.operation != Operation::Commit {
            return Fault::None;
        }
        counted.fetch_add(1, Ordering::SeqCst);
        Fault::Unavailable
    });
    let (committer, _) = committer(store).await;
    let verdicts = starts(&committer, 1..=100).await;
    assert!(verdicts.iter().all(|verdict| *verdict == Err(CommitFailure::Unavailable)));
    assert!(commits.load(Ordering::SeqCst) <= 2, "the first, and all who came meanwhile");
}

#[tokio::test]
async fn a_unit_that_is_to_stand_alone_does_and_its_failure_is_its_own() {
    let (gate, sizes) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (held, seen) = (gate.clone(), sizes.clone());
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), move |call: Call| match call {
        Call { operation: Operation::Commit, number: 1 } => Fault::Delayed(held.clone()),
        _ => Fault::None,
    });
    let store = store.silent_about(move |units| {
        seen.lock().push(units.len());
        units.iter().any(|unit| is_of(unit, 9))
    });
    let (committer, _, health) = watched_committer(store).await;
    let alone = async {
        let run = execution("order-9", 9);
        let alone = committer.commit_alone(unit([start(&run)]));
        tokio::time::timeout(PATIENCE, alone).await.expect("it is answered")
    };
    // In this order while the first is under way.
    let (first, before, alone, after, ()) = futures::join!(
        starts(&committer, 1..=1),
        starts(&committer, 2..=5),
        alone,
        starts(&committer, 11..=13),
        async { gate.add_permits(1) },
    );
    assert_eq!(alone, Err(CommitFailure::Unavailable));
    assert!(first.iter().chain(&before).chain(&after).all(Result::is_ok));
    assert!(sizes.lock().contains(&1), "{sizes:?}");
    assert_eq!(sizes.lock().iter().sum::<usize>(), 9, "{sizes:?}: none is written twice");
    assert!(!health.is_failing(), "others need not wait for that");
}

/// A start whose input is so large.
fn large_start(number: u128, bytes: usize) -> CommitUnit {
    let mut start = start(&execution(&format!("order-{number}"), number));
    start.events[0].attributes.set_payload(Payload::from(vec![b'x'; bytes]));
    unit([start])
}

#[tokio::test]
async fn a_commit_has_so_many_bytes_or_one_unit() {
    let (committer, store) = committer(MemoryStore::new()).await;
    let before = store.statistics().commits;
    let commits = (1..=60).map(|number| {
        let bytes = if number == 30 { 20 * MIB } else { MIB };
        committer.commit(large_start(number, bytes))
    });
    let verdicts = futures::future::join_all(commits).await;
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    // 15 in one at most; the large one stands alone, and cuts off what came before.
    let commits = store.statistics().commits - before;
    assert_eq!(commits, 2 + 1 + 2, "commits");
}

#[tokio::test]
async fn a_committer_that_panics_starts_again() {
    let (gate, is_held) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
    let (held, seen) = (gate.clone(), is_held.clone());
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), move |call: Call| match call {
        Call { operation: Operation::Commit, number: 1 } => {
            seen.store(true, Ordering::SeqCst);
            Fault::Delayed(held.clone())
        }
        _ => Fault::None,
    });
    let times = AtomicUsize::new(1);
    let store = store.commits_at_once_as(move || {
        let left = times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1));
        assert!(left.is_err(), "asked how many commits there may be at once");
        1
    });
    let (committer, _) = committer(store).await;
    // So many that there may be a second commit beside the first: the store is asked.
    let rest = async {
        while !is_held.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        starts(&committer, 2..=60).await
    };
    let (first, rest) = futures::join!(starts(&committer, 1..=1), async {
        let rest = rest.await;
        gate.add_permits(1);
        rest
    });
    assert_eq!(first, [Ok(())], "what was under way is not disturbed");
    assert!(rest.contains(&Err(CommitFailure::Unavailable)), "they had no verdict: {rest:?}");
    let verdicts = starts(&committer, 201..=220).await;
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
}

fn counting_commits() -> (Arc<dyn Store>, Arc<AtomicU64>) {
    let commits = Arc::new(AtomicU64::new(0));
    let counted = commits.clone();
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), move |call: Call| {
        counted.fetch_add(u64::from(call.operation == Operation::Commit), Ordering::SeqCst);
        Fault::None
    });
    (Arc::new(store), commits)
}

/// A committer that holds all shards but that of one workflow id, which it has lost unseen;
/// and how many commits there were.
async fn with_one_shard_lost(number: u128) -> (Committer, Loss, Ownership, Arc<AtomicU64>) {
    let (store, commits) = counting_commits();
    let before = store.acquire_all_shards(node(1)).await.expect("takes");
    let mut ownership = store.acquire_all_shards(node(1)).await.expect("takes");
    let lost = hash_of(number);
    ownership.take(*before.lease_of(lost).expect("it holds all"));
    let mut left = ownership.clone();
    left.lose(&[(left.lease_of(lost).expect("it holds all").shard_id, u64::MAX)].into());
    let health = Arc::new(StoreHealth::new(CancellationToken::new()));
    let (committer, loss) = committer_with(store, ownership, health);
    (committer, loss, left, commits)
}

fn hash_of(number: u128) -> WorkflowHash {
    execution(&format!("order-{number}"), number).key.hash
}

#[tokio::test]
async fn a_unit_of_a_lost_shard_is_fenced_and_the_others_are_committed() {
    let (committer, loss, left, commits) = with_one_shard_lost(77).await;
    // The second time it is known; a unit may still come.
    for numbers in [1..=300, 1_000..=1_299] {
        let before = commits.load(Ordering::SeqCst);
        let numbers: Vec<_> = numbers.chain([77]).collect();
        let verdicts = starts(&committer, numbers.iter().copied()).await;
        for (number, verdict) in numbers.iter().zip(&verdicts) {
            let is_lost = left.lease_of(hash_of(*number)).is_none();
            let expected = if is_lost { Err(CommitFailure::Fenced) } else { Ok(()) };
            assert_eq!(*verdict, expected, "{number}");
        }
        let commits = commits.load(Ordering::SeqCst) - before;
        assert!(commits < 12, "{commits} commits");
        loss.admit().expect("the node goes on");
    }
}

#[tokio::test]
async fn a_node_that_was_taken_over_hears_it_of_one_commit() {
    let (store, commits) = counting_commits();
    let ownership = store.acquire_all_shards(node(1)).await.expect("takes");
    store.acquire_all_shards(node(2)).await.expect("takes");
    let health = Arc::new(StoreHealth::new(CancellationToken::new()));
    let (committer, loss) = committer_with(store, ownership, health);
    let verdicts = starts(&committer, 1..=300).await;
    assert!(verdicts.iter().all(|verdict| *verdict == Err(CommitFailure::Fenced)));
    let commits = commits.load(Ordering::SeqCst);
    assert!(commits < 12, "{commits} commits: one for each batch");
    loss.to_another().now_or_never().expect("it is known");
}
