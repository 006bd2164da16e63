//! Tasks as commits change them: where each is, and what is left of it.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::execution::Execution;
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;

use super::fixtures::*;
use super::samples;
use crate::Store;
use crate::commit::RunTransition;
use crate::deletion::RunDeletion;
use crate::shard::HashRange;
use crate::task::{LeasedTask, TaskChange, TaskPlace, TaskRow};

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("task.rs");

fn enqueue(row: &TaskRow) -> TaskChange {
    TaskChange::Enqueue(Box::new(row.clone()))
}

fn lease(leased: &LeasedTask) -> TaskChange {
    TaskChange::Lease(Box::new(leased.clone()))
}

fn remove(event_id: u64) -> TaskChange {
    TaskChange::Remove { event_id: EventId(event_id) }
}

fn requeue(event_id: u64, attempt: u32, visible_at: Timestamp) -> TaskChange {
    TaskChange::Requeue {
        event_id: EventId(event_id),
        attempt,
        visible_at,
        expires_at: Some(at(77)),
        last_failure: samples::failure(),
        fairness_rank: i64::MAX,
    }
}

/// What [`requeue`] makes of a lease.
fn requeued(leased: &LeasedTask, attempt: u32, visible_at: Timestamp) -> TaskRow {
    let mut row = TaskRow { visible_at, fairness_rank: i64::MAX, ..leased.task.clone() };
    row.expires_at = Some(at(77));
    row.attempt.number = attempt;
    row.attempt.last_failure = Some(samples::failure());
    row
}

fn tell(event_id: u64, cancel_until: Option<Timestamp>, visible_at: Timestamp) -> TaskChange {
    TaskChange::Tell {
        event_id: EventId(event_id),
        cancel_until,
        paused: false,
        visible_at,
        expires_at: None,
    }
}

fn pause(event_id: u64) -> TaskChange {
    let visible_at = START;
    TaskChange::Tell {
        event_id: EventId(event_id),
        cancel_until: None,
        paused: true,
        visible_at,
        expires_at: None,
    }
}

/// What becomes of tasks in whichever way changes come: all in one commit, or each in one.
async fn after(store: &Arc<dyn Store>, changes: &[TaskChange]) -> Vec<TaskPlace> {
    let owned = Owned::of(store.clone()).await;
    let (at_once, by_one) = (execution("order-1", 1), execution("order-1", 2));
    let of = |run: &Execution| {
        let changes = changes.iter().cloned().map(|mut change| {
            match &mut change {
                TaskChange::Enqueue(row) => row.key = run.key,
                TaskChange::Lease(leased) => leased.task.key = run.key,
                _ => {}
            }
            change
        });
        changes.collect::<Vec<_>>()
    };
    owned.commit([change(&at_once, of(&at_once))]).await.expect("commits");
    for one in of(&by_one) {
        owned.commit([change(&by_one, [one])]).await.expect("commits");
    }
    let mut places = owned.tasks(&by_one).await;
    for place in &mut places {
        match place {
            TaskPlace::Queue(row) => row.key = at_once.key,
            TaskPlace::Hand(leased) => leased.task.key = at_once.key,
        }
    }
    assert_eq!(owned.tasks(&at_once).await, places, "{changes:#?}");
    owned
        .commit([at_once, by_one].map(|run| change(&run, [remove(2), remove(3)])))
        .await
        .expect("commits");
    places
}

/// In place of whatever there was, with all that it has.
pub async fn a_task_has_one_row_in_one_of_two_places(store: Arc<dyn Store>) {
    let run = execution("order-1", 1);
    let (row, full) = (task(&run, 2), full_task(&run, 2));
    let (simple, in_hand) = (leased(row.clone()), leased(full.clone()));
    let there = |place: TaskPlace| vec![place];
    let waits = |row: &TaskRow| there(TaskPlace::Queue(row.clone()));
    let hand = |leased: &LeasedTask| there(TaskPlace::Hand(leased.clone()));
    assert_eq!(after(&store, &[enqueue(&row)]).await, waits(&row));
    assert_eq!(after(&store, &[enqueue(&full)]).await, waits(&full));
    assert_eq!(after(&store, &[lease(&simple)]).await, hand(&simple));
    assert_eq!(after(&store, &[lease(&in_hand)]).await, hand(&in_hand));
    assert_eq!(after(&store, &[enqueue(&row), lease(&in_hand)]).await, hand(&in_hand));
    assert_eq!(after(&store, &[lease(&in_hand), enqueue(&row)]).await, waits(&row));
    assert_eq!(after(&store, &[enqueue(&row), enqueue(&full)]).await, waits(&full));
    assert_eq!(after(&store, &[lease(&simple), lease(&in_hand)]).await, hand(&in_hand));
    for before in [enqueue(&full), lease(&in_hand)] {
        assert_eq!(after(&store, &[before.clone(), remove(2)]).await, []);
        assert_eq!(
            after(&store, &[before, remove(2), remove(2), enqueue(&row)]).await,
            waits(&row)
        );
    }
    assert_eq!(after(&store, &[remove(2)]).await, []);
}

