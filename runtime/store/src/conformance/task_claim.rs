//! Claims: who has a task next, and what waits.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use dacapo_model::event::EventAttributes;
use dacapo_model::execution::Execution;
use dacapo_model::ids::EventId;
use dacapo_model::task::{FairnessKey, Priority};
use dacapo_model::timer::NEVER;

use super::fixtures::*;
use crate::Store;
use crate::task::{
    ClaimedTask, Lease, LeasedTask, Line, QueueDepth, TaskChange, TaskClaim, TaskPlace, TaskRow,
    WaitingQueue,
};

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("task_claim.rs");

fn key(text: &str) -> FairnessKey {
    FairnessKey::new(text).expect("a valid key")
}

fn events(claimed: &[ClaimedTask]) -> Vec<u64> {
    claimed.iter().map(|it| it.leased.task.event_id.0).collect()
}

/// A run with these tasks, by event from 2.
async fn with_tasks(owned: &Owned, tasks: impl IntoIterator<Item = TaskRow>) -> Execution {
    let run = execution("order-1", 1);
    owned.commit([start_with(&run, tasks)]).await.expect("commits");
    run
}

/// It is in its hands then, and waits no more.
pub async fn a_worker_is_given_all_that_it_has_to_know(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let waits = full_task(&run, 2);
    with_tasks(&owned, [waits.clone()]).await;
    let claimed = owned.claim(&claim(at(5))).await;
    let EventAttributes::ActivityTaskScheduled { operation_id, options, input, .. } =
        activity_scheduled(2).attributes
    else {
        panic!("it schedules an activity");
    };
    let lease = Lease {
        worker: claim(START).worker,
        token_digest: [7; 16],
        started_at: at(5),
        // Its heartbeat is shorter than what was asked for.
        expires_at: at(5 + 7_000_001),
        duration: Duration::from_secs(10),
        cancel_requested: false,
        paused: false,
    };
    let leased = LeasedTask { task: TaskRow { lease_epoch: 8, ..waits }, lease };
    let expected = ClaimedTask {
        leased: leased.clone(),
        workflow_id: run.workflow_id.clone(),
        workflow_type: run.workflow_type.clone(),
        operation_id,
        options,
        scheduled_at: START,
        input,
    };
    assert_eq!(claimed, [expected]);
    assert_eq!(owned.tasks(&run).await, [TaskPlace::Hand(leased)]);
    assert_eq!(owned.claim(&claim(at(5))).await, []);
}

/// Those that come next stay, but one is given however large it is.
pub async fn a_claim_takes_no_more_bytes_than_it_may(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    with_tasks(&owned, [task(&run, 2), task(&run, 3), task(&run, 4)]).await;
    let one = match activity_scheduled(2).attributes.payload() {
        Some((_, input)) => input.len() as u64,
        None => panic!("it has an input"),
    };
    // A store may need a few bytes more for each.
    assert!(one > 150, "the test wants a large input");
    let ask = |bytes_max| TaskClaim { bytes_max, ..claim(at(5)) };
    assert_eq!(events(&owned.claim(&ask(1)).await), [2]);
    assert_eq!(events(&owned.claim(&ask(one + one / 2)).await), [3, 4]);
}

/// So that those of a key stay in their order when a node knows nothing of them.
pub async fn the_last_of_a_line_is_found(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let row = |event_id, fairness_rank, name: Option<&str>| TaskRow {
        fairness_rank,
        fairness_key: name.map(key),
        priority: Priority::default(),
        ..task(&run, event_id)
    };
    let first = TaskRow { priority: Priority::ALL[0], ..row(6, 900, None) };
    let rows = [row(2, 10, Some("a")), row(3, 30, Some("b")), row(4, 20, None), row(5, 5, None)];
    with_tasks(&owned, rows.into_iter().chain([first])).await;
    let emails = claim(START).queue;
    let last = async |priority, line| {
        let store = &owned.store;
        store.last_rank(&default_namespace(), &emails, priority, line).await.expect("reads")
    };
    let (usual, a, c) = (Priority::default(), key("a"), key("c"));
    assert_eq!(last(usual, Line::Any).await, Some(30));
    assert_eq!(last(usual, Line::Of(None)).await, Some(20));
    assert_eq!(last(usual, Line::Of(Some(&a))).await, Some(10));
    assert_eq!(last(usual, Line::Of(Some(&c))).await, None);
    assert_eq!(last(Priority::ALL[0], Line::Any).await, Some(900));
    assert_eq!(last(Priority::ALL[1], Line::Any).await, None);
}

