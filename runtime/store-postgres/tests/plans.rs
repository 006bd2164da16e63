//! The queries that run all the time find their rows by an index, on tables
//! large enough for the planner to have a choice.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

mod support;

const RUN: &str = "'00000000-0000-0000-0000-000000000007'::uuid";

/// 40,000 runs of 2,000 workflow ids, one in a hundred open; 200,000 events;
/// 40,000 timers, updates, published values and leases; 80,000 tasks that wait.
const FILL: &str = "
    INSERT INTO workflow_executions (
        workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
        request_id, status, started_at, closed_at
    )
    SELECT workflow_hash('default', 'order-' || n % 2000), gen_random_uuid(), 'default',
           'order-' || n % 2000, 'shop.order', sha256('module'), 'request-' || n,
           CASE WHEN n < 400 THEN 'running' ELSE 'completed' END,
           now() - n * interval '1 minute', CASE WHEN n >= 400 THEN now() END
    FROM generate_series(0, 39999) AS n;

    INSERT INTO history_events (
        workflow_hash, run_id, event_id, event_type, event_time, attributes
    )
    SELECT workflow_hash, run_id, event_id, 'TimerFired', started_at, '{}'
    FROM workflow_executions, generate_series(1, 5) AS event_id;

    INSERT INTO workflow_timers (workflow_hash, run_id, event_id, fire_at, kind)
    SELECT workflow_hash, run_id, 1, started_at, 'timer' FROM workflow_executions;

    INSERT INTO workflow_updates (
        workflow_hash, run_id, update_id, update_name, input, admitted_at
    )
    SELECT workflow_hash, run_id, 'update', 'add', '', started_at FROM workflow_executions;

    INSERT INTO workflow_query_results (workflow_hash, run_id, query_name, value)
    SELECT workflow_hash, run_id, 'status', '' FROM workflow_executions;

    INSERT INTO task_queues (
        workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
        fairness_rank, visible_at, is_ready, attempt, start_to_close_micros, lease_epoch
    )
    SELECT workflow_hash, run_id, event_id, 'default', 'emails', 'send', 3, event_id,
           started_at, event_id = 2, 1, 60000000, 0
    FROM workflow_executions, generate_series(2, 3) AS event_id;

    INSERT INTO task_queue_leases (
        workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
        fairness_rank, visible_at, attempt, start_to_close_micros, lease_epoch, worker,
        token_digest, started_at, expires_at, lease_micros, cancel_requested, paused
    )
    SELECT workflow_hash, run_id, 4, 'default', 'emails', 'send', 3, 0, started_at, 1, 60000000,
           1, 'worker', decode(repeat('07', 16), 'hex'), started_at, started_at, 10000000, false,
           false
    FROM workflow_executions;

    ANALYZE;
";

struct Expected {
    name: &'static str,
    sql: &'static str,
    arguments: String,
    indexes: &'static [&'static str],
    /// Whether rows come out of the index in the order asked for.
    is_sorted: bool,
}

