//! Settings of task queues, and claims within their limits.

use std::collections::HashMap;
use std::sync::Arc;

use dacapo_model::ids::EventId;
use dacapo_model::queue_limits::{Concurrency, QueueLimits, Rate};
use dacapo_model::task::{FairnessKey, Priority};
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;

use super::fixtures::*;
use crate::Store;
use crate::error::StoreError;
use crate::queue_settings::{QueueSettings, SettingsChange};
use crate::task::{LimitedClaim, TaskChange, TaskClaim, TaskRow};

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("queue_limits.rs");

const SECOND: i64 = 1_000_000;

fn key(text: &str) -> FairnessKey {
    FairnessKey::new(text).expect("a valid key")
}

fn limit(tasks: u64) -> Option<Option<Concurrency>> {
    Some(Some(Concurrency::new(tasks).expect("a valid limit")))
}

fn rate(per_second: f64, burst: u64) -> Option<Option<Rate>> {
    Some(Some(Rate::new(per_second, Some(burst)).expect("a valid rate")))
}

fn per_key(tasks: u64) -> SettingsChange {
    SettingsChange { concurrency_per_key: limit(tasks), ..SettingsChange::default() }
}

async fn set(owned: &Owned, change: SettingsChange) -> QueueSettings {
    let (namespace, emails) = (default_namespace(), queue("emails"));
    let changing =
        owned.store.change_queue_settings(&owned.ownership, &namespace, &emails, &change, START);
    changing.await.expect("changes")
}

async fn limited(owned: &Owned, claim: &TaskClaim) -> LimitedClaim {
    owned.store.claim_limited_tasks(claim).await.expect("claims")
}

fn events(claimed: &LimitedClaim) -> Vec<u64> {
    claimed.tasks.iter().map(|it| it.leased.task.event_id.0).collect()
}

/// A run with so many tasks of each of these keys, one after the other.
async fn with_tasks_of(owned: &Owned, keys: &[(Option<&str>, u64)]) {
    let run = execution("order-1", 1);
    let of_keys = keys.iter().flat_map(|(name, count)| (0..*count).map(|_| name.map(key)));
    let tasks = (2..).zip(of_keys).map(|(event_id, fairness_key)| TaskRow {
        fairness_key,
        fairness_rank: i64::try_from(event_id).expect("few"),
        ..task(&run, event_id)
    });
    owned.commit([start_with(&run, tasks)]).await.expect("commits");
}

/// What is not named stays as it is.
pub async fn settings_are_kept_and_changed_one_by_one(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let all = SettingsChange {
        concurrency: limit(1_000_000),
        concurrency_per_key: limit(3),
        rate: rate(0.0001, 1),
        rate_per_key: rate(100_000.0, 1_000_000),
        is_drained: Some(true),
    };
    let expected = QueueSettings {
        namespace: default_namespace(),
        queue: queue("emails"),
        limits: QueueLimits {
            concurrency: all.concurrency.flatten(),
            concurrency_per_key: all.concurrency_per_key.flatten(),
            rate: all.rate.flatten(),
            rate_per_key: all.rate_per_key.flatten(),
        },
        is_drained: true,
        changed_at: START,
    };
    assert_eq!(set(&owned, all).await, expected);
    let kept = store.all_queue_settings().await.expect("reads");
    assert_eq!(kept, std::slice::from_ref(&expected));
    let other = SettingsChange { concurrency: Some(None), ..SettingsChange::default() };
    let limits = QueueLimits { concurrency: None, ..expected.limits };
    let expected = QueueSettings { limits, ..expected };
    assert_eq!(set(&owned, other).await, expected);
    assert_eq!(set(&owned, SettingsChange::default()).await, expected);
    let elsewhere = namespace("other");
    let change = SettingsChange { concurrency: limit(7), ..SettingsChange::default() };
    let emails = queue("emails");
    let changing =
        store.change_queue_settings(&owned.ownership, &elsewhere, &emails, &change, at(5));
    let of_other = changing.await.expect("changes");
    assert_eq!((of_other.changed_at, of_other.is_drained), (at(5), false));
    assert_eq!(store.all_queue_settings().await.expect("reads"), [expected, of_other]);
}

