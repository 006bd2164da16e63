//! The same random commits on PostgreSQL, SQLite and in memory: the same
//! verdicts, and the same rows afterwards.

use std::collections::HashMap;
use std::sync::Arc;

use dacapo_model::event::HistorySize;
use dacapo_model::execution::{Blocked, Execution, ExecutionStatus};
use dacapo_model::ids::{EventId, RunKey};
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::timer::TimerKind;
use dacapo_store::Store;
use dacapo_store::commit::{CommitUnit, ExecutionChange, ExecutionUpdate, RunTransition};
use dacapo_store::conformance::fixtures::{
    at, claim, default_namespace, event, execution, full_task, leased, node, queue, request_id,
    task, timer, transition, unit,
};
use dacapo_store::conformance::samples;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::execution::ExecutionFilter;
use dacapo_store::memory::MemoryStore;
use dacapo_store::shard::{HashRange, Ownership};
use dacapo_store::task::{LeaseRenewal, TaskChange, TaskClaim, TaskRow};
use dacapo_store::timer::TimerRow;
use dacapo_store_sqlite::SqliteStore;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

mod support;

const SEEDS: u64 = 12;
const COMMITS: usize = 60;

/// Few ids, so that commits meet each other's rows.
fn any_run(rng: &mut ChaCha8Rng) -> Execution {
    let number = rng.random_range(1..=8_u128);
    let request = rng.random_range(0..6);
    Execution {
        request_id: (request < 3).then(|| request_id(&format!("request-{request}"))),
        started_at: at(rng.random_range(0..3)),
        delayed_until: rng.random_bool(0.3).then(|| at(rng.random_range(3..6))),
        task_queue: rng.random_bool(0.3).then(|| queue("emails")),
        ..execution(&format!("order-{}", number % 3), number)
    }
}

fn any_update(rng: &mut ChaCha8Rng) -> ExecutionUpdate {
    let status = *ExecutionStatus::ALL.choose(rng).expect("not empty");
    let report = || Blocked {
        code: "guest_trap".to_owned(),
        message: "\0".to_owned(),
        backtrace: None,
        nondeterminism: None,
    };
    ExecutionUpdate {
        status,
        blocked: (status == ExecutionStatus::Blocked).then(report),
        closed_at: (!status.is_open()).then_some(at(9)),
        module_digest: rng.random_bool(0.3).then(|| ModuleDigest([rng.random_range(1..4); 32])),
        attributes: rng.random_bool(0.5).then(samples::attributes),
        tags: rng.random_bool(0.3).then(|| {
            let tags = samples::attributes().tags.into_iter();
            tags.filter(|_| rng.random_bool(0.5)).collect()
        }),
        history_size: (!status.is_open()).then(|| HistorySize {
            events: rng.random_range(2..9),
            bytes: rng.random_range(100..900),
        }),
    }
}

/// `next` says which event each history goes on with.
fn any_transition(rng: &mut ChaCha8Rng, next: &mut HashMap<RunKey, u64>) -> RunTransition {
    let run = any_run(rng);
    let key = run.key;
    let next = next.entry(key).or_insert(1);
    // Most go on; some repeat what is there, or leave a gap.
    let first = if rng.random_bool(0.8) { *next } else { rng.random_range(1..40) };
    let mut events: Vec<_> = (first..first + rng.random_range(0..3))
        .map(|id| event(id, samples::every_event().choose(rng).expect("not empty").clone()))
        .collect();
    // Most commits are meant to succeed.
    if rng.random_bool(0.5) {
        events.clear();
    }
    *next = (*next).max(events.last().map_or(0, |event| event.id.0 + 1));
    let tasks = (0..rng.random_range(0..3)).map(|_| any_change(rng, &run)).collect();
    let execution = match rng.random_range(0..4) {
        0 => ExecutionChange::Insert(Box::new(run)),
        1 => ExecutionChange::Update(Box::new(any_update(rng))),
        _ => ExecutionChange::None,
    };
    let timers_set = (0..rng.random_range(0..3))
        .map(|_| {
            let kind = any_kind(rng);
            let row = timer(key, rng.random_range(1..5), at(rng.random_range(0..5)));
            TimerRow { kind, ..row }
        })
        .collect();
    let timers_cleared =
        (0..rng.random_range(0..2)).map(|_| EventId(rng.random_range(1..5))).collect();
    RunTransition { events, execution, timers_set, timers_cleared, tasks, ..transition(key) }
}

