//! A commit is whole or nothing, and what it leaves behind.

use std::sync::Arc;

use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::EventId;

use super::fixtures::*;
use crate::Store;
use crate::commit::{ExecutionChange, ExecutionUpdate, RunTransition};
use crate::error::StoreError;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("commit.rs");

/// All parts of a transition can be read back.
pub async fn a_commit_writes_events_summary_and_timers(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let started = RunTransition { timers_set: vec![timer(run.key, 2, at(5))], ..start(&run) };
    let mut expected = started.events.clone();
    expected.push(timer_started(2, at(5)));
    let started = RunTransition { events: expected.clone(), ..started };
    owned.commit([started]).await.expect("commits");
    assert_eq!(owned.history(run.key).await, expected);
    assert_eq!(owned.stored(&run).await, Some(run.clone()));
    let timers = owned.store.run_timers(&[run.key]).await.expect("timers");
    assert_eq!(timers, [timer(run.key, 2, at(5))]);
}

/// No units, and units without a change, are no error.
pub async fn an_empty_commit_does_nothing(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    owned.commit([]).await.expect("nothing to do");
    owned.commit([transition(run.key)]).await.expect("nothing to change");
    assert_eq!(owned.stored(&run).await, None);
}

/// One refused row takes the rows of all other units with it.
pub async fn a_conflict_in_one_unit_leaves_nothing_of_any(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let old = execution("order-1", 1);
    owned.start(&[&old]).await;
    let new = execution("order-2", 2);
    let with_timer = RunTransition { timers_set: vec![timer(new.key, 2, START)], ..start(&new) };
    let stale = append(old.key, [any_event(1)]);
    assert_conflict(owned.commit([with_timer, close(&old, 2), stale]).await);
    assert_eq!(owned.stored(&new).await, None);
    assert_eq!(owned.history(new.key).await, []);
    assert_eq!(owned.stored(&old).await, Some(old.clone()));
    assert_eq!(owned.history(old.key).await.len(), 1);
    assert_eq!(owned.store.run_timers(&[new.key]).await.expect("timers"), []);
}

/// A large batch is written whole, and counts as one commit.
pub async fn a_thousand_units_are_one_commit(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let runs: Vec<_> =
        (0..1000_u16).map(|n| execution(&format!("order-{n}"), u128::from(n) + 1)).collect();
    let before = owned.store.statistics();
    let starts = runs
        .iter()
        .map(|run| RunTransition { timers_set: vec![timer(run.key, 2, at(5))], ..start(run) });
    owned.commit(starts).await.expect("commits");
    let steps =
        runs.iter().map(|run| RunTransition { timers_cleared: vec![EventId(2)], ..close(run, 2) });
    owned.commit(steps).await.expect("commits");
    assert_eq!(owned.store.statistics().since(before).commits, 2);
    let keys: Vec<_> = runs.iter().map(|run| run.key).collect();
    let histories = owned.store.load_histories(&keys, 100, usize::MAX).await.expect("histories");
    assert!(histories.iter().all(|events| events.len() == 2));
    assert_eq!(owned.store.run_timers(&keys).await.expect("timers"), []);
    assert_eq!(owned.stored(&runs[999]).await, Some(closed(&runs[999])));
}

/// Later units see what earlier ones of the same commit did to the run.
pub async fn units_of_one_run_are_applied_in_order(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    let set = |event_id, fire_at| RunTransition {
        timers_set: vec![timer(run.key, event_id, fire_at)],
        ..append(run.key, [any_event(event_id)])
    };
    let clear = |event_id, cleared| RunTransition {
        timers_cleared: vec![EventId(cleared)],
        ..append(run.key, [any_event(event_id)])
    };
    let reset = RunTransition { timers_set: vec![timer(run.key, 2, at(9))], ..transition(run.key) };
    let units = [set(2, at(1)), set(3, at(2)), clear(4, 2), clear(5, 3), reset, close(&run, 6)];
    owned.commit(units).await.expect("commits");
    let ids: Vec<_> = owned.history(run.key).await.iter().map(|event| event.id.0).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
    let timers = owned.store.run_timers(&[run.key]).await.expect("timers");
    assert_eq!(timers, [timer(run.key, 2, at(9))]);
    assert_eq!(owned.stored(&run).await, Some(closed(&run)));
}

/// Insert and update of one row, in one commit; the id is free again.
pub async fn a_run_may_start_and_close_in_one_commit(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let first = execution("order-1", 1);
    let second = execution("order-1", 2);
    owned.commit([start(&first), close(&first, 2), start(&second)]).await.expect("commits");
    assert_eq!(owned.stored(&first).await, Some(closed(&first)));
    assert_eq!(owned.stored(&second).await, Some(second.clone()));
}

