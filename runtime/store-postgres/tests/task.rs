//! Task queues where many use them at once, and as operators see them.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::ids::EventId;
use dacapo_model::queue_limits::Concurrency;
use dacapo_model::task_token::TaskToken;
use dacapo_store::Store;
use dacapo_store::commit::RunTransition;
use dacapo_store::conformance::fixtures::{
    Owned, START, activity_scheduled, append, at, change, claim, execution, full_task, leased,
    queue, start, start_with, task, transition,
};
use dacapo_store::conformance::samples;
use dacapo_store::queue_settings::SettingsChange;
use dacapo_store::statistics::StatisticsStore;
use dacapo_store::task::{LeaseRenewal, TaskChange, TaskClaim, TaskKey, TaskPlace, TaskRow};
use sqlx::{Connection, Executor, PgConnection, Row};

mod support;

fn enqueue(row: TaskRow) -> TaskChange {
    TaskChange::Enqueue(Box::new(row))
}

fn remove(event_id: u64) -> TaskChange {
    TaskChange::Remove { event_id: EventId(event_id) }
}

fn requeue(event_id: u64) -> TaskChange {
    TaskChange::Requeue {
        event_id: EventId(event_id),
        attempt: 2,
        visible_at: START,
        expires_at: None,
        last_failure: samples::failure(),
        fairness_rank: 0,
    }
}

/// What most steps of a run are whose activities are made by workers. One that changes more
/// has a statement more, and those around a transaction.
#[tokio::test]
async fn a_step_with_tasks_is_one_statement() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store.clone()).await;
        let runs: Vec<_> = (1..=50).map(|n| execution(&format!("order-{n}"), n)).collect();
        let before = store.statistics();
        owned
            .commit(runs.iter().map(|run| start_with(run, [task(run, 2)])))
            .await
            .expect("commits");
        assert_eq!(store.statistics().since(before).statements, 4);
        let before = store.statistics();
        let step = |run| RunTransition {
            tasks: vec![remove(2), enqueue(task(run, 4))],
            ..append(run.key, [activity_scheduled(3), activity_scheduled(4)])
        };
        owned.commit(runs.iter().map(step)).await.expect("commits");
        let after = store.statistics().since(before);
        assert_eq!((after.commits, after.statements), (1, 1));
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let row = connection
            .fetch_one(
                "SELECT count(DISTINCT xmin::text), count(*) FROM (
                     SELECT xmin FROM task_queues
                     UNION ALL SELECT xmin FROM history_events WHERE event_id IN (3, 4)
                 ) AS written",
            )
            .await
            .expect("reads");
        assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (1, 150));
    })
    .await;
}

/// The statement of a commit sees the tables as they were when it began: before the claim.
#[tokio::test]
async fn a_task_that_is_just_claimed_is_changed_where_it_is_then() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store.clone()).await;
        let run = execution("order-1", 1);
        let tasks = (2..=5).map(|event_id| task(&run, event_id));
        owned.commit([start_with(&run, tasks)]).await.expect("commits");
        let mut claimer = PgConnection::connect(&url).await.expect("connects");
        let mut claiming = claimer.begin().await.expect("begins");
        let taken = claiming
            .fetch_all(
                "SELECT claim_tasks('default', 'emails', '{}', '{}', 'worker',
                                    decode(repeat('07', 16), 'hex'), 10000000, now(), 10, 1000000000)",
            )
            .await
            .expect("claims");
        assert_eq!(taken.len(), 4);
        let replaced = full_task(&run, 4);
        let changes = change(&run, [remove(2), requeue(3), enqueue(replaced.clone()), tell(5)]);
        let committing = tokio::spawn({
            let owned = owned.clone();
            async move { owned.commit([changes]).await }
        });
        wait_for_a_lock(&url).await;
        assert!(!committing.is_finished());
        claiming.commit().await.expect("commits");
        committing.await.expect("no panic").expect("commits");
        let [TaskPlace::Queue(back), TaskPlace::Queue(new), TaskPlace::Hand(told)] =
            &owned.tasks(&run).await[..]
        else {
            panic!("{:#?}", owned.tasks(&run).await);
        };
        assert_eq!((back.event_id, back.attempt.number, back.lease_epoch), (EventId(3), 2, 1));
        assert_eq!(*new, replaced);
        assert!(told.lease.cancel_requested);
    })
    .await;
}