/// Within the limits of its attempt.
pub async fn a_lease_ends_with_its_attempt(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let limits = [
        // What is asked for, the silence, one attempt, all attempts.
        (10, None, 60, None, 10),
        (10, Some(60), 60, Some(60), 10),
        (10, Some(3), 60, None, 3),
        (10, Some(60), 4, None, 4),
        (10, None, 60, Some(5), 5),
        (600, None, 60, None, 60),
        (1, Some(u64::MAX / 2_000_000), u64::MAX / 2_000_000, None, 1),
    ];
    let seconds = |count: i64| at(count * 1_000_000);
    for (asked, heartbeat, start_to_close, close_by, expected) in limits {
        let mut row = task(&run, 2);
        row.attempt.heartbeat = heartbeat.map(Duration::from_secs);
        row.attempt.start_to_close = Duration::from_secs(start_to_close);
        row.attempt.close_by = close_by.map(seconds);
        let begin = [TaskChange::Enqueue(Box::new(row))];
        if owned.history(run.key).await.is_empty() {
            owned
                .commit([start(&run), append(run.key, [activity_scheduled(2)])])
                .await
                .expect("commits");
        }
        owned.commit([change(&run, begin)]).await.expect("commits");
        let lease = Duration::from_secs(asked);
        let claimed = owned.claim(&TaskClaim { lease, ..claim(START) }).await;
        let until: Vec<_> = claimed.iter().map(|it| it.leased.lease.expires_at).collect();
        assert_eq!(until, [seconds(expected)], "{limits:?}");
        let attempt = &claimed[0].leased.task.attempt;
        assert_eq!(attempt.lease_until(START, START, lease), seconds(expected));
    }
}

/// Then by run and event.
pub async fn tasks_are_handed_out_by_priority_and_rank(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let places = [(5, 0), (3, 7), (1, 9), (3, -7), (3, 7), (1, i64::MAX), (1, i64::MIN)];
    let tasks = (2..).zip(places).map(|(event_id, (priority, fairness_rank))| TaskRow {
        priority: Priority::new(priority).expect("a priority"),
        fairness_rank,
        ..task(&run, event_id)
    });
    with_tasks(&owned, tasks).await;
    let mut order = Vec::new();
    for limit in [2, 1, 0, 10] {
        order.extend(events(&owned.claim(&TaskClaim { limit, ..claim(START) }).await));
    }
    assert_eq!(order, [8, 4, 7, 5, 3, 6, 2]);
}

/// Whether it waited from the beginning or was put back. One that has had to wait has the
/// same place among others.
pub async fn nobody_has_a_task_before_its_time(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let tasks = [(2, at(9), 1), (3, START, 2), (4, at(10), 0), (5, NEVER, 0), (6, START, 0)];
    let tasks = tasks.map(|(event_id, visible_at, fairness_rank)| TaskRow {
        visible_at,
        fairness_rank,
        ..task(&run, event_id)
    });
    with_tasks(&owned, tasks).await;
    assert_eq!(owned.claim(&claim(at(-1))).await, []);
    assert_eq!(events(&owned.claim(&TaskClaim { limit: 1, ..claim(at(8)) }).await), [6]);
    assert_eq!(events(&owned.claim(&claim(at(9))).await), [2, 3]);
    // A clock that goes back.
    assert_eq!(owned.claim(&claim(at(9))).await, []);
    assert_eq!(events(&owned.claim(&claim(at(10))).await), [4]);
    assert_eq!(owned.claim(&claim(at(1_000_000_000))).await, []);
    let back = TaskChange::Requeue {
        event_id: EventId(2),
        attempt: 2,
        visible_at: at(20),
        expires_at: None,
        last_failure: super::samples::failure(),
        fairness_rank: 0,
    };
    owned.commit([change(&run, [back])]).await.expect("commits");
    assert_eq!(owned.claim(&claim(at(19))).await, []);
    let again = owned.claim(&claim(at(20))).await;
    assert_eq!(events(&again), [2]);
    let task = &again[0].leased.task;
    assert_eq!((task.attempt.number, task.lease_epoch), (2, 2));
}