/// It is like one that nobody has ever set anything of.
pub async fn a_queue_of_which_nothing_is_set_any_more_is_forgotten(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    with_tasks_of(&owned, &[(None, 3)]).await;
    set(&owned, SettingsChange { rate: rate(0.001, 1), ..SettingsChange::default() }).await;
    assert_eq!(limited(&owned, &claim(START)).await.tasks.len(), 1);
    let settings = set(&owned, SettingsChange { rate: Some(None), ..Default::default() }).await;
    assert!(!settings.is_any());
    assert_eq!(store.all_queue_settings().await.expect("reads"), []);
    set(&owned, SettingsChange { rate: rate(0.001, 1), ..SettingsChange::default() }).await;
    assert_eq!(limited(&owned, &claim(START)).await.tasks.len(), 1, "it begins anew");
}

/// Whoever owns the shards knows the settings.
pub async fn a_former_owner_sets_nothing(store: Arc<dyn Store>) {
    let former = Owned::of(store.clone()).await;
    store.acquire_all_shards(node(2)).await.expect("takes them");
    let (namespace, emails, change) = (default_namespace(), queue("emails"), per_key(3));
    let changing =
        store.change_queue_settings(&former.ownership, &namespace, &emails, &change, START);
    let refused = changing.await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    assert_eq!(store.all_queue_settings().await.expect("reads"), []);
}

/// None of them undoes another.
pub async fn changes_of_one_moment_are_all_made(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let changes = [
        SettingsChange { concurrency: limit(4), ..SettingsChange::default() },
        per_key(3),
        SettingsChange { rate: rate(2.0, 2), ..SettingsChange::default() },
        SettingsChange { rate_per_key: rate(1.0, 1), ..SettingsChange::default() },
        SettingsChange { is_drained: Some(true), ..SettingsChange::default() },
    ];
    let changing = changes.map(|change| {
        let owned = owned.clone();
        tokio::spawn(async move { set(&owned, change).await })
    });
    for changing in changing {
        changing.await.expect("no panic");
    }
    let settings = store.all_queue_settings().await.expect("reads").remove(0);
    assert!(settings.is_drained, "{settings:?}");
    let QueueLimits { concurrency, concurrency_per_key, rate, rate_per_key } = settings.limits;
    assert!(concurrency.is_some() && concurrency_per_key.is_some(), "{settings:?}");
    assert!(rate.is_some() && rate_per_key.is_some(), "{settings:?}");
}

/// Whoever has leased them, and until they are over.
pub async fn a_queue_hands_out_no_more_than_it_may_at_a_time(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    with_tasks_of(&owned, &[(Some("a"), 2), (None, 4)]).await;
    let run = execution("order-1", 1);
    // One is in hand before there is a limit.
    assert_eq!(owned.claim(&TaskClaim { limit: 1, ..claim(START) }).await.len(), 1);
    set(&owned, SettingsChange { concurrency: limit(3), ..SettingsChange::default() }).await;
    let claimed = limited(&owned, &claim(at(1))).await;
    assert_eq!(
        (events(&claimed), claimed.may_be_more, claimed.again_at),
        (vec![3, 4], false, None)
    );
    let none = limited(&owned, &claim(at(2))).await;
    assert_eq!(none, LimitedClaim::default());
    // Also when their time is over: their runs decide.
    assert_eq!(limited(&owned, &claim(at(3_600 * SECOND))).await, LimitedClaim::default());
    let gone = [TaskChange::Remove { event_id: EventId(2) }];
    owned.commit([change(&run, gone)]).await.expect("commits");
    assert_eq!(events(&limited(&owned, &claim(at(4))).await), [5]);
    let back = TaskChange::Requeue {
        event_id: EventId(4),
        attempt: 2,
        visible_at: NEVER,
        expires_at: None,
        last_failure: super::samples::failure(),
        fairness_rank: 0,
    };
    owned.commit([change(&run, [back])]).await.expect("commits");
    assert_eq!(events(&limited(&owned, &claim(at(5))).await), [6]);
    set(&owned, SettingsChange { concurrency: limit(1), ..SettingsChange::default() }).await;
    assert_eq!(limited(&owned, &claim(at(6))).await, LimitedClaim::default());
    set(&owned, SettingsChange { concurrency: limit(9), ..SettingsChange::default() }).await;
    assert_eq!(events(&limited(&owned, &claim(at(7))).await), [7]);
}

