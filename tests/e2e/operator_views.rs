//! What somebody sees with `psql` or `sqlite3` of a server that has died.

use dacapo_tests::{Database, Kind, Server, Worker, eventually, on_both_databases};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

on_both_databases! {
    the_views_show_what_a_server_left_behind,
}

async fn the_views_show_what_a_server_left_behind(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let schedule = json!({
        "schedule_id": "nightly",
        "spec": {"crons": ["0 3 1 1 *"]},
        "action": {"workflow": "sequential", "input": {"steps": 1}},
    });
    client.post("schedules", &schedule).await.ok(201);
    client.post("schedules/nightly/trigger", &json!({})).await.ok(200);
    eventually("the schedule has completed its action", async || {
        let schedule = client.get("schedules/nightly").await.ok(200);
        (schedule["recent_actions"][0]["status"] == "completed").then_some(())
    })
    .await;
    let remote = json!({"queue": "emails", "steps": 3});
    let tasks = client.start("remote_fan_out", remote).await;
    let worker = Worker::new(server.client(), "emails", "ann");
    worker.task_with(json!({"max_tasks": 1, "lease_seconds": 1})).await;
    client.patch("task-queues/quiet", &json!({"drained": true})).await.ok(200);
    let timer = client.start("race", json!({"millis": [1000]})).await;
    server.kill().await;

    let statuses = "SELECT status || ' ' || runs FROM runs_by_status
                     WHERE namespace = 'default' ORDER BY status";
    // The schedule itself, the timer and the tasks; the run that the schedule has started.
    assert_eq!(texts(&database, statuses).await, ["completed 1", "running 3"]);
    let backlog =
        "SELECT queue || ' ' || ready || ' ' || delayed || ' ' || leased || ' ' || workers
                          || CASE WHEN is_drained THEN ' drained' ELSE '' END
                     FROM queue_backlog ORDER BY queue";
    assert_eq!(texts(&database, backlog).await, ["emails 2 0 1 1", "quiet 0 0 0 0 drained"]);
    let oldest = "SELECT CASE WHEN ready_since IS NULL THEN 'none' ELSE 'some' END
                    FROM queue_backlog ORDER BY queue";
    assert_eq!(texts(&database, oldest).await, ["some", "none"]);
    let leases = "SELECT workflow_id || ' ' || activity_type || ' ' || attempt || ' ' || worker
                    FROM expired_leases";
    let lease =
        eventually("the lease is over", async || texts(&database, leases).await.pop()).await;
    assert_eq!(lease, format!("{} step 1 ann", tasks.workflow_id));
    let timers = "SELECT workflow_id || ' ' || kind || ' ' || status FROM late_timers";
    let late = format!("{} timer running", timer.workflow_id);
    eventually("the timer is late", async || {
        (texts(&database, timers).await == [late.as_str()]).then_some(())
    })
    .await;

    let schedules = "SELECT schedule_id || ' ' || status || ' ' || actions
                            || CASE WHEN is_paused THEN ' paused' ELSE '' END
                       FROM workflow_schedules";
    assert_eq!(texts(&database, schedules).await, ["nightly running 1"]);
    let actions = "SELECT schedule_id || ' ' || workflow_type || ' ' || status
                     FROM schedule_execution_history";
    assert_eq!(texts(&database, actions).await, ["nightly sequential completed"]);

    if database.kind() == Kind::Postgres {
        let shards = "SELECT count(*) || ' ' || sum(open_runs) FROM shard_distribution";
        assert_eq!(texts(&database, shards).await, ["512 3"]);
        let tables =
            "SELECT count(*)::text FROM table_bloat WHERE table_bytes > 0 AND live_rows >= 0";
        assert_ne!(texts(&database, tables).await, ["0"]);
    }
}

/// The only column, a text, of each row.
async fn texts(database: &Database, query: &'static str) -> Vec<String> {
    let query = AssertSqlSafe(query);
    if database.kind() == Kind::Postgres {
        let mut connection = database.connect().await;
        let rows = sqlx::query(query).fetch_all(&mut connection).await.expect("PostgreSQL tells");
        return rows.iter().map(|row| row.get(0)).collect();
    }
    let options: SqliteConnectOptions = database.url().parse().expect("a URL");
    let mut connection = options.connect().await.expect("nobody else has it open");
    let rows = sqlx::query(query).fetch_all(&mut connection).await.expect("SQLite tells");
    rows.iter().map(|row| row.get(0)).collect()
}