/// Of its namespace and queue, of the types it can run, and of keys that are not to wait.
pub async fn a_worker_has_only_tasks_that_it_asks_for(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let of = |event_id, activity: &str, fairness_key: Option<&str>| TaskRow {
        activity_type: type_name(activity),
        fairness_key: fairness_key.map(key),
        ..task(&run, event_id)
    };
    let elsewhere = [
        TaskRow { queue: queue("emails2"), ..task(&run, 2) },
        TaskRow { namespace: namespace("other"), ..task(&run, 3) },
    ];
    let here = [
        of(4, "send", None),
        of(5, "receive", Some("a")),
        of(6, "send", Some("b")),
        of(7, "delete", Some("a")),
        of(8, "send", Some("a")),
    ];
    with_tasks(&owned, elsewhere.into_iter().chain(here)).await;
    let ask = |types: &[&str], except: &[&str]| TaskClaim {
        activity_types: types.iter().map(|name| type_name(name)).collect(),
        except_keys: except.iter().map(|text| key(text)).collect(),
        ..claim(START)
    };
    assert_eq!(owned.claim(&ask(&["unknown"], &[])).await, []);
    assert_eq!(events(&owned.claim(&ask(&["send", "receive"], &["a"])).await), [4, 6]);
    assert_eq!(events(&owned.claim(&ask(&["receive"], &["b"])).await), [5]);
    assert_eq!(owned.claim(&ask(&[], &["b", "a"])).await, []);
    assert_eq!(events(&owned.claim(&ask(&[], &["c"])).await), [7, 8]);
    let other = TaskClaim { namespace: namespace("other"), ..claim(START) };
    assert_eq!(events(&owned.claim(&other).await), [3]);
}

/// Whoever claims at the same time.
pub async fn no_two_claims_have_the_same_task(store: Arc<dyn Store>) {
    const TASKS: u64 = 300;
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    with_tasks(&owned, (2..TASKS + 2).map(|event_id| task(&run, event_id))).await;
    let workers = (0..8_u32).map(|worker| {
        let owned = owned.clone();
        tokio::spawn(async move {
            let claim = TaskClaim { limit: 1 + worker, ..claim(START) };
            let mut had = Vec::new();
            loop {
                let claimed = events(&owned.claim(&claim).await);
                if claimed.is_empty() {
                    return had;
                }
                had.extend(claimed);
            }
        })
    });
    let mut had = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        had.extend(worker.await.expect("no panic"));
    }
    // What others are just taking is passed over, and a claim may find nothing for it.
    had.extend(events(&owned.claim(&TaskClaim { limit: 1_000, ..claim(START) }).await));
    assert_eq!(had.len(), had.iter().collect::<HashSet<_>>().len());
    assert_eq!(had.len() as u64, TASKS);
}

/// It is in hand all the same: its run hears when the lease is over.
pub async fn a_task_without_its_history_is_not_handed_out(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    with_tasks(&owned, [task(&run, 2)]).await;
    let lost = execution("order-2", 2);
    let tasks = [TaskChange::Enqueue(Box::new(task(&lost, 2)))];
    owned.commit([change(&lost, tasks)]).await.expect("commits");
    let claimed = owned.claim(&claim(START)).await;
    let keys: Vec<_> = claimed.iter().map(|it| it.leased.task.key).collect();
    assert_eq!(keys, [run.key]);
    assert!(matches!(owned.tasks(&lost).await[..], [TaskPlace::Hand(_)]));
}

/// Each once, by name.
pub async fn queues_with_tasks_are_listed(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let run = execution("order-1", 1);
    let tasks = [
        ("default", "b", at(5)),
        ("default", "b", at(3)),
        ("default", "a", START),
        ("default", "a", START),
        ("default", "c", NEVER),
        ("other", "a", at(4)),
        ("default", "B", at(9)),
        ("default", "d", at(2)),
        ("default", "d", START),
    ];
    let tasks = (2..).zip(tasks).map(|(event_id, (of, name, visible_at))| TaskRow {
        namespace: namespace(of),
        queue: queue(name),
        visible_at,
        ..task(&run, event_id)
    });
    with_tasks(&owned, tasks).await;
    let waiting = async |until, after: Option<(&str, &str)>, limit| {
        let after = after.map(|(of, name)| (namespace(of), queue(name)));
        let found = store.waiting_queues(until, None, after, limit).await.expect("reads");
        let flat = |it: WaitingQueue| {
            format!(
                "{}/{} {}",
                it.namespace,
                it.queue,
                it.visible_at.as_micros() - START.as_micros()
            )
        };
        found.into_iter().map(flat).collect::<Vec<_>>()
    };
    let all = ["default/B 9", "default/a 0", "default/b 3", "default/d 0", "other/a 4"];
    assert_eq!(waiting(at(10), None, 10).await, all);
    assert_eq!(waiting(at(4), None, 10).await, all[1..4]);
    assert_eq!(waiting(at(10), None, 2).await, all[..2]);
    assert_eq!(waiting(at(10), Some(("default", "a")), 2).await, all[2..4]);
    assert_eq!(waiting(at(10), Some(("default", "aa")), 1).await, all[2..3]);
    assert_eq!(waiting(at(10), Some(("other", "a")), 2).await, [""; 0]);
    assert_eq!(waiting(START, None, 10).await, [""; 0]);
    let claim = TaskClaim { queue: queue("a"), ..claim(START) };
    assert_eq!(owned.claim(&claim).await.len(), 2);
    assert_eq!(waiting(at(4), None, 10).await, all[2..4]);
}

