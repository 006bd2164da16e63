//! Timers: one row per event, read when they are due.

use std::ops::RangeInclusive;
use std::sync::Arc;

use dacapo_model::ids::EventId;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::TimerKind;

use super::fixtures::*;
use super::samples;
use crate::Store;
use crate::commit::RunTransition;
use crate::shard::HashRange;
use crate::timer::{DueTimer, TimerRow};

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("timer.rs");

fn set(timers: Vec<TimerRow>) -> RunTransition {
    RunTransition { timers_set: timers.clone(), ..transition(timers[0].key) }
}

/// Clearing what is not there is no error.
pub async fn a_timer_is_set_replaced_and_cleared(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    let stored = async || owned.store.run_timers(&[key]).await.expect("timers");
    let retry = TimerRow {
        kind: TimerKind::ActivityRetry {
            attempt: 2,
            last_failure: samples::failure(),
            details: None,
        },
        ..timer(key, 2, at(20))
    };
    owned.commit([set(vec![timer(key, 2, at(10)), timer(key, 3, at(30))])]).await.expect("sets");
    owned.commit([set(vec![retry.clone()])]).await.expect("replaces");
    assert_eq!(stored().await, [retry, timer(key, 3, at(30))]);
    owned.commit([set(vec![timer(key, 2, at(40))])]).await.expect("replaces back");
    assert_eq!(stored().await, [timer(key, 2, at(40)), timer(key, 3, at(30))]);
    let clear = RunTransition { timers_cleared: vec![EventId(2), EventId(9)], ..transition(key) };
    owned.commit([clear.clone()]).await.expect("clears");
    owned.commit([clear]).await.expect("clears again");
    assert_eq!(stored().await, [timer(key, 3, at(30))]);
}

/// And a transition that does both leaves it set.
pub async fn a_timer_set_and_cleared_in_one_commit_is_gone(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    let clear =
        |event_id| RunTransition { timers_cleared: vec![EventId(event_id)], ..transition(key) };
    let both = RunTransition { timers_set: vec![timer(key, 3, at(2))], ..clear(3) };
    owned.commit([set(vec![timer(key, 2, at(1))]), clear(2), both]).await.expect("commits");
    let stored = owned.store.run_timers(&[key]).await.expect("timers");
    assert_eq!(stored, [timer(key, 3, at(2))]);
}

/// Equal times are told apart by run and event.
pub async fn due_timers_come_in_order_and_in_pages(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let keys: Vec<_> =
        (1..=4_u128).map(|n| execution(&format!("order-{}", n / 2), n).key).collect();
    let mut expected = Vec::new();
    for key in &keys {
        let timers: Vec<_> = (2..=6).map(|id| timer(*key, id, at((id % 3) as i64))).collect();
        expected.extend(timers.clone());
        owned.commit([set(timers)]).await.expect("sets");
    }
    owned.commit([set(vec![timer(keys[0], 7, at(100))])]).await.expect("sets");
    expected.sort_by_key(|it| (it.fire_at, it.key, it.event_id));
    let expected: Vec<_> = expected.iter().map(TimerRow::due).collect();
    let mut found: Vec<DueTimer> = Vec::new();
    loop {
        let page = owned
            .store
            .due_timers(&[HashRange::ALL], at(50), found.last().copied(), 3)
            .await
            .expect("reads");
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, expected);
}

/// Only of the runs of the ranges asked for, however many those are.
pub async fn due_timers_are_read_by_range(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let mut keys: Vec<_> =
        (1..=9_u32).map(|n| execution(&format!("order-{n}"), n.into()).key).collect();
    keys.sort();
    for key in &keys {
        owned.commit([set(vec![timer(*key, 2, at(1))])]).await.expect("sets");
    }
    let range = |places: RangeInclusive<usize>| HashRange {
        from: keys[*places.start()].hash,
        to: keys[*places.end()].hash,
    };
    let due = async |ranges: &[HashRange], limit| {
        let due = owned.store.due_timers(ranges, at(2), None, limit).await.expect("reads");
        due.into_iter().map(|due| due.key).collect::<Vec<_>>()
    };
    assert_eq!(due(&[range(2..=4)], 9).await, keys[2..=4]);
    let some = [range(0..=0), range(3..=5), range(8..=8)];
    assert_eq!(due(&some, 9).await, [&keys[..=0], &keys[3..=5], &keys[8..]].concat());
    assert_eq!(due(&some, 2).await, [keys[0], keys[3]]);
    assert_eq!(due(&[], 9).await, []);
    assert_eq!(due(&[HashRange::ALL], 9).await, keys);
}

