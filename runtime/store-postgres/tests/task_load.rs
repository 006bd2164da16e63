//! Task queues with many tasks: what a claim reads, and what is left of tables through which
//! many have gone. With more of them:
//!
//! ```sh
//! DACAPO_QUEUE_TASKS=1000000 cargo xtask test -- -p dacapo-store-postgres --test task_load
//! ```

use dacapo_model::ids::EventId;
use dacapo_store::commit::RunTransition;
use dacapo_store::conformance::fixtures::{
    Owned, START, activity_scheduled, at, claim, execution, start, task, transition,
};
use dacapo_store::task::{LeaseRenewal, TaskChange, TaskClaim};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

mod support;

fn tasks() -> u64 {
    let wanted = std::env::var("DACAPO_QUEUE_TASKS").ok();
    wanted.map_or(100_000, |wanted| wanted.parse().expect("a number of tasks"))
}

/// Half of the tasks could be handed out. The others come before them and wait for their
/// time; 50 of them have come to it, and 50 have waited for too long.
fn fill() -> String {
    format!(
        "INSERT INTO task_queues (
             workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
             fairness_rank, visible_at, is_ready, expires_at, attempt, start_to_close_micros,
             lease_epoch
         )
         SELECT n::bigint * 7919 % 100003, gen_random_uuid(), 2, 'default', 'emails', 'send',
                CASE WHEN n % 2 = 0 THEN 3 ELSE 1 END, n,
                now() + CASE WHEN n % 2 = 0 OR n <= 100 THEN interval '0'
                             ELSE n * interval '1 minute' END,
                n % 2 = 0, CASE WHEN n <= 50 THEN now() WHEN n % 3 = 0 THEN now() + interval '1 d' END,
                1, 60000000, 0
         FROM generate_series(1, {tasks}) AS n;
         INSERT INTO task_queues (
             workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
             fairness_rank, visible_at, is_ready, attempt, start_to_close_micros, lease_epoch
         )
         SELECT n, gen_random_uuid(), 2, 'default', 'queue-' || n % 50, 'send', 3, n, now(),
                n % 3 <> 0, 1, 60000000, 0
         FROM generate_series(1, {tasks} / 10) AS n;",
        tasks = tasks()
    )
}

/// How many pages a statement touches, those of what it calls included.
async fn pages(connection: &mut PgConnection, statement: &str) -> u64 {
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}");
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain))
        .persistent(false)
        .fetch_one(connection)
        .await
        .expect("explains");
    let count = |name: &str| plan[0]["Plan"][name].as_u64().expect("a number");
    count("Shared Hit Blocks") + count("Shared Read Blocks")
}

const CLAIM: &str = "SELECT * FROM claim_tasks('default', 'emails', '{}', '{}', 'worker',
                     decode(repeat('07', 16), 'hex'), 10000000, now(), 10, 1000000000)";

/// Whatever the statistics say: they are often of a time when the queue was empty.
#[tokio::test]
async fn a_claim_reads_few_pages_of_a_large_queue() {
    support::on_a_fresh_database(|_, url| async move {
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let fill = fill();
        for analyze in ["ANALYZE task_queues", "VACUUM ANALYZE task_queues"] {
            connection.execute("TRUNCATE task_queues, task_queue_leases").await.expect("empties");
            if analyze.starts_with("ANALYZE") {
                connection.execute(analyze).await.expect("analyzes");
            }
            connection.execute(AssertSqlSafe(fill.clone())).await.expect("fills");
            if analyze.starts_with("VACUUM") {
                connection.execute(analyze).await.expect("analyzes");
            }
            // The first makes plans, and those ready that have come to their time.
            pages(&mut connection, CLAIM).await;
            let first = pages(&mut connection, CLAIM).await;
            assert!(first < 800, "{analyze}: {first} pages");
            let many = CLAIM.replace(", 10, ", ", 3000, ");
            connection.execute(AssertSqlSafe(many)).await.expect("claims");
            // The first passes over what is gone, and marks it.
            pages(&mut connection, CLAIM).await;
            let later = pages(&mut connection, CLAIM).await;
            assert!(later < 800, "{analyze}: {later} pages after many claims");
            let order = "SELECT bool_and(priority = 1 OR fairness_rank <= 8000)
                         FROM task_queue_leases";
            let in_order: bool = connection.fetch_one(order).await.expect("reads").get(0);
            assert!(in_order, "{analyze}");

            let none = CLAIM.replace("'emails'", "'none'");
            let none = pages(&mut connection, &none).await;
            assert!(none < 30, "{analyze}: {none} pages of a queue without tasks");
            let over = "SELECT * FROM cleanup_expired_tasks()";
            pages(&mut connection, over).await;
            let over = pages(&mut connection, over).await;
            assert!(over < 200, "{analyze}: {over} pages for what is over");
            let waiting = include_str!("../queries/waiting_queues.sql")
                .replace("$1", "now()")
                .replace("$2", "''")
                .replace("$3", "''")
                .replace("$4", "100")
                .replace("$5", "NULL");
            let waiting = pages(&mut connection, &waiting).await;
            assert!(waiting < 51 * 60, "{analyze}: {waiting} pages for 51 queues");
        }
    })
    .await;
}

