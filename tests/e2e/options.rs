//! Times, retries and the delayed start of runs, on servers that die meanwhile.

use chrono::{DateTime, Utc};
use dacapo_tests::{Database, Run, Server, dacapo, event_types, eventually, on_both_databases};
use serde_json::{Value, json};

on_both_databases! {
    a_run_whose_time_is_over_while_the_server_is_down_times_out_once,
    a_delayed_start_outlives_the_server,
    the_wait_before_another_attempt_outlives_the_server,
    a_chain_of_attempts_has_the_result_of_its_last_run,
    what_is_said_about_a_run_is_shown_and_limited,
}

async fn server(database: &Database) -> Server {
    let server = Server::start(database).await;
    server.client().upload_guests(&["steps"]).await;
    server
}

fn time(of: &Value) -> DateTime<Utc> {
    let text = of.as_str().unwrap_or_else(|| panic!("a time was expected, not {of}"));
    text.parse().expect("RFC 3339")
}

/// Until the real clock says so.
#[expect(clippy::disallowed_methods, reason = "no server is up to tell the time")]
async fn passed(time: DateTime<Utc>) {
    eventually("the time passes", async || (Utc::now() > time).then_some(())).await;
}

async fn a_run_whose_time_is_over_while_the_server_is_down_times_out_once(database: Database) {
    let first = server(&database).await;
    let mut runs = Vec::new();
    for timeout in ["run_timeout_seconds", "execution_timeout_seconds"] {
        let options = json!({ timeout: 1.5 });
        let input = json!({"millis": [600_000]});
        let request = json!({"workflow": "timers", "input": input, "options": options});
        runs.push(first.client().start_with(&request).await);
    }
    let due = time(&runs[1].describe().await["times_out_at"]);
    first.kill().await;
    passed(due).await;

    let second = Server::start(&database).await;
    for (run, timeout) in runs.into_iter().zip(["RunTimeout", "ExecutionTimeout"]) {
        let run = run.on(&second);
        let result = run.result().await;
        assert_eq!(
            (&result["status"], &result["failure"]["type"]),
            (&json!("timed_out"), &json!(timeout))
        );
        let expected = ["WorkflowExecutionStarted", "TimerStarted", "WorkflowExecutionTimedOut"];
        assert_eq!(event_types(&run.history().await), expected);
        run.act("signals/late", &json!({})).await.error(409, "run_closed");
    }
    let listed = second.client().get("runs?status=timed_out").await.ok(200);
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(2));
}

async fn a_delayed_start_outlives_the_server(database: Database) {
    let first = server(&database).await;
    let delayed = |seconds: f64| {
        let options = json!({ "start_delay_seconds": seconds });
        json!({"workflow": "await_signals", "input": {"count": 0}, "options": options})
    };
    let soon = first.client().start_with(&delayed(1.5)).await;
    let late = first.client().start_with(&delayed(3_600.0)).await;
    first.kill().await;

    let second = Server::start(&database).await;
    let (soon, late) = (soon.on(&second), late.on(&second));
    assert_eq!(soon.completed().await, json!([]));
    let history = soon.history().await;
    assert_eq!(history[1]["event_type"], "WorkflowExecutionDelayEnded");
    let waited = time(&history[1]["time"]) - time(&history[0]["time"]);
    assert!(waited.num_milliseconds() >= 1_500, "{waited}");
    let shown = soon.describe().await;
    let delay = time(&shown["execution_time"]) - time(&shown["started_at"]);
    assert_eq!(delay.num_milliseconds(), 1_500, "{shown}");

    assert_eq!(event_types(&late.history().await), ["WorkflowExecutionStarted"]);
    late.act("signals/word", &json!({})).await.ok(202);
    assert_eq!(late.completed().await, json!([]), "a signal begins it");
}

fn retried(succeed_at: u32, interval: f64) -> Value {
    let retry = json!({"initial_interval_seconds": interval, "maximum_attempts": 5});
    json!({
        "workflow": "tried_again",
        "workflow_id": "again",
        "input": {"succeed_at": succeed_at},
        "options": {"retry_policy": retry},
    })
}

async fn the_wait_before_another_attempt_outlives_the_server(database: Database) {
    let first = server(&database).await;
    let run = first.client().start_with(&retried(2, 1.5)).await;
    let failed = run.result().await;
    assert_eq!(failed["status"], "failed");
    first.kill().await;

    let second = Server::start(&database).await;
    let last = run.on(&second).last_result().await;
    assert_eq!((&last["status"], &last["result"]), (&json!("completed"), &json!(2)));
    assert_eq!(last["run_id"], failed["new_run_id"]);
    let next = second.client().run("again", failed["new_run_id"].as_str().expect("a run"));
    let history = next.history().await;
    let expected =
        ["WorkflowExecutionStarted", "WorkflowExecutionDelayEnded", "WorkflowExecutionCompleted"];
    assert_eq!(event_types(&history), expected);
    let waited = time(&history[1]["time"]) - time(&failed["closed_at"]);
    assert!(waited.num_milliseconds() >= 1_500, "{waited}");
}

async fn a_chain_of_attempts_has_the_result_of_its_last_run(database: Database) {
    let server = server(&database).await;
    let run: Run = server.client().start_with(&retried(3, 0.01)).await;
    assert_eq!(run.last_result().await["result"], 3);
    let exact = run.result().await;
    assert_eq!((&exact["status"], &exact["run_id"]), (&json!("failed"), &json!(run.run_id)));
    let run_id = run.run_id.as_str();
    let followed = dacapo(&server, &["run", "result", "again", "--run-id", run_id]).await;
    assert_eq!(followed.exit(0).trim(), "3");
    let arguments = ["run", "result", "again", "--run-id", run_id, "--no-follow"];
    dacapo(&server, &arguments).await.exit(4);
    let arguments = [
        "run",
        "start",
        "tried_again",
        "--input",
        "{\"succeed_at\": 2}",
        "--retry-attempts",
        "3",
        "--retry-interval",
        "0.01",
        "--wait",
    ];
    assert_eq!(dacapo(&server, &arguments).await.exit(0).trim(), "2");
}

async fn what_is_said_about_a_run_is_shown_and_limited(database: Database) {
    let server = server(&database).await;
    server.client().register(&[("tier", "keyword"), ("amount", "double")]).await;
    let start = |options: Value| json!({"workflow": "await_signals", "input": {"count": 1}, "options": options});
    let said = json!({
        "memo": {"note": {"urgent": true}},
        "search_attributes": {"tier": "gold", "amount": {"type": "Double", "value": 2.5}},
    });
    let run = server.client().start_with(&start(said)).await;
    let expected = json!({
        "tier": {"type": "Keyword", "value": "gold"},
        "amount": {"type": "Double", "value": 2.5},
    });
    let shown = run.describe().await;
    assert_eq!(shown["memo"], json!({"note": {"urgent": true}}));
    assert_eq!(shown["search_attributes"], expected);
    let listed = server.client().get("runs").await.ok(200);
    assert_eq!(listed["runs"][0]["search_attributes"], expected);
    for refused in [
        json!({"memo": {"much": "x".repeat(40_000)}}),
        json!({"search_attributes": {"odd": {"type": "Money", "value": 1}}}),
        json!({"search_attributes": {"nothing": null}}),
        json!({"run_timeout_seconds": 0}),
        json!({"retry_policy": {"backoff_coefficient": 0.5}}),
    ] {
        server.client().post("runs", &start(refused)).await.error(400, "invalid_argument");
    }
}