/// However long its line is, and however many there are before those of others.
pub async fn a_key_has_no_more_than_it_may_at_a_time(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let keys = [(Some("busy"), 700), (Some("a"), 1), (Some("z"), 5), (Some("b"), 2)];
    with_tasks_of(&owned, &keys).await;
    set(&owned, per_key(3)).await;
    let claimed = limited(&owned, &TaskClaim { limit: 6, ..claim(START) }).await;
    assert_eq!((events(&claimed), claimed.may_be_more), (vec![2, 3, 4, 702, 703, 704], true));
    let claimed = limited(&owned, &claim(START)).await;
    assert_eq!((events(&claimed), claimed.may_be_more), (vec![705, 708, 709], false));
    assert_eq!(limited(&owned, &claim(START)).await, LimitedClaim::default());
    let run = execution("order-1", 1);
    let gone = [3, 703].map(|event_id| TaskChange::Remove { event_id: EventId(event_id) });
    owned.commit([change(&run, gone)]).await.expect("commits");
    assert_eq!(events(&limited(&owned, &claim(START)).await), [5, 706]);
}

/// Tasks without a key have no limit but that of the queue.
pub async fn tasks_without_a_key_are_not_limited_by_key(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    with_tasks_of(&owned, &[(Some("a"), 2), (None, 3)]).await;
    let change = SettingsChange { rate_per_key: rate(0.001, 1), ..per_key(1) };
    set(&owned, change).await;
    assert_eq!(events(&limited(&owned, &claim(START)).await), [2, 4, 5, 6]);
}

/// So many workers ask at once, as several servers would.
pub async fn claims_of_one_moment_do_not_exceed_a_limit_together(store: Arc<dyn Store>) {
    const KEYS: [&str; 3] = ["a", "b", "c"];
    let owned = Owned::of(store).await;
    with_tasks_of(&owned, &KEYS.map(|name| (Some(name), 40))).await;
    set(&owned, SettingsChange { concurrency: limit(8), ..per_key(3) }).await;
    let workers = (0..8_u32).map(|worker| {
        let owned = owned.clone();
        tokio::spawn(async move {
            let claim = TaskClaim { limit: 1 + worker, ..claim(START) };
            limited(&owned, &claim).await.tasks
        })
    });
    let mut had: HashMap<Option<FairnessKey>, u64> = HashMap::new();
    for worker in workers.collect::<Vec<_>>() {
        for task in worker.await.expect("no panic") {
            *had.entry(task.leased.task.fairness_key).or_insert(0) += 1;
        }
    }
    assert_eq!(had.values().sum::<u64>(), 8, "{had:?}");
    assert!(had.values().all(|count| *count <= 3), "{had:?}");
}

/// The database knows what was handed out, whoever did it.
pub async fn a_rate_is_kept_from_one_claim_to_the_next(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    with_tasks_of(&owned, &[(Some("a"), 20), (Some("b"), 20)]).await;
    let change = SettingsChange { rate: rate(2.0, 3), ..SettingsChange::default() };
    set(&owned, change).await;
    let had = async |now: Timestamp| {
        let claimed = limited(&owned, &claim(now)).await;
        let again = claimed.again_at.map(|at| at.as_micros() - START.as_micros());
        (claimed.tasks.len(), again)
    };
    assert_eq!(had(START).await, (3, Some(SECOND / 2)));
    assert_eq!(had(at(SECOND / 2 - 10)).await, (0, Some(SECOND / 2)));
    assert_eq!(had(at(SECOND / 2)).await, (1, Some(SECOND)));
    assert_eq!(had(at(SECOND * 3 / 2)).await, (2, Some(SECOND * 2)));
    assert_eq!(had(at(100 * SECOND)).await, (3, Some(100 * SECOND + SECOND / 2)));
    // Its limit, and not how much there is, is what a claim did not get past.
    let few = TaskClaim { limit: 1, ..claim(at(200 * SECOND)) };
    let claimed = limited(&owned, &few).await;
    assert_eq!((claimed.tasks.len(), claimed.may_be_more, claimed.again_at), (1, true, None));
}

/// Each by itself.
pub async fn a_key_has_a_rate_of_its_own(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    with_tasks_of(&owned, &[(Some("busy"), 300), (Some("a"), 3)]).await;
    let change = SettingsChange { rate_per_key: rate(1.0, 2), ..SettingsChange::default() };
    set(&owned, change).await;
    let had = async |now: Timestamp| {
        let claimed = limited(&owned, &claim(now)).await;
        let again = claimed.again_at.map(|at| at.as_micros() - START.as_micros());
        (events(&claimed), again)
    };
    assert_eq!(had(START).await, (vec![2, 3, 302, 303], Some(SECOND)));
    assert_eq!(had(at(10)).await, (vec![], Some(SECOND)));
    assert_eq!(had(at(SECOND)).await, (vec![4, 304], Some(2 * SECOND)));
    assert_eq!(had(at(3 * SECOND)).await, (vec![5, 6], Some(4 * SECOND)));
}