/// 20 keys with as many tasks each, and one with three after all of them.
#[tokio::test]
async fn the_tasks_of_a_key_are_found_behind_the_long_lines_of_others() {
    const BY_KEY: &str = "SELECT * FROM first_waiting_tasks_by_key(
                              'default', 'emails', '{}', '{busy-3}', 3, now(), 100)";
    support::on_a_fresh_database(|_, url| async move {
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        connection.execute("ANALYZE task_queues").await.expect("analyzes");
        let fill = format!(
            "INSERT INTO task_queues (
                 workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
                 fairness_key, fairness_rank, visible_at, is_ready, attempt,
                 start_to_close_micros, lease_epoch
             )
             SELECT n::bigint * 7919 % 100003, gen_random_uuid(), 2, 'default', 'emails', 'send',
                    3, CASE WHEN n > {tasks} THEN 'late' ELSE 'busy-' || n % 20 END, n, now(),
                    true, 1, 60000000, 0
             FROM generate_series(1, {tasks} + 3) AS n",
            tasks = tasks()
        );
        connection.execute(AssertSqlSafe(fill)).await.expect("fills");
        pages(&mut connection, BY_KEY).await;
        let read = pages(&mut connection, BY_KEY).await;
        // Three of each of 20 keys, with what their runs have recorded of them.
        assert!(read < 21 * 40, "{read} pages for 20 keys");
        let found = connection.fetch_all(BY_KEY).await.expect("reads");
        let of = |key: &str| found.iter().filter(|row| row.get::<&str, _>(3) == key).count();
        assert_eq!((found.len(), of("late"), of("busy-3"), of("busy-4")), (60, 3, 0, 3));
    })
    .await;
}

/// As autovacuum does, which the tests don't wait for.
async fn vacuum(connection: &mut PgConnection) {
    connection.execute("VACUUM task_queues").await.expect("vacuums");
    connection.execute("VACUUM task_queue_leases").await.expect("vacuums");
}

async fn size(connection: &mut PgConnection, function: &str, table: &str) -> i64 {
    let size = format!("SELECT {function}('{table}') / 8192");
    connection.fetch_one(AssertSqlSafe(size)).await.expect("measures").get(0)
}

/// Each is written, claimed, prolonged and removed.
#[tokio::test]
async fn tables_through_which_many_tasks_have_gone_are_nearly_empty() {
    const AT_ONCE: u64 = 1_000;
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store.clone()).await;
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let rounds = tasks() / AT_ONCE;
        let mut early = [0; 2];
        let tables = ["task_queues", "task_queue_leases"];
        for round in 0..rounds {
            // Runs come and go as well.
            let run = execution(&format!("order-{}", round / 10), u128::from(round / 10) + 1);
            let first = round % 10 * AT_ONCE + 2;
            if round % 10 == 0 {
                owned.commit([start(&run)]).await.expect("starts");
            }
            let ids = first..first + AT_ONCE;
            let begin = RunTransition {
                events: ids.clone().map(activity_scheduled).collect(),
                tasks: ids
                    .clone()
                    .map(|id| TaskChange::Enqueue(Box::new(task(&run, id))))
                    .collect(),
                ..transition(run.key)
            };
            owned.commit([begin]).await.expect("commits");
            let wanted = TaskClaim { limit: AT_ONCE as u32, ..claim(START) };
            let claimed = owned.claim(&wanted).await;
            assert_eq!(claimed.len() as u64, AT_ONCE);
            let renewals: Vec<_> = ids
                .clone()
                .map(|id| LeaseRenewal {
                    task: (run.key, EventId(id)),
                    token_digest: wanted.token_digest,
                    details: None,
                })
                .collect();
            let renewed = store_renews(&owned, &renewals).await;
            assert_eq!(renewed as u64, AT_ONCE);
            let tasks = ids.map(|id| TaskChange::Remove { event_id: EventId(id) }).collect();
            owned.commit([RunTransition { tasks, ..transition(run.key) }]).await.expect("commits");
            if round % 5 == 4 {
                vacuum(&mut connection).await;
            }
            if round == rounds / 10 {
                for (early, table) in early.iter_mut().zip(tables) {
                    *early = size(&mut connection, "pg_indexes_size", table).await;
                }
            }
        }
        vacuum(&mut connection).await;
        for (early, table) in early.into_iter().zip(tables) {
            let heap = size(&mut connection, "pg_relation_size", table).await;
            assert!(heap <= 4, "{table} has {heap} pages");
            let indexes = size(&mut connection, "pg_indexes_size", table).await;
            assert!(indexes <= 2 * early + 8, "{table}: {early} pages of indexes became {indexes}");
        }
    })
    .await;
}

async fn store_renews(owned: &Owned, renewals: &[LeaseRenewal]) -> usize {
    let renewed = owned.store.renew_leases(renewals, at(1)).await.expect("renews");
    renewed.iter().flatten().count()
}
