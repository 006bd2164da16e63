//! The unique keys that decide who was first.

use std::sync::Arc;

use dacapo_model::execution::{Blocked, Execution, ExecutionStatus};

use super::fixtures::*;
use crate::Store;
use crate::commit::{ExecutionChange, ExecutionUpdate, RunTransition};

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("commit_keys.rs");

fn requested(workflow: &str, number: u128, request: &str) -> Execution {
    Execution { request_id: Some(request_id(request)), ..execution(workflow, number) }
}

/// The compare-and-swap of every transition.
pub async fn an_event_id_is_written_once(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    owned.commit([append(run.key, [any_event(2)])]).await.expect("commits");
    let other = append(run.key, [timer_started(2, START), any_event(3)]);
    assert_conflict(owned.commit([other]).await);
    let history = owned.history(run.key).await;
    assert_eq!(history.len(), 2);
    assert_eq!(history[1], any_event(2));
}

/// Also against itself.
pub async fn an_event_given_twice_in_one_commit_is_refused(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let twice = [start(&run), append(run.key, [any_event(2)]), append(run.key, [any_event(2)])];
    assert_conflict(owned.commit(twice).await);
    assert_eq!(owned.history(run.key).await, []);
    assert_eq!(owned.stored(&run).await, None);
}

/// Two writers that both believe they own a run.
pub async fn one_of_two_concurrent_writers_wins(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    for id in 2..20 {
        let (one, other) = tokio::join!(
            owned.commit([append(run.key, [any_event(id)])]),
            owned.commit([append(run.key, [timer_started(id, START)])]),
        );
        let expected = match (one, other) {
            (Ok(()), refused) => {
                assert_conflict(refused);
                any_event(id)
            }
            (refused, Ok(())) => {
                assert_conflict(refused);
                timer_started(id, START)
            }
            both => panic!("nobody was first: {both:?}"),
        };
        assert_eq!(owned.history(run.key).await.last(), Some(&expected));
    }
}

/// A second start is refused while the first run is open.
pub async fn only_one_run_of_a_workflow_id_is_open(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let first = execution("order-1", 1);
    let second = execution("order-1", 2);
    owned.start(&[&first]).await;
    assert_conflict(owned.commit([start(&second)]).await);
    assert_eq!(owned.stored(&second).await, None);
}

/// Also within one commit.
pub async fn two_open_runs_in_one_commit_are_refused(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let first = execution("order-1", 1);
    let second = execution("order-1", 2);
    assert_conflict(owned.commit([start(&first), start(&second)]).await);
    assert_eq!(owned.stored(&first).await, None);
    assert_eq!(owned.stored(&second).await, None);
}

/// A blocked run holds its workflow id.
pub async fn a_blocked_run_is_open(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let first = execution("order-1", 1);
    owned.start(&[&first]).await;
    let blocked = Blocked {
        code: "guest_trap".to_owned(),
        message: "unreachable".to_owned(),
        backtrace: None,
        nondeterminism: None,
    };
    let block = RunTransition {
        execution: ExecutionChange::Update(Box::new(ExecutionUpdate {
            status: ExecutionStatus::Blocked,
            blocked: Some(blocked),
            closed_at: None,
            module_digest: None,
            attributes: None,
            tags: None,
            history_size: None,
        })),
        ..transition(first.key)
    };
    owned.commit([block]).await.expect("commits");
    assert_conflict(owned.commit([start(&execution("order-1", 2))]).await);
}

/// Closed runs may be as many as you like.
pub async fn closing_a_run_frees_its_workflow_id(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    for number in 1..4 {
        let run = execution("order-1", number);
        owned.start(&[&run]).await;
        owned.commit([close(&run, 2)]).await.expect("closes");
    }
}

/// Terminate and start again, or continue as new: one unit, either order of rows.
pub async fn a_run_may_replace_an_open_one_in_one_unit(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let mut open = execution("order-1", 1);
    owned.start(&[&open]).await;
    for number in 2..10 {
        let next = execution("order-1", number);
        let replace = unit([close(&open, 2), start(&next)]);
        owned.store.commit(&owned.ownership, &[replace]).await.expect("replaces");
        assert_eq!(owned.stored(&open).await, Some(closed(&open)));
        assert_eq!(owned.stored(&next).await, Some(next.clone()));
        open = next;
    }
}

/// Tenants do not see each other's ids.
pub async fn workflow_ids_of_namespaces_are_apart(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let here = execution_in("default", "order-1", 1);
    let there = execution_in("other", "order-1", 2);
    owned.start(&[&here, &there]).await;
    assert_eq!(owned.stored(&here).await, Some(here));
    assert_eq!(owned.stored(&there).await, Some(there));
}

/// A repeated start is recognised even after the run has closed.
pub async fn only_one_run_of_a_workflow_id_has_a_request_id(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let first = requested("order-1", 1, "request-1");
    owned.start(&[&first]).await;
    owned.commit([close(&first, 2)]).await.expect("closes");
    assert_conflict(owned.commit([start(&requested("order-1", 2, "request-1"))]).await);
    owned.start(&[&requested("order-2", 3, "request-1")]).await;
    owned.start(&[&requested("order-1", 4, "request-2")]).await;
}

/// Absent is not a value.
pub async fn runs_without_request_id_do_not_collide(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let first = execution("order-1", 1);
    owned.commit([start(&first), close(&first, 2)]).await.expect("commits");
    owned.start(&[&execution("order-1", 2)]).await;
}

/// The same run twice is a conflict, in one commit and in two.
pub async fn a_run_is_inserted_once(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let insert = || RunTransition {
        execution: ExecutionChange::Insert(Box::new(closed(&run))),
        ..transition(run.key)
    };
    assert_conflict(owned.commit([insert(), insert()]).await);
    owned.commit([insert()]).await.expect("commits");
    assert_conflict(owned.commit([insert()]).await);
}