/// What is in hand stays where it is.
pub async fn a_drained_queue_hands_out_nothing(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    with_tasks_of(&owned, &[(None, 2)]).await;
    assert_eq!(owned.claim(&TaskClaim { limit: 1, ..claim(START) }).await.len(), 1);
    set(&owned, SettingsChange { is_drained: Some(true), ..SettingsChange::default() }).await;
    assert_eq!(limited(&owned, &claim(START)).await, LimitedClaim::default());
    let run = execution("order-1", 1);
    assert_eq!(owned.tasks(&run).await.len(), 2);
    set(&owned, SettingsChange { is_drained: Some(false), ..SettingsChange::default() }).await;
    assert_eq!(events(&limited(&owned, &claim(START)).await), [3]);
}

/// For people who look at a queue.
pub async fn what_is_used_of_limits_is_told(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    with_tasks_of(&owned, &[(Some("a"), 3), (Some("b"), 1), (None, 1)]).await;
    let rates = SettingsChange {
        rate: rate(1.0, 10),
        rate_per_key: rate(0.5, 10),
        ..SettingsChange::default()
    };
    let limits = set(&owned, SettingsChange { concurrency: limit(100), ..rates }).await.limits;
    assert_eq!(limited(&owned, &TaskClaim { limit: 5, ..claim(START) }).await.tasks.len(), 5);
    let (namespace, emails) = (default_namespace(), queue("emails"));
    let used = store.queue_use(&namespace, &emails, &limits, START).await.expect("reads");
    assert_eq!((used.in_hand, used.full_at), (5, Some(at(5 * SECOND))));
    assert_eq!(used.in_hand_of, [(key("a"), 3), (key("b"), 1)].into());
    assert_eq!(used.full_at_of, [(key("a"), at(6 * SECOND)), (key("b"), at(2 * SECOND))].into());
    let elsewhere = store.queue_use(&namespace, &queue("other"), &limits, START).await;
    assert_eq!(elsewhere.expect("reads"), crate::allowance::QueueUse::default());
}

/// In everything but its limits.
pub async fn a_limited_claim_takes_what_any_other_would(store: Arc<dyn Store>) {
    let owned = Owned::of(store.clone()).await;
    let run = execution("order-1", 1);
    let places = [(5, 0, START), (3, 7, START), (1, 9, at(9)), (3, -7, START), (1, 1, NEVER)];
    let tasks = (2..).zip(places).map(|(event_id, (priority, fairness_rank, visible_at))| {
        let priority = Priority::new(priority).expect("a priority");
        TaskRow { priority, fairness_rank, visible_at, ..task(&run, event_id) }
    });
    let other = TaskRow { activity_type: type_name("other"), ..task(&run, 7) };
    owned.commit([start_with(&run, tasks.chain([other]))]).await.expect("commits");
    let ask =
        |now, limit| TaskClaim { activity_types: vec![type_name("send")], limit, ..claim(now) };
    for is_set in [false, true] {
        if is_set {
            set(&owned, SettingsChange { concurrency: limit(100), ..Default::default() }).await;
        }
        let claimed = limited(&owned, &ask(START, 2)).await;
        assert_eq!((events(&claimed), claimed.may_be_more), (vec![5, 3], true));
        assert_eq!(events(&limited(&owned, &ask(START, 9)).await), [2]);
        let last = limited(&owned, &ask(at(9), 9)).await;
        assert_eq!((events(&last), last.may_be_more), (vec![4], false));
        let leases: Vec<_> = [2, 3, 4, 5].map(|id| ((run.key, EventId(id)), [7; 16])).into();
        let now = at(i64::from(!is_set) - 1);
        store.release_leases(&leases, now).await.expect("releases");
        // They went back as of then, but for the one that has to wait for its time.
        let wait = TaskRow {
            priority: Priority::ALL[0],
            fairness_rank: 9,
            visible_at: at(9),
            ..task(&run, 4)
        };
        let wait = TaskChange::Enqueue(Box::new(wait));
        owned.commit([change(&run, [wait])]).await.expect("commits");
    }
    let one_byte = TaskClaim { bytes_max: 1, ..ask(START, 9) };
    let claimed = limited(&owned, &one_byte).await;
    assert_eq!((events(&claimed), claimed.may_be_more), (vec![5], true));
}