/// "Before `until`", to the microsecond.
pub async fn a_timer_is_not_due_at_its_bound(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    owned.commit([set(vec![timer(key, 2, at(10))])]).await.expect("sets");
    assert_eq!(
        owned.store.due_timers(&[HashRange::ALL], at(10), None, 9).await.expect("reads"),
        []
    );
    assert_eq!(
        owned.store.due_timers(&[HashRange::ALL], at(11), None, 9).await.expect("reads").len(),
        1
    );
}

/// In the order (run, event), only of the runs asked for.
pub async fn timers_of_runs_are_read_together(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let mut keys: Vec<_> = (1..=5_u128).map(|n| execution(&format!("order-{n}"), n).key).collect();
    for key in &keys {
        let timers = vec![timer(*key, 3, at(1)), timer(*key, 2, at(2))];
        owned.commit([set(timers)]).await.expect("sets");
    }
    keys.pop();
    let found = owned.store.run_timers(&keys).await.expect("reads");
    keys.sort();
    let expected: Vec<_> =
        keys.iter().flat_map(|&key| [timer(key, 2, at(2)), timer(key, 3, at(1))]).collect();
    assert_eq!(found, expected);
    assert_eq!(owned.store.run_timers(&[]).await.expect("reads"), []);
}

/// One replaces the other: they have the same event.
pub async fn the_rows_of_a_run_itself_are_kept(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    for kind in [TimerKind::StartDelay, TimerKind::RunTimeout] {
        let row = TimerRow { kind, ..timer(key, 1, at(5)) };
        owned.commit([set(vec![row.clone()])]).await.expect("sets");
        assert_eq!(
            owned.store.run_timers(&[key]).await.expect("reads"),
            std::slice::from_ref(&row)
        );
        assert_eq!(
            owned.store.due_timers(&[HashRange::ALL], at(6), None, 1).await.expect("reads"),
            [row.due()]
        );
    }
}

/// With its causes, details and whatever text the guest put there.
pub async fn a_retry_keeps_its_failure(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    let kind = TimerKind::ActivityRetry {
        attempt: u32::MAX,
        last_failure: samples::failure(),
        details: Some(Payload::new(vec![0, 255])),
    };
    let retry = TimerRow { kind, ..timer(key, 2, at(1)) };
    owned.commit([set(vec![retry.clone()])]).await.expect("sets");
    let stored = owned.store.run_timers(&[key]).await.expect("reads");
    assert_eq!(stored, std::slice::from_ref(&retry));
    assert_eq!(
        owned.store.due_timers(&[HashRange::ALL], at(2), None, 1).await.expect("reads"),
        [retry.due()]
    );
}

/// With and without what may be missing, each in the place of the other.
pub async fn an_attempt_keeps_what_it_said(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    let details = Payload::new(vec![0, 255]);
    let kinds = [
        TimerKind::ActivityHeartbeat { attempt: 1, last_failure: None, details: details.clone() },
        TimerKind::ActivityTimeout { attempt: 1, last_failure: None, details: None },
        TimerKind::ActivityHeartbeat {
            attempt: u32::MAX,
            last_failure: Some(samples::failure()),
            details: Payload::default(),
        },
        TimerKind::ActivityTimeout {
            attempt: 2,
            last_failure: Some(samples::failure()),
            details: Some(details),
        },
        TimerKind::Timer,
    ];
    for kind in kinds {
        let row = TimerRow { kind, ..timer(key, 2, at(1)) };
        owned.commit([set(vec![row.clone()])]).await.expect("sets");
        let stored = owned.store.run_timers(&[key]).await.expect("reads");
        assert_eq!(stored, std::slice::from_ref(&row));
        assert_eq!(
            owned.store.due_timers(&[HashRange::ALL], at(2), None, 1).await.expect("reads"),
            [row.due()]
        );
    }
}

/// A guest may sleep for ever. Such a time may be stored as the last one there
/// is, but it is kept, and it is not due.
pub async fn a_timer_may_be_further_than_any_calendar(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    let never = Timestamp::from_micros(i64::MAX);
    owned.commit([set(vec![timer(key, 2, never)])]).await.expect("sets");
    let in_ten_thousand_years = at(10_000 * 365 * 86_400_000_000);
    let due = owned
        .store
        .due_timers(&[HashRange::ALL], in_ten_thousand_years, None, 1)
        .await
        .expect("reads");
    assert_eq!(due, []);
    assert_eq!(owned.store.run_timers(&[key]).await.expect("reads").len(), 1);
}