/// With its next attempt, its rank and its failure, from wherever it is; the rest stays.
/// The last of several counts. Nothing happens to one that is nowhere.
pub async fn a_task_is_put_back_as_it_was(store: Arc<dyn Store>) {
    let run = execution("order-1", 1);
    let in_hand = leased(full_task(&run, 2));
    let back = |attempt, at| [TaskPlace::Queue(requeued(&in_hand, attempt, at))];
    let put_back = requeue(2, 3, at(5));
    for before in [lease(&in_hand), enqueue(&in_hand.task)] {
        assert_eq!(after(&store, &[before.clone(), put_back.clone()]).await, back(3, at(5)));
        let twice = [before, put_back.clone(), requeue(2, 9, at(9))];
        assert_eq!(after(&store, &twice).await, back(9, at(9)));
    }
    assert_eq!(after(&store, &[put_back]).await, []);
}

/// What one says may be written with what another says of the same task.
pub async fn changes_of_a_stored_task_add_up(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let in_hand = leased(full_task(&run, 2));
    let waits = full_task(&run, 3);
    let all = [
        [
            requeue(2, 3, at(5)),
            tell(2, Some(at(9)), at(6)),
            requeue(3, 3, at(5)),
            tell(3, None, at(6)),
        ],
        [
            tell(2, Some(at(9)), at(6)),
            requeue(2, 3, at(5)),
            tell(3, None, at(6)),
            requeue(3, 3, at(5)),
        ],
        [tell(2, Some(at(8)), at(6)), pause(2), tell(3, Some(at(4)), at(6)), pause(3)],
        [pause(2), tell(2, Some(at(8)), at(6)), pause(3), tell(3, Some(at(4)), at(6))],
    ];
    for changes in all {
        let mut after = Vec::new();
        for at_once in [true, false] {
            let begin = change(&run, [lease(&in_hand), enqueue(&waits)]);
            owned.commit([begin]).await.expect("commits");
            if at_once {
                owned.commit([change(&run, changes.clone())]).await.expect("commits");
            } else {
                for one in changes.clone() {
                    owned.commit([change(&run, [one])]).await.expect("commits");
                }
            }
            after.push(owned.tasks(&run).await);
        }
        assert_eq!(after[0], after[1], "{changes:#?}");
    }
}

/// And heartbeats don't prolong a lease beyond the time at which it has to have canceled.
pub async fn a_worker_is_told_what_it_has_to_do(store: Arc<dyn Store>) {
    let run = execution("order-1", 1);
    let in_hand = leased(task(&run, 2));
    let told = after(&store, &[lease(&in_hand), tell(2, Some(at(5)), START)]).await;
    let mut expected = in_hand.clone();
    expected.lease.cancel_requested = true;
    expected.lease.expires_at = at(5);
    expected.task.attempt.close_by = Some(at(5));
    assert_eq!(told, [TaskPlace::Hand(expected.clone())]);

    // Neither an end of the lease nor one of the activity is put off by it.
    let late = at(100_000_000);
    let mut bounded = full_task(&run, 2);
    bounded.attempt.close_by = Some(at(50_000_000));
    let bounded = leased(bounded);
    let told = after(&store, &[lease(&bounded), tell(2, Some(late), START)]).await;
    let mut expected = bounded.clone();
    expected.lease.cancel_requested = true;
    assert_eq!(told, [TaskPlace::Hand(expected)]);

    let paused = after(&store, &[lease(&in_hand), pause(2)]).await;
    let mut expected = in_hand.clone();
    expected.lease.paused = true;
    assert_eq!(paused, [TaskPlace::Hand(expected)]);
    let goes_on = after(&store, &[lease(&in_hand), pause(2), tell(2, None, at(7))]).await;
    assert_eq!(goes_on, [TaskPlace::Hand(in_hand)]);
}