fn hot_queries() -> Vec<Expected> {
    let commit_arguments = format!(
        "'{{7}}', '{{1}}',
         '{{7}}', ARRAY[{RUN}], '{{1}}',
         '{{7}}', ARRAY[{RUN}], '{{completed}}', '{{NULL}}', ARRAY[now()], '{{NULL}}',
         '{{false}}', '{{NULL}}', '{{NULL}}', '{{2}}', '{{100}}',
         '{{7}}', ARRAY[{RUN}], '{{n}}', '{{w}}', '{{t}}', '{{x}}', '{{r}}', '{{running}}',
         '{{NULL}}', ARRAY[now()], '{{NULL}}', '{{NULL}}', '{{NULL}}', '{{1}}',
         '{{NULL}}', '{{p}}', ARRAY[{RUN}], '{{p}}', ARRAY[{RUN}], '{{NULL}}', '{{NULL}}', '{{NULL}}',
         '{{7}}', ARRAY[{RUN}], '{{1}}', '{{t}}', ARRAY[now()], '{{NULL}}', '{{NULL}}',
         '{{7}}', ARRAY[{RUN}], '{{1}}', ARRAY[now()], '{{timer}}', '{{NULL}}', '{{NULL}}',
         '{{NULL}}',
         '{{7}}', ARRAY[{RUN}], '{{1}}'"
    );
    let query = |name, sql, arguments: &str, indexes, is_sorted| Expected {
        name,
        sql,
        arguments: arguments.replace("RUN", RUN),
        indexes,
        is_sorted,
    };
    vec![
        query(
            "commit",
            include_str!("../queries/commit.sql"),
            &commit_arguments,
            &[
                "workflow_executions_pkey",
                "workflow_executions_runs",
                "workflow_timers_pkey",
                "history_events_pkey",
            ],
            true,
        ),
        query(
            "commit_events",
            include_str!("../queries/commit_events.sql"),
            "'{7}', '{1}', '{7}', ARRAY[RUN], '{1}', '{7}', ARRAY[RUN], '{1}', '{t}',
             ARRAY[now()], '{NULL}', '{NULL}'",
            &["history_events_pkey"],
            true,
        ),
        query(
            "examine",
            include_str!("../queries/examine.sql"),
            "'{7, 8}', ARRAY[RUN, RUN], '{1, 2}'",
            &["history_events_pkey"],
            true,
        ),
        query(
            "find_run",
            include_str!("../queries/find_run.sql"),
            "7, 'default', 'order-7', RUN",
            &["workflow_executions_pkey"],
            true,
        ),
        query(
            "find_runs",
            include_str!("../queries/find_runs.sql"),
            "'{7, 8}', ARRAY[RUN, RUN]",
            &["workflow_executions_pkey"],
            true,
        ),
        query(
            "find_execution",
            include_str!("../queries/find_execution.sql"),
            "7, 'default', 'order-7'",
            &["workflow_executions_open", "workflow_executions_runs"],
            false,
        ),
        query(
            "find_request",
            include_str!("../queries/find_request.sql"),
            "7, 'default', 'order-7', 'request-7'",
            &["workflow_executions_request"],
            true,
        ),
        query(
            "open_executions",
            include_str!("../queries/open_executions.sql"),
            "7, RUN, 100, 9",
            &["workflow_executions_open"],
            false,
        ),
        query(
            "next_open",
            include_str!("../queries/next_open.sql"),
            "7, RUN, 9",
            &["workflow_executions_open"],
            false,
        ),
        query(
            "load_history",
            include_str!("../queries/load_history.sql"),
            "7, RUN, 1, 100",
            &["history_events_pkey"],
            true,
        ),
        query(
            "load_history_part",
            include_str!("../queries/load_history_part.sql"),
            "7, RUN, 1, 100, 1000000",
            &["history_events_pkey"],
            false,
        ),
        query(
            "last_event",
            include_str!("../queries/last_event.sql"),
            "7, RUN",
            &["history_events_pkey"],
            true,
        ),
        query(
            "last_events",
            include_str!("../queries/last_events.sql"),
            "'{7, 8}', ARRAY[RUN, RUN]",
            &["history_events_pkey"],
            true,
        ),
        query(
            "find_parents",
            include_str!("../queries/find_parents.sql"),
            "'{7, 8}', ARRAY[RUN, RUN]",
            &["history_events_pkey"],
            true,
        ),
        query(
            "load_histories",
            include_str!("../queries/load_histories.sql"),
            "'{7, 8}', ARRAY[RUN, RUN], 100",
            &["history_events_pkey"],
            true,
        ),
        query(
            "due_timers",
            include_str!("../queries/due_timers.sql"),
            "now(), now(), 7, RUN, 1, 100, '{7}', '{9}'",
            &["workflow_timers_due"],
            true,
        ),
        query(
            "run_timers",
            include_str!("../queries/run_timers.sql"),
            "'{7, 8}', ARRAY[RUN, RUN]",
            &["workflow_timers_pkey"],
            false,
        ),
        query(
            "commit_messages",
            include_str!("../queries/commit_messages.sql"),
            "'{7}', ARRAY[RUN], '{u}', '{n}', '{x}', ARRAY[now()], '{7}', ARRAY[RUN], '{u}',
             '{7}', ARRAY[RUN], '{n}', '{x}'",
            &["workflow_updates_pkey", "workflow_query_results_pkey"],
            true,
        ),
        query(
            "commit_tags",
            include_str!("../queries/commit_tags.sql"),
            "'{7}', ARRAY[RUN], '{7}', ARRAY[RUN], '{late}'",
            &["workflow_tags_pkey", "workflow_executions_pkey"],
            true,
        ),
        query(
            "find_tasks",
            include_str!("../queries/find_tasks.sql"),
            "'{7, 8}', ARRAY[RUN, RUN], '{1, 2}'",
            &["task_queues_pkey", "task_queue_leases_pkey"],
            true,
        ),
        query(
            "run_tasks",
            include_str!("../queries/run_tasks.sql"),
            "7, RUN",
            &["task_queues_pkey", "task_queue_leases_pkey"],
            true,
        ),
        query(
            "renew_leases",
            include_str!("../queries/renew_leases.sql"),
            "'{7, 8}', ARRAY[RUN, RUN], '{1, 2}', '{x, y}', '{NULL, NULL}', now()",
            &["task_queue_leases_pkey"],
            false,
        ),
        query(
            "release_leases",
            include_str!("../queries/release_leases.sql"),
            "'{7, 8}', ARRAY[RUN, RUN], '{1, 2}', '{x, y}', now(), now()",
            &["task_queue_leases_pkey"],
            false,
        ),
        query(
            "last_rank",
            include_str!("../queries/last_rank.sql"),
            "'default', 'emails', 3, false, 'tenant'",
            &["task_queues_ready"],
            true,
        ),
        query(
            "leased_tasks",
            include_str!("../queries/leased_tasks.sql"),
            "'default', 'emails', 7, RUN, 1, 100",
            &["task_queue_leases_pkey"],
            true,
        ),
        query(
            "waiting_queues",
            include_str!("../queries/waiting_queues.sql"),
            "now(), 'default', 'emails', 100, NULL",
            &["task_queues_ready", "task_queues_delayed"],
            true,
        ),
        query(
            "commit_tasks",
            include_str!("../queries/commit_tasks.sql"),
            &format!(
                "'{{7}}', '{{1}}', '{{7}}', ARRAY[RUN], '{{1}}', '{{7}}', ARRAY[RUN], '{{1}}',
                 '{{t}}', ARRAY[now()], '{{NULL}}', '{{NULL}}', {}",
                ["'{}'"; 27].join(", ")
            ),
            &["history_events_pkey"],
            true,
        ),
        query(
            "delete_run",
            include_str!("../queries/delete_run.sql"),
            "7, RUN, 7, 1",
            &[
                "workflow_executions_pkey",
                "history_events_pkey",
                "workflow_timers_pkey",
                "workflow_updates_pkey",
                "workflow_query_results_pkey",
                "task_queues_pkey",
                "task_queue_leases_pkey",
            ],
            true,
        ),
        query(
            "run_updates",
            include_str!("../queries/run_updates.sql"),
            "'{7, 8}', ARRAY[RUN, RUN]",
            &["workflow_updates_pkey"],
            false,
        ),
        query(
            "query_result",
            include_str!("../queries/query_result.sql"),
            "7, RUN, 'status'",
            &["workflow_query_results_pkey"],
            true,
        ),
        query(
            "query_result_names",
            include_str!("../queries/query_result_names.sql"),
            "7, RUN",
            &["workflow_query_results_pkey"],
            true,
        ),
    ]
}

