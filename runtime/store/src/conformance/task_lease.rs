//! Heartbeats, and what becomes of leases and tasks whose time is over.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::execution::Execution;
use dacapo_model::ids::{EventId, WorkflowHash};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;

use super::fixtures::*;
use super::samples;
use crate::Store;
use crate::shard::HashRange;
use crate::task::{LeaseRenewal, LeasedTask, TaskChange, TaskPlace, TaskRow};

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("task_lease.rs");

fn seconds(count: i64) -> Timestamp {
    at(count * 1_000_000)
}

fn heartbeat(run: &Execution, event_id: u64, details: Option<&[u8]>) -> LeaseRenewal {
    LeaseRenewal {
        task: (run.key, EventId(event_id)),
        token_digest: [0xff; 16],
        details: details.map(|bytes| Payload::from(bytes.to_vec())),
    }
}

async fn lease(owned: &Owned, run: &Execution, tasks: impl IntoIterator<Item = LeasedTask>) {
    let changes = tasks.into_iter().map(|it| TaskChange::Lease(Box::new(it)));
    owned.commit([change(run, changes)]).await.expect("commits");
}

async fn renew(
    owned: &Owned,
    renewals: &[LeaseRenewal],
    now: Timestamp,
) -> Vec<Option<LeasedTask>> {
    owned.store.renew_leases(renewals, now).await.expect("renews")
}

/// Also one that is over. What it says stays until it says something else.
pub async fn a_heartbeat_prolongs_a_lease(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let mut expected = leased(task(&run, 2));
    lease(&owned, &run, [expected.clone()]).await;
    expected.lease.expires_at = seconds(19);
    let renewed = renew(&owned, &[heartbeat(&run, 2, None)], seconds(9)).await;
    assert_eq!(renewed, [Some(expected.clone())]);
    expected.lease.expires_at = seconds(40);
    expected.task.attempt.details = Some(Payload::from(vec![0, 255]));
    let renewed = renew(&owned, &[heartbeat(&run, 2, Some(&[0, 255]))], seconds(30)).await;
    assert_eq!(renewed, [Some(expected.clone())]);
    expected.lease.expires_at = seconds(41);
    let renewed = renew(&owned, &[heartbeat(&run, 2, None)], seconds(31)).await;
    assert_eq!(renewed, [Some(expected.clone())]);
    assert_eq!(owned.tasks(&run).await, [TaskPlace::Hand(expected)]);
}

/// In their order, also if one comes twice.
pub async fn heartbeats_are_answered_together(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let (one, other) = (execution("order-1", 1), execution("order-2", 2));
    lease(&owned, &one, [leased(full_task(&one, 2)), leased(task(&one, 3))]).await;
    lease(&owned, &other, [leased(task(&other, 2))]).await;
    let wrong = LeaseRenewal { token_digest: [0; 16], ..heartbeat(&one, 3, Some(b"wrong")) };
    let renewals = [
        heartbeat(&other, 2, Some(b"1")),
        wrong,
        heartbeat(&one, 2, Some(b"")),
        heartbeat(&one, 9, None),
        heartbeat(&other, 2, Some(b"2")),
        heartbeat(&other, 2, None),
    ];
    let renewed = renew(&owned, &renewals, seconds(1)).await;
    let mut of_other = leased(task(&other, 2));
    of_other.lease.expires_at = seconds(11);
    of_other.task.attempt.details = Some(Payload::from(b"2".to_vec()));
    let mut of_one = leased(full_task(&one, 2));
    of_one.lease.expires_at = at(8_000_001);
    of_one.task.attempt.details = Some(Payload::default());
    let twice = Some(of_other);
    assert_eq!(renewed, [twice.clone(), None, Some(of_one), None, twice.clone(), twice]);
    let untouched = TaskPlace::Hand(leased(task(&one, 3)));
    assert_eq!(owned.tasks(&one).await[1], untouched);
    assert_eq!(renew(&owned, &[], seconds(1)).await, []);
}