fn tell(event_id: u64) -> TaskChange {
    TaskChange::Tell {
        event_id: EventId(event_id),
        cancel_until: Some(at(1)),
        paused: false,
        visible_at: START,
        expires_at: None,
    }
}

async fn wait_for_a_lock(url: &str) {
    let mut connection = PgConnection::connect(url).await.expect("connects");
    let waits = "SELECT EXISTS (
                     SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
                     WHERE NOT granted AND datname = current_database()
                 )";
    while !connection.fetch_one(waits).await.expect("answers").get::<bool, _>(0) {
        tokio::task::yield_now().await;
    }
}

/// Workers that claim, heartbeat and are told, and runs that remove and put back at the same
/// time. Nobody waits in a circle, and in the end there is nothing left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_and_runs_share_a_queue() {
    const RUNS: u128 = 8;
    const TASKS: u64 = 60;
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store.clone()).await;
        let runs: Vec<_> = (1..=RUNS).map(|n| execution(&format!("order-{n}"), n)).collect();
        let limit = Some(Some(Concurrency::new(1_000).expect("valid")));
        let limit = SettingsChange { concurrency: limit, ..SettingsChange::default() };
        let asked = claim(START);
        owned
            .store
            .change_queue_settings(&owned.ownership, &asked.namespace, &asked.queue, &limit, START)
            .await
            .expect("changes");
        for run in &runs {
            let tasks = (2..TASKS + 2).map(|event_id| task(run, event_id));
            owned.commit([start_with(run, tasks)]).await.expect("commits");
        }
        let workers: Vec<_> = (0..6_u8)
            .map(|worker| {
                let owned = owned.clone();
                tokio::spawn(async move { work(&owned, worker).await })
            })
            .collect();
        for event_id in 2..TASKS + 2 {
            // Some are removed while they wait, some while a worker has them; some are put
            // back before.
            let back = runs.iter().map(|run| change(run, [requeue(event_id), tell(event_id)]));
            owned.commit(back).await.expect("commits");
            let gone = runs.iter().map(|run| change(run, [remove(event_id)]));
            owned.commit(gone).await.expect("commits");
        }
        for worker in workers {
            worker.await.expect("no panic");
        }
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let left = "SELECT (SELECT count(*) FROM task_queues)
                         + (SELECT count(*) FROM task_queue_leases)";
        assert_eq!(connection.fetch_one(left).await.expect("counts").get::<i64, _>(0), 0);
    })
    .await;
}

/// Until there is nothing left. Heartbeats come in the order that is the worst.
async fn work(owned: &Owned, worker: u8) {
    let mut held: Vec<TaskKey> = Vec::new();
    loop {
        let claim = TaskClaim { token_digest: [worker; 16], limit: 7, ..claim(at(10)) };
        // Some go by the settings of the queue, as those of a server would that knows them.
        let claimed = match worker % 2 {
            0 => owned.claim(&claim).await,
            _ => owned.store.claim_limited_tasks(&claim).await.expect("claims").tasks,
        };
        held.extend(claimed.iter().map(|it| (it.leased.task.key, it.leased.task.event_id)));
        held.sort_unstable_by(|one, other| other.cmp(one));
        held.dedup();
        let renewals: Vec<_> = held
            .iter()
            .map(|&task| LeaseRenewal { task, token_digest: [worker; 16], details: None })
            .collect();
        let renewed = owned.store.renew_leases(&renewals, at(11)).await.expect("renews");
        held = renewed.iter().flatten().map(|it| (it.task.key, it.task.event_id)).collect();
        let (ranges, none) = ([dacapo_store::shard::HashRange::ALL], Duration::ZERO);
        owned.store.expired_leases(&ranges, at(11), none, 10).await.expect("reads");
        let depth = owned.store.queue_depth(&claim.namespace, &claim.queue, at(10)).await;
        let depth = depth.expect("reads");
        if depth.ready.is_empty() && depth.delayed == 0 && depth.leased == 0 {
            return;
        }
    }
}