fn any_change(rng: &mut ChaCha8Rng, run: &Execution) -> TaskChange {
    let number = rng.random_range(2..6);
    let event_id = EventId(number);
    let visible_at = at(rng.random_range(-2..4));
    let made = if rng.random_bool(0.5) { task } else { full_task };
    let fairness_rank = rng.random_range(-1..2);
    let row = TaskRow { visible_at, fairness_rank, ..made(run, number) };
    let expires_at = rng.random_bool(0.5).then(|| at(rng.random_range(3..9)));
    match rng.random_range(0..8) {
        0..3 => TaskChange::Enqueue(Box::new(row)),
        3 => TaskChange::Lease(Box::new(leased(row))),
        4 => TaskChange::Remove { event_id },
        5 => TaskChange::Requeue {
            event_id,
            attempt: rng.random_range(1..9),
            visible_at,
            expires_at,
            last_failure: samples::failure(),
            fairness_rank,
        },
        _ => TaskChange::Tell {
            event_id,
            cancel_until: rng.random_bool(0.3).then(|| at(rng.random_range(5..9_000_000))),
            paused: rng.random_bool(0.3),
            visible_at,
            expires_at,
        },
    }
}

/// What workers do between commits, and what they are answered.
async fn any_work(store: &dyn Store, rng: &mut ChaCha8Rng) -> String {
    let now = at(rng.random_range(-1..5));
    let limit = rng.random_range(0..4);
    let claimed = store.claim_tasks(&TaskClaim { limit, ..claim(now) }).await.expect("claims");
    let renewals: Vec<_> = keys()
        .into_iter()
        .map(|key| LeaseRenewal {
            task: (key, EventId(rng.random_range(2..6))),
            token_digest: if rng.random_bool(0.5) { [7; 16] } else { [0xff; 16] },
            details: rng.random_bool(0.5).then(|| Payload::new("8")),
        })
        .collect();
    let renewed = store.renew_leases(&renewals, now).await.expect("renews");
    let until = at(rng.random_range(0..20_000_000));
    let (all, limit) = ([HashRange::ALL], rng.random_range(0..3));
    let postpone = std::time::Duration::from_micros(3);
    let leases = store.expired_leases(&all, until, postpone, limit).await.expect("reads");
    format!("{claimed:#?}\n{renewed:#?}\n{leases:#?}")
}

fn any_kind(rng: &mut ChaCha8Rng) -> TimerKind {
    let last_failure = samples::failure();
    let details = rng.random_bool(0.5).then(|| Payload::new("7"));
    match rng.random_range(0..4) {
        0 => TimerKind::ActivityRetry { attempt: 2, last_failure, details },
        1 => TimerKind::ActivityHeartbeat {
            attempt: 3,
            last_failure: None,
            details: Payload::default(),
        },
        2 => TimerKind::ActivityTimeout { attempt: 4, last_failure: Some(last_failure), details },
        _ => TimerKind::Timer,
    }
}

fn any_commit(rng: &mut ChaCha8Rng, mut next: HashMap<RunKey, u64>) -> Vec<CommitUnit> {
    let mut any_unit = |rng: &mut ChaCha8Rng| {
        let transitions = (0..rng.random_range(1..3)).map(|_| any_transition(rng, &mut next));
        unit(transitions.collect::<Vec<_>>())
    };
    (0..rng.random_range(1..4)).map(|_| any_unit(rng)).collect()
}

/// The engine never changes a closed run, so no store has to agree on what it
/// would mean.
async fn leave_closed_runs_alone(store: &dyn Store, units: &mut [CommitUnit]) {
    let all = ExecutionFilter::default();
    let runs = store.list_executions(&default_namespace(), &all, None, 100).await.expect("lists");
    let closed = runs.iter().map(|run| &run.execution).filter(|run| !run.status.is_open());
    let closed: Vec<_> = closed.map(|run| run.key).collect();
    for transition in units.iter_mut().flat_map(|unit| &mut unit.transitions) {
        if closed.contains(&transition.key)
            && matches!(transition.execution, ExecutionChange::Update(_))
        {
            transition.execution = ExecutionChange::None;
        }
    }
}