/// Not looked at: their tables have a row for each node, and are read as a whole.
const OF_NODES: [&str; 2] = ["owner.sql", "renew_lease.sql"];

/// Not looked at: what they call has no plan to be seen. `tests/task.rs` counts what it reads.
const CALLS: [&str; 5] = [
    "change_tasks.sql",
    "claim_tasks.sql",
    "expired_leases.sql",
    "expired_tasks.sql",
    "lease_tasks.sql",
];

/// Not looked at: they count all of a queue, or the first of it.
const COUNTS: [&str; 2] = ["queue_depth.sql", "waiting_types.sql"];

#[tokio::test]
async fn hot_queries_use_their_indexes_and_scan_no_table() {
    support::on_a_fresh_database(|_, url| async move {
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        connection.execute(FILL).await.expect("fills");
        let queries = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/queries"));
        let known = hot_queries().len() + OF_NODES.len() + CALLS.len() + COUNTS.len();
        assert_eq!(queries.expect("lists").count(), known, "every file is here");
        for expected in hot_queries() {
            let prepare = format!("PREPARE hot AS {}", expected.sql);
            connection.execute(AssertSqlSafe(prepare)).await.expect(expected.name);
            for mode in ["force_generic_plan", "force_custom_plan"] {
                let plan = explain(&mut connection, mode, &expected.arguments).await;
                let name = expected.name;
                for index in expected.indexes {
                    assert!(plan.contains(index), "{name}, {mode}: no {index}\n{plan}");
                }
                for table in [
                    "workflow_executions",
                    "history_events",
                    "workflow_timers",
                    "workflow_updates",
                    "workflow_query_results",
                    "task_queues",
                    "task_queue_leases",
                ] {
                    let scan = format!("Seq Scan on {table}");
                    assert!(!plan.contains(&scan), "{name}, {mode}: {scan}\n{plan}");
                }
                if expected.is_sorted {
                    assert!(!plan.contains("Sort Key: workflow"), "{name}, {mode}\n{plan}");
                    assert!(!plan.contains("Sort Key: started_at"), "{name}, {mode}\n{plan}");
                    assert!(!plan.contains("Sort Key: wanted"), "{name}, {mode}\n{plan}");
                    assert!(!plan.contains("Sort Key: run_number"), "{name}, {mode}\n{plan}");
                    assert!(!plan.contains("Sort Key: fire_at"), "{name}, {mode}\n{plan}");
                }
            }
            connection.execute("DEALLOCATE hot").await.expect("deallocates");
        }
    })
    .await;
}

async fn explain(connection: &mut PgConnection, mode: &str, arguments: &str) -> String {
    let mode = format!("SET plan_cache_mode = {mode}");
    connection.execute(AssertSqlSafe(mode)).await.expect("sets the mode");
    let explain = format!("EXPLAIN EXECUTE hot({arguments})");
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
        .persistent(false)
        .fetch_all(connection)
        .await
        .expect("explains");
    lines.join("\n")
}