/// And then from the time that is said.
pub async fn a_paused_task_is_not_handed_out_until_it_goes_on(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let run = execution("order-1", 1);
    owned.commit([start_with(&run, [task(&run, 2)])]).await.expect("commits");
    owned.commit([change(&run, [pause(2)])]).await.expect("commits");
    let paused = TaskRow { visible_at: NEVER, ..task(&run, 2) };
    assert_eq!(owned.tasks(&run).await, [TaskPlace::Queue(paused)]);
    assert_eq!(owned.claim(&claim(at(1_000_000_000))).await, []);
    owned.commit([change(&run, [tell(2, None, at(9))])]).await.expect("commits");
    assert_eq!(owned.claim(&claim(at(8))).await, []);
    assert_eq!(owned.claim(&claim(at(9))).await.len(), 1);
}

/// By run and event, whoever has them.
pub async fn tasks_are_found_where_they_are(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let (one, other) = (execution("order-1", 1), execution("order-1", 2));
    let tasks = [enqueue(&task(&one, 4)), lease(&leased(full_task(&one, 3)))];
    owned.commit([change(&one, tasks)]).await.expect("commits");
    owned.commit([change(&other, [enqueue(&full_task(&other, 2))])]).await.expect("commits");
    let of_one = [TaskPlace::Hand(leased(full_task(&one, 3))), TaskPlace::Queue(task(&one, 4))];
    assert_eq!(owned.tasks(&one).await, of_one);
    let of_other = TaskPlace::Queue(full_task(&other, 2));
    let wanted = [
        (other.key, EventId(2)),
        (one.key, EventId(4)),
        (one.key, EventId(5)),
        (one.key, EventId(3)),
        (one.key, EventId(3)),
    ];
    let found = owned.store.find_tasks(&wanted).await.expect("finds");
    let [hand, waits] = of_one;
    assert_eq!(found, [hand, waits, of_other]);
    assert_eq!(owned.store.find_tasks(&[]).await.expect("finds"), []);
}

/// Nor if an event is in its way, or one is missing.
pub async fn tasks_are_written_with_their_commit_or_not_at_all(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    let with_task = |transition: RunTransition| RunTransition {
        tasks: vec![enqueue(&task(&run, 2))],
        ..transition
    };
    assert_conflict(owned.commit([with_task(append(run.key, [any_event(1)]))]).await);
    assert_conflict(owned.commit([with_task(start(&run))]).await);
    assert_eq!(owned.tasks(&run).await, []);
    let next = store.acquire_all_shards(node(2)).await.expect("takes over");
    for transition in [append(run.key, [activity_scheduled(2)]), close(&run, 2)] {
        assert_fenced(owned.commit([with_task(transition)]).await);
    }
    assert_fenced(owned.commit([change(&run, [enqueue(&task(&run, 2))])]).await);
    assert_eq!(owned.tasks(&run).await, []);
    assert_eq!(owned.history(run.key).await.len(), 1);
    let owned = Owned { store: store.clone(), ownership: next };
    owned.commit([with_task(append(run.key, [activity_scheduled(2)]))]).await.expect("commits");
    assert_eq!(owned.tasks(&run).await, [TaskPlace::Queue(task(&run, 2))]);
    assert_went_back(owned.commit([with_task(append(run.key, [any_event(9)]))]).await, "event 8");
    assert_eq!(owned.history(run.key).await.len(), 2);
}

/// With everything else of it.
pub async fn the_tasks_of_a_run_are_deleted_with_it(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let (gone, stays) = (execution("order-1", 1), execution("order-2", 2));
    for run in [&gone, &stays] {
        owned.start(&[run]).await;
        // Rows are left, as a run that closes may leave some.
        let tasks = [enqueue(&task(run, 2)), lease(&leased(task(run, 3)))];
        owned.commit([change(run, tasks)]).await.expect("commits");
    }
    owned.commit([close(&gone, 2)]).await.expect("closes");
    let deleted = store.delete_run(&owned.ownership, gone.key).await.expect("decides");
    assert_eq!(deleted, RunDeletion::Deleted);
    assert_eq!(owned.tasks(&gone).await, []);
    assert_eq!(owned.tasks(&stays).await.len(), 2);
    let all = &[HashRange::ALL];
    let over = store.expired_leases(all, at(1_000_000_000), Duration::ZERO, 100).await;
    let over: Vec<_> = over.expect("reads").iter().map(|over| over.task).collect();
    assert_eq!(over, [(stays.key, EventId(3))]);
}