fn verdict(result: Result<()>) -> &'static str {
    match result {
        Ok(()) => "committed",
        Err(StoreError::Conflict { .. }) => "conflict",
        Err(StoreError::Fenced { .. }) => "fenced",
        Err(StoreError::WentBack { .. }) => "went back",
        Err(StoreError::Corrupt { .. }) => "corrupt",
        Err(StoreError::Rejected { .. }) => "rejected",
        Err(
            error @ (StoreError::Unavailable { .. }
            | StoreError::TooSlow { .. }
            | StoreError::SearchesBusy { .. }),
        ) => {
            panic!("{error}")
        }
    }
}

fn keys() -> Vec<RunKey> {
    (1..=8_u128).map(|number| execution(&format!("order-{}", number % 3), number).key).collect()
}

/// Which event each history goes on with.
async fn next_events(store: &dyn Store) -> HashMap<RunKey, u64> {
    let histories = store.load_histories(&keys(), 1000, usize::MAX).await.expect("reads");
    let next = histories.iter().map(|history| history.len() as u64 + 1);
    keys().into_iter().zip(next).collect()
}

/// Everything that can be read.
async fn rows(store: &dyn Store) -> String {
    let keys = keys();
    let all = ExecutionFilter::default();
    let runs = store.list_executions(&default_namespace(), &all, None, 100).await.expect("lists");
    let open = store.open_executions(HashRange::ALL, None, 100).await.expect("lists");
    let histories = store.load_histories(&keys, 1000, usize::MAX).await.expect("reads");
    let timers = store.run_timers(&keys).await.expect("reads");
    let due = store.due_timers(&[HashRange::ALL], at(3), None, 100).await.expect("reads");
    let mut tasks = Vec::new();
    for key in keys {
        tasks.extend(store.run_tasks(key).await.expect("reads"));
    }
    let depth = store.queue_depth(&default_namespace(), &queue("emails"), at(1)).await;
    let depth = depth.expect("reads");
    format!("{runs:#?}\n{open:#?}\n{histories:#?}\n{timers:#?}\n{due:#?}\n{tasks:#?}\n{depth:#?}")
}

async fn compare(stores: &mut [(Arc<dyn Store>, Ownership)], seed: u64) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut committed = 0;
    for number in 0..COMMITS {
        let mut units = any_commit(&mut rng, next_events(&*stores[0].0).await);
        leave_closed_runs_alone(&*stores[0].0, &mut units).await;
        let mut verdicts = Vec::new();
        for (store, ownership) in &*stores {
            verdicts.push(verdict(store.commit(ownership, &units).await));
        }
        let agree = verdicts.iter().all(|verdict| *verdict == verdicts[0]);
        assert!(agree, "seed {seed}, commit {number}: {verdicts:?}\n{units:#?}");
        committed += usize::from(verdicts[0] == "committed");
        if verdicts[0] == "went back" {
            for (store, ownership) in &mut *stores {
                *ownership = store.acquire_all_shards(node(1)).await.expect("takes");
            }
        }
        let mut worked = Vec::new();
        for (store, _) in &*stores {
            worked.push(any_work(&**store, &mut rng.clone()).await);
        }
        let agree = worked.iter().all(|one| *one == worked[0]);
        assert!(agree, "seed {seed}, commit {number}: {worked:#?}");
    }
    let (reference, others) = stores.split_first().expect("not empty");
    let expected = rows(&*reference.0).await;
    for (store, _) in others {
        assert_eq!(rows(&**store).await, expected, "seed {seed}");
    }
    committed
}

#[tokio::test]
async fn all_stores_do_the_same() {
    for seed in 0..SEEDS {
        support::on_a_fresh_database(move |postgres, _| async move {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let sqlite = SqliteStore::open(directory.path().join("dacapo.db")).await;
            let stores: [Arc<dyn Store>; 3] =
                [Arc::new(MemoryStore::new()), Arc::new(sqlite.expect("opens")), postgres];
            let mut owned = Vec::new();
            for store in stores {
                let ownership = store.acquire_all_shards(node(1)).await.expect("takes");
                owned.push((store, ownership));
            }
            let committed = compare(&mut owned, seed).await;
            assert!(committed > 5, "seed {seed}: {committed} commits got through");
        })
        .await;
    }
}