/// Whatever is heard from it.
pub async fn a_heartbeat_goes_no_further_than_the_attempt(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let limits = [
        // The silence, one attempt, all attempts, cancel until.
        (None, 60, None, None, 40),
        (Some(3), 60, None, None, 33),
        (Some(30), 60, None, None, 40),
        (None, 35, None, None, 35),
        (None, 25, None, None, 25),
        (None, 60, Some(32), None, 32),
        (None, 60, None, Some(31), 31),
        (None, 60, Some(34), Some(36), 34),
        (Some(u64::MAX / 2_000_000), u64::MAX / 2_000_000, None, None, 40),
    ];
    for (silence, start_to_close, close_by, cancel_until, expected) in limits {
        let mut row = task(&run, 2);
        row.attempt.heartbeat = silence.map(Duration::from_secs);
        row.attempt.start_to_close = Duration::from_secs(start_to_close);
        row.attempt.close_by = close_by.map(seconds);
        lease(&owned, &run, [leased(row.clone())]).await;
        if cancel_until.is_some() {
            let tell = TaskChange::Tell {
                event_id: EventId(2),
                cancel_until: cancel_until.map(seconds),
                paused: false,
                visible_at: START,
                expires_at: None,
            };
            owned.commit([change(&run, [tell])]).await.expect("commits");
        }
        let renewed = renew(&owned, &[heartbeat(&run, 2, None)], seconds(30)).await;
        let until = renewed[0].as_ref().map(|it| it.lease.expires_at);
        assert_eq!(until, Some(seconds(expected)), "{row:?}");
    }
}

/// The next worker has another lease, with a token of its own.
pub async fn a_lease_that_is_gone_is_not_prolonged(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    owned.commit([start_with(&run, [task(&run, 2)])]).await.expect("commits");
    let beat = [heartbeat(&run, 2, Some(b"mine"))];
    assert_eq!(renew(&owned, &beat, START).await, [None], "it waits");
    lease(&owned, &run, [leased(task(&run, 2))]).await;
    assert!(renew(&owned, &beat, START).await[0].is_some());
    let back = TaskChange::Requeue {
        event_id: EventId(2),
        attempt: 2,
        visible_at: START,
        expires_at: None,
        last_failure: samples::failure(),
        fairness_rank: 0,
    };
    owned.commit([change(&run, [back])]).await.expect("commits");
    assert_eq!(renew(&owned, &beat, START).await, [None]);
    let [next] = &owned.claim(&claim(START)).await[..] else { panic!("it waits") };
    assert_eq!(next.leased.task.attempt.details, Some(Payload::from(b"mine".to_vec())));
    assert_eq!(renew(&owned, &beat, START).await, [None]);
    owned
        .commit([change(&run, [TaskChange::Remove { event_id: EventId(2) }])])
        .await
        .expect("commits");
    assert_eq!(renew(&owned, &beat, START).await, [None]);
}

/// The oldest first, and again after the time it was put off by.
pub async fn leases_that_are_over_are_given_once_at_a_time(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let run = execution("order-1", 1);
    let ends = [(2, 12), (3, 11), (4, 13), (5, 14)];
    let tasks = ends.map(|(event_id, end)| {
        let mut leased = leased(task(&run, event_id));
        leased.lease.expires_at = seconds(end);
        leased
    });
    lease(&owned, &run, tasks).await;
    let waits = TaskRow { expires_at: Some(START), ..task(&run, 6) };
    owned.commit([change(&run, [TaskChange::Enqueue(Box::new(waits))])]).await.expect("commits");
    let over = async |now, limit| {
        let postpone = Duration::from_secs(5);
        let over = store.expired_leases(&[HashRange::ALL], seconds(now), postpone, limit).await;
        let flat = |at: Timestamp| (at.as_micros() - START.as_micros()) / 1_000_000;
        let over = over.expect("reads").into_iter();
        over.map(|it| (it.task.1.0, flat(it.expired_at))).collect::<Vec<_>>()
    };
    assert_eq!(over(10, 9).await, []);
    assert_eq!(over(13, 2).await, [(3, 11), (2, 12)]);
    assert_eq!(over(13, 9).await, [(4, 13)]);
    assert_eq!(over(13, 9).await, []);
    assert_eq!(over(17, 9).await, [(5, 14)]);
    assert_eq!(over(18, 9).await, [(2, 18), (3, 18), (4, 18)]);
    // A heartbeat makes it last on, and its run may decide.
    renew(&owned, &[heartbeat(&run, 2, None)], seconds(20)).await;
    owned
        .commit([change(&run, [TaskChange::Remove { event_id: EventId(3) }])])
        .await
        .expect("commits");
    assert_eq!(over(23, 9).await, [(5, 22), (4, 23)]);
}