/// Who can use psql can do a task, and complete it as a worker does.
#[tokio::test]
async fn an_operator_takes_a_task_with_a_token_that_fits() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store.clone()).await;
        let run = execution("order-1", 1);
        let row = TaskRow { queue: queue("by hand"), ..task(&run, 2) };
        owned.commit([start_with(&run, [row])]).await.expect("commits");
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let next = |activity_type: &str| {
            format!(
                "SELECT token, workflow_id, input_text IS NULL, expires_at - started_at
                            = interval '30 s', options ->> 'start_to_close_timeout_micros'
                 FROM get_next_task('default', 'by hand', {activity_type}, 'ops', 30)"
            )
        };
        let other = sqlx::AssertSqlSafe(next("'receive'"));
        assert!(connection.fetch_optional(other).await.expect("answers").is_none());
        let taken = connection.fetch_one(sqlx::AssertSqlSafe(next("NULL"))).await.expect("takes");
        assert_eq!(taken.get::<&str, _>(1), "order-1");
        assert!(taken.get::<bool, _>(3));
        assert_eq!(taken.get::<&str, _>(4), "7000001");
        let token: TaskToken = taken.get::<&str, _>(0).parse().expect("a token");
        assert_eq!((token.key, token.scheduled_event_id), (run.key, EventId(2)));
        let [TaskPlace::Hand(leased)] = &owned.tasks(&run).await[..] else {
            panic!("it is in hand");
        };
        assert_eq!(leased.lease.worker.as_str(), "ops");
        assert_eq!(leased.lease.token_digest, token.digest_bytes());
        let none = sqlx::AssertSqlSafe(next("NULL"));
        assert!(connection.fetch_optional(none).await.expect("answers").is_none());
        for seconds in ["0.5", "3601", "NULL"] {
            let bad = format!("SELECT get_next_task('default', 'by hand', NULL, 'ops', {seconds})");
            let error = connection.execute(sqlx::AssertSqlSafe(bad)).await.expect_err("is refused");
            assert!(error.to_string().contains("from 1 to 3600"), "{error}");
        }
        let over = "SELECT count(*) FROM cleanup_expired_leases(at_time => now() + interval '1 h')";
        assert_eq!(connection.fetch_one(over).await.expect("reads").get::<i64, _>(0), 1);
        let over = "SELECT count(*) FROM cleanup_expired_tasks()";
        assert_eq!(connection.fetch_one(over).await.expect("reads").get::<i64, _>(0), 0);
    })
    .await;
}

/// A lease has all that its task has, so that it goes back as it was.
#[tokio::test]
async fn a_lease_has_every_column_of_a_task() {
    support::on_a_fresh_database(|_, url| async move {
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let columns = "SELECT column_name, data_type, collation_name, is_nullable
                       FROM information_schema.columns
                       WHERE table_name = 'task_queues'
                         AND column_name NOT IN ('is_ready', 'expires_at')
                       EXCEPT
                       SELECT column_name, data_type, collation_name, is_nullable
                       FROM information_schema.columns
                       WHERE table_name = 'task_queue_leases'";
        let missing = connection.fetch_all(columns).await.expect("reads");
        let missing: Vec<&str> = missing.iter().map(|row| row.get(0)).collect();
        assert_eq!(missing, [""; 0]);
    })
    .await;
}

/// A node whose shard was taken writes no task, in whichever way the commit is written.
#[tokio::test]
async fn a_commit_that_waited_for_a_takeover_changes_no_task() {
    support::on_a_fresh_database(|store, _| async move {
        let former = Owned::of(store.clone()).await;
        let run = execution("order-1", 1);
        former.commit([start(&run)]).await.expect("commits");
        let store: Arc<dyn Store> = store;
        let owned = Owned::of(store).await;
        let in_hand = TaskChange::Lease(Box::new(leased(task(&run, 2))));
        for change in [in_hand, enqueue(task(&run, 2)), remove(2), requeue(2), tell(2)] {
            let alone = RunTransition { tasks: vec![change.clone()], ..transition(run.key) };
            former.commit([alone.clone()]).await.expect_err("is fenced");
            let more = RunTransition { timers_cleared: vec![EventId(9)], ..alone };
            former.commit([more]).await.expect_err("is fenced");
        }
        assert_eq!(owned.tasks(&run).await, []);
    })
    .await;
}
