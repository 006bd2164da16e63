//! Faults happen where the script says, and nowhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dacapo_store::Store;
use dacapo_store::conformance::fixtures::{Owned, assert_fenced, execution, start};
use dacapo_store::error::{Result, StoreError};
use dacapo_store::faulty::{Call, Fault, FaultyStore, Operation};
use dacapo_store::memory::MemoryStore;
use tokio::sync::Semaphore;

mod transparent {
    use super::*;

    async fn on_a_fresh_store<F>(case: impl FnOnce(Arc<dyn Store>) -> F)
    where
        F: Future<Output = ()>,
    {
        case(Arc::new(FaultyStore::transparent(Arc::new(MemoryStore::new())))).await;
    }

    dacapo_store::conformance_tests!(on_a_fresh_store);
}

/// A store whose second commit meets `fault`.
async fn second_commit(fault: Fault) -> Owned {
    let store = FaultyStore::new(Arc::new(MemoryStore::new()), move |call| match call {
        Call { operation: Operation::Commit, number: 2 } => fault.clone(),
        _ => Fault::None,
    });
    let owned = Owned::of(Arc::new(store)).await;
    owned.start(&[&execution("order-1", 1)]).await;
    owned
}

fn assert_unavailable(result: Result<()>) {
    assert!(matches!(result, Err(StoreError::Unavailable { .. })), "{result:?}");
}

#[tokio::test]
async fn unavailable_is_not_done() {
    let owned = second_commit(Fault::Unavailable).await;
    let run = execution("order-2", 2);
    assert_unavailable(owned.commit([start(&run)]).await);
    assert_eq!(owned.stored(&run).await, None);
    owned.commit([start(&run)]).await.expect("the third commit meets no fault");
}

#[tokio::test]
async fn done_but_unavailable_is_done() {
    let owned = second_commit(Fault::DoneButUnavailable).await;
    let run = execution("order-2", 2);
    assert_unavailable(owned.commit([start(&run)]).await);
    assert_eq!(owned.stored(&run).await, Some(run));
}

#[tokio::test]
async fn fenced_is_not_done() {
    let owned = second_commit(Fault::Fenced).await;
    let run = execution("order-2", 2);
    assert_fenced(owned.commit([start(&run)]).await);
    assert_eq!(owned.stored(&run).await, None);
}

#[tokio::test]
async fn a_delay_ends_when_the_test_says_so() {
    let gate = Arc::new(Semaphore::new(0));
    let owned = second_commit(Fault::Delayed(Arc::clone(&gate))).await;
    let run = execution("order-2", 2);
    {
        let mut delayed = Box::pin(owned.commit([start(&run)]));
        tokio::select! {
            biased;
            outcome = &mut delayed => panic!("not delayed: {outcome:?}"),
            stored = owned.stored(&run) => assert_eq!(stored, None),
        }
        gate.add_permits(1);
        delayed.await.expect("commits");
    }
    assert_eq!(owned.stored(&run).await, Some(run));
}

#[tokio::test]
async fn hooks_see_each_commit_before_and_after_it_is_done() {
    let (before, after) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (saw_before, saw_after) = (Arc::clone(&before), Arc::clone(&after));
    let store = FaultyStore::transparent(Arc::new(MemoryStore::new()))
        .before_commit(move |number| saw_before.store(number, Ordering::Relaxed))
        .after_commit(move |number| saw_after.store(number, Ordering::Relaxed));
    let owned = Owned::of(Arc::new(store)).await;
    let seen = || (before.load(Ordering::Relaxed), after.load(Ordering::Relaxed));
    owned.start(&[&execution("order-1", 1)]).await;
    assert_eq!(seen(), (1, 1));
    owned.commit([start(&execution("order-1", 2))]).await.expect_err("the id is taken");
    assert_eq!(seen(), (2, 1), "a refused commit is not done");
}

#[tokio::test]
async fn a_late_commit_is_done_after_it_was_reported_as_failed() {
    let owned = second_commit(Fault::DoneLater(2)).await;
    let run = execution("order-2", 2);
    assert_unavailable(owned.commit([start(&run)]).await);
    assert_eq!(owned.stored(&run).await, None);
    assert_eq!(owned.stored(&run).await, Some(run));
}

#[tokio::test]
async fn a_late_commit_may_come_too_late() {
    let owned = second_commit(Fault::DoneLater(2)).await;
    let (run, other) = (execution("order-2", 2), execution("order-2", 3));
    assert_unavailable(owned.commit([start(&run)]).await);
    owned.commit([start(&other)]).await.expect("the workflow id is free");
    assert_eq!(owned.stored(&run).await, None, "it is refused like any other");
}

#[tokio::test]
async fn a_commit_with_a_unit_that_is_refused_is_rejected_whole() {
    let (run, other) = (execution("order-1", 1), execution("order-2", 2));
    let refused = run.key;
    let store = FaultyStore::transparent(Arc::new(MemoryStore::new()))
        .refusing(move |unit| unit.transitions.iter().any(|it| it.key == refused));
    let owned = Owned::of(Arc::new(store)).await;
    let rejected = owned.commit([start(&run), start(&other)]).await;
    assert!(matches!(rejected, Err(StoreError::Rejected { .. })), "{rejected:?}");
    owned.commit([start(&other)]).await.expect("the other is taken");
    assert_eq!(owned.stored(&run).await, None);
}