/// By priority, with the time since when the oldest could be handed out.
pub async fn the_depth_of_a_queue_is_counted(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let run = execution("order-1", 1);
    let places = [(1, at(2)), (5, START), (5, at(-3)), (5, at(9)), (3, NEVER), (1, at(3))];
    let tasks = (2..).zip(places).map(|(event_id, (priority, visible_at))| TaskRow {
        priority: Priority::new(priority).expect("a priority"),
        visible_at,
        ..task(&run, event_id)
    });
    let elsewhere = TaskRow { queue: queue("other"), ..task(&run, 8) };
    with_tasks(&owned, tasks.chain([elsewhere])).await;
    let depth = async |now| {
        store.queue_depth(&default_namespace(), &queue("emails"), now).await.expect("reads")
    };
    let [first, last] = [Priority::ALL[0], Priority::ALL[4]];
    let ready = vec![(first, 2, at(2)), (last, 2, at(-3))];
    assert_eq!(depth(at(8)).await, QueueDepth { ready, delayed: 2, leased: 0 });
    let ready = vec![(last, 2, at(-3))];
    assert_eq!(depth(at(1)).await, QueueDepth { ready, delayed: 4, leased: 0 });
    assert_eq!(owned.claim(&TaskClaim { limit: 3, ..claim(at(8)) }).await.len(), 3);
    let ready = vec![(last, 1, at(-3))];
    assert_eq!(depth(at(8)).await, QueueDepth { ready, delayed: 2, leased: 3 });
    let nowhere = store.queue_depth(&namespace("other"), &queue("emails"), at(8)).await;
    assert_eq!(nowhere.expect("reads"), QueueDepth::default());
}

/// By name.
pub async fn the_types_that_wait_are_counted(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let run = execution("order-1", 1);
    let types = [("b", START), ("a", START), ("b", START), ("c", START), ("d", at(9))];
    let tasks = (2..).zip(types).map(|(event_id, (name, visible_at))| TaskRow {
        activity_type: type_name(name),
        visible_at,
        ..task(&run, event_id)
    });
    let elsewhere = TaskRow { queue: queue("other"), ..task(&run, 7) };
    with_tasks(&owned, tasks.chain([elsewhere])).await;
    let count = async |now, limit| {
        let (namespace, emails) = (default_namespace(), queue("emails"));
        let types = store.waiting_types(&namespace, &emails, now, limit).await.expect("reads");
        let plain = types.into_iter().map(|(name, tasks)| (name.to_string(), tasks));
        plain.collect::<Vec<_>>()
    };
    let expected = [("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 1)];
    assert_eq!(count(at(5), 10).await, expected);
    assert_eq!(count(at(5), 2).await, expected[..2]);
    assert_eq!(count(at(-1), 10).await, []);
    assert_eq!(owned.claim(&claim(at(5))).await.len(), 4);
    assert_eq!(count(at(5), 10).await, []);
}

/// By run and event.
pub async fn what_workers_have_of_a_queue_is_listed_in_pages(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let mut runs: Vec<_> = (1..=3).map(|n| execution(&format!("order-{n}"), n)).collect();
    runs.sort_by_key(|run| run.key);
    let mut expected = Vec::new();
    for run in &runs {
        let elsewhere = leased(TaskRow { queue: queue("other"), ..task(run, 9) });
        let here = [2, 3].map(|event_id| leased(task(run, event_id)));
        let waits = TaskChange::Enqueue(Box::new(task(run, 4)));
        let in_hand = here.iter().chain([&elsewhere]).cloned().map(Box::new).map(TaskChange::Lease);
        owned.commit([change(run, in_hand.chain([waits]))]).await.expect("commits");
        expected.extend(here);
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = store.leased_tasks(&default_namespace(), &queue("emails"), after, 2).await;
        let page = page.expect("reads");
        let Some(last) = page.last() else { break };
        after = Some((last.task.key, last.task.event_id));
        listed.extend(page);
    }
    assert_eq!(listed, expected);
}