/// An update that finds no row means that rows were lost.
pub async fn a_change_of_an_unknown_run_is_refused(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let known = execution("order-1", 1);
    let unknown = execution("order-2", 2);
    let change = RunTransition { events: Vec::new(), ..close(&unknown, 2) };
    let refused = owned.commit([start(&known), change]).await;
    assert!(
        matches!(refused, Err(StoreError::Corrupt { table: "workflow_executions", .. })),
        "{refused:?}"
    );
    assert_eq!(owned.stored(&known).await, None);
    assert_eq!(owned.history(unknown.key).await, []);
}

/// Nothing of any unit is written, and the others can be.
pub async fn what_a_column_can_not_hold_is_rejected(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let (run, other) = (execution("order-1", 1), execution("order-2", 2));
    owned.start(&[&run]).await;
    let impossible = append(run.key, [any_event(0)]);
    let refused = owned.commit([start(&other), impossible]).await;
    assert!(matches!(refused, Err(StoreError::Rejected { .. })), "{refused:?}");
    assert_eq!(owned.stored(&other).await, None);
    owned.commit([start(&other), append(run.key, [any_event(2)])]).await.expect("commits");
    assert_eq!(owned.history(run.key).await.len(), 2);
}

/// The database has lost events, or the caller is ahead of it in another way. A
/// history with a gap could never be read again.
pub async fn an_event_without_the_one_before_it_is_refused(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let known = execution("order-1", 1);
    let lost = execution("order-2", 2);
    owned.start(&[&known]).await;
    let timers_set = vec![timer(known.key, 3, at(5))];
    let ahead = RunTransition { timers_set, ..append(known.key, [timer_started(3, at(5))]) };
    // In a commit of events only, and with one that could have been written.
    let fine = append(known.key, [any_event(2)]);
    let of_a_lost_run = append(lost.key, [any_event(2)]);
    let gap = append(known.key, [any_event(2), any_event(4)]);
    for (commit, missing) in [
        (vec![ahead], "event 2 of run"),
        (vec![fine.clone(), of_a_lost_run], "event 1 of run"),
        (vec![gap], "event 3 of run"),
        (vec![close(&lost, 7)], "event 6 of run"),
    ] {
        // Nothing more need be written until the shards are taken again.
        let owned = Owned::of(owned.store.clone()).await;
        assert_went_back(owned.commit(commit).await, missing);
    }
    let owned = Owned::of(owned.store).await;
    assert_eq!(owned.store.run_timers(&[known.key]).await.expect("timers"), []);
    assert_eq!(owned.history(known.key).await.len(), 1);
    assert_eq!(owned.history(lost.key).await, []);
    owned.commit([fine, close(&known, 3)]).await.expect("there is no gap");
}

/// Then it need not be stored.
pub async fn the_event_before_may_come_with_the_same_commit(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let other = execution("order-2", 2);
    let units = [
        start(&run),
        start(&other),
        append(run.key, [any_event(2), any_event(3)]),
        append(other.key, [any_event(2)]),
        append(run.key, [any_event(4)]),
    ];
    owned.commit(units).await.expect("commits");
    assert_eq!(owned.history(run.key).await.len(), 4);
    assert_eq!(owned.history(other.key).await.len(), 2);
}

/// It can be written again and again, and is no commit of a run.
pub async fn a_probe_leaves_no_trace_that_matters(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let before = owned.store.statistics();
    for _ in 0..3 {
        owned.store.probe_write().await.expect("writes");
    }
    assert_eq!(owned.store.statistics().since(before).commits, 0);
    owned.start(&[&execution("order-1", 1)]).await;
}

/// A closing time and a report are there exactly if the status says so.
pub async fn a_summary_that_contradicts_itself_is_refused(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    let update = |status, closed_at| RunTransition {
        execution: ExecutionChange::Update(Box::new(ExecutionUpdate {
            status,
            blocked: None,
            closed_at,
            module_digest: None,
            attributes: None,
            tags: None,
            history_size: None,
        })),
        ..transition(run.key)
    };
    for (status, closed_at) in [
        (ExecutionStatus::Running, Some(START)),
        (ExecutionStatus::Failed, None),
        (ExecutionStatus::Blocked, None),
    ] {
        let refused = owned.commit([update(status, closed_at)]).await;
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{status:?}: {refused:?}");
    }
    assert_eq!(owned.stored(&run).await, Some(run));
}

/// Tests count statements; so the counting must count.
pub async fn statements_and_commits_are_counted(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let before = owned.store.statistics();
    owned.start(&[&run]).await;
    assert_conflict(owned.commit([start(&run)]).await);
    let after = owned.store.statistics().since(before);
    assert_eq!(after.commits, 1);
    assert!(after.statements >= 2, "{after:?}");
    owned.history(run.key).await;
    assert!(owned.store.statistics().since(before).statements > after.statements);
}