/// The same.
pub async fn tasks_that_nobody_takes_are_given_once_at_a_time(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let run = execution("order-1", 1);
    let ends = [(2, Some(12)), (3, Some(11)), (4, None), (5, Some(30))];
    let tasks = ends
        .map(|(event_id, end)| TaskRow { expires_at: end.map(seconds), ..task(&run, event_id) });
    owned.commit([start_with(&run, tasks)]).await.expect("commits");
    lease(&owned, &run, [leased(TaskRow { expires_at: Some(START), ..task(&run, 6) })]).await;
    let over = async |now, limit| {
        let postpone = Duration::from_secs(5);
        let over = store.expired_tasks(&[HashRange::ALL], seconds(now), postpone, limit).await;
        let over = over.expect("reads").into_iter();
        over.map(|it| (it.task.1.0, it.expired_at)).collect::<Vec<_>>()
    };
    assert_eq!(over(10, 9).await, []);
    assert_eq!(over(12, 1).await, [(3, seconds(11))]);
    assert_eq!(over(12, 9).await, [(2, seconds(12))]);
    assert_eq!(over(12, 9).await, []);
    // It is still there for whoever comes.
    assert_eq!(owned.claim(&claim(seconds(12))).await.len(), 4);
    assert_eq!(over(100, 9).await, []);
}

/// Those of other nodes are not put off, either.
pub async fn what_is_over_is_given_by_range(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let mut runs: Vec<_> = (1..=8).map(|n| execution(&format!("order-{n}"), n)).collect();
    runs.sort_by_key(|run| run.key);
    for run in &runs {
        let waits = TaskRow { expires_at: Some(seconds(10)), ..task(run, 3) };
        let changes = [
            TaskChange::Lease(Box::new(leased(task(run, 2)))),
            TaskChange::Enqueue(Box::new(waits)),
        ];
        owned.commit([change(run, changes)]).await.expect("commits");
    }
    let hash = |at: usize| runs[at].key.hash;
    let some = [
        HashRange { from: WorkflowHash(i32::MIN), to: hash(1) },
        HashRange { from: hash(4), to: hash(5) },
    ];
    let others = [
        HashRange { from: hash(2), to: hash(3) },
        HashRange { from: hash(6), to: WorkflowHash(i32::MAX) },
    ];
    let of = |at: [usize; 4]| at.map(|at| runs[at].key).to_vec();
    let (now, postpone) = (seconds(10), Duration::from_secs(60));
    for (ranges, expected) in [(&some[..], of([0, 1, 4, 5])), (&others[..], of([2, 3, 6, 7]))] {
        let leases = store.expired_leases(ranges, now, postpone, 100).await.expect("reads");
        let leases: Vec<_> = leases.iter().map(|it| it.task.0).collect();
        assert_eq!(leases, expected);
        let tasks = store.expired_tasks(ranges, now, postpone, 100).await.expect("reads");
        let tasks: Vec<_> = tasks.iter().map(|it| it.task.0).collect();
        assert_eq!(tasks, expected);
    }
    assert_eq!(store.expired_leases(&[], seconds(1_000), postpone, 9).await.expect("reads"), []);
    assert_eq!(store.expired_tasks(&[], seconds(1_000), postpone, 9).await.expect("reads"), []);
}

/// By whom it was promised to, if nobody has heard of it. The attempt does not count.
pub async fn a_lease_is_given_back_by_its_digest(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let mut paused = leased(full_task(&run, 4));
    paused.lease.paused = true;
    lease(&owned, &run, [leased(task(&run, 2)), leased(task(&run, 3)), paused.clone()]).await;
    let digest = leased(task(&run, 2)).lease.token_digest;
    let given_back = [
        ((run.key, EventId(2)), digest),
        ((run.key, EventId(3)), [0; 16]),
        ((run.key, EventId(4)), digest),
        ((run.key, EventId(9)), digest),
    ];
    let queues = owned.store.release_leases(&given_back, seconds(5)).await.expect("writes");
    let row = task(&run, 2);
    let mut expected = vec![
        (row.namespace.clone(), row.queue.clone()),
        (paused.task.namespace.clone(), paused.task.queue.clone()),
    ];
    expected.sort();
    expected.dedup();
    assert_eq!(queues, expected);
    let mut waiting = leased(row).task;
    waiting.visible_at = seconds(5);
    let mut held = paused.task;
    held.visible_at = NEVER;
    let kept = TaskPlace::Hand(leased(task(&run, 3)));
    let places = [TaskPlace::Queue(waiting), kept, TaskPlace::Queue(held)];
    assert_eq!(owned.tasks(&run).await, places);
    assert_eq!(owned.store.release_leases(&given_back, seconds(6)).await.expect("writes"), []);
    assert_eq!(owned.store.release_leases(&[], seconds(6)).await.expect("writes"), []);
}
