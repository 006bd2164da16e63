//! A workflow that uses nothing but `std` survives the death of its server in
//! the middle of `thread::sleep`, and can't tell.

use chrono::{DateTime, Utc};
use dacapo_tests::{
    Client, Database, Run, Server, ZIG, built_with, event_types, guest, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases! {
    sleeping_reading_clocks_and_hashing_survive_a_crash,
    two_runs_see_different_randomness,
    who_asks_a_sleeping_run_is_told_when_it_wakes,
    a_scheduler_that_sleeps_in_one_poll_is_asked_and_told_across_a_crash,
    workflows_without_an_sdk_run_as_the_page_about_the_interface_shows_them,
}

async fn start(client: &Client, millis: u64) -> Run {
    client
        .start_with(&json!({
            "workflow": "std_only",
            "input": millis,
            "options": {"environment": {"GREETING": "hello"}, "arguments": ["one", "two"]},
        }))
        .await
}

async fn sleeping_reading_clocks_and_hashing_survive_a_crash(database: Database) {
    const ASKED_MILLIS: u64 = 1_500;
    let server = Server::start(&database).await;
    server.client().upload_guests(&["std_only"]).await;
    let run = start(&server.client(), ASKED_MILLIS).await;
    run.follow(None).await.until("TimerStarted").await;
    assert_eq!(run.describe().await["pending_timers"][0]["operation_id"], 1);
    server.logs("before the pause").await;
    server.kill().await;

    let server = Server::start(&database).await;
    let run = run.on(&server);
    let seen = run.completed().await;
    let history = run.history().await;
    assert_eq!(
        event_types(&history),
        ["WorkflowExecutionStarted", "TimerStarted", "TimerFired", "WorkflowExecutionCompleted"]
    );

    // What it read before the crash is what was recorded before the crash.
    let micros = |name: &str| seen[name].as_u64().expect("nanoseconds") / 1_000;
    assert_eq!(micros("system_before"), time_of(&history[0]));
    assert_eq!(micros("system_after"), time_of(&history[2]));
    let asked_micros = ASKED_MILLIS * 1_000;
    assert!(micros("monotonic_elapsed") >= asked_micros, "{seen}");
    assert_eq!(micros("monotonic_elapsed"), micros("system_after") - micros("system_before"));
    let mut keys: Vec<String> = serde_json::from_value(seen["keys"].clone()).expect("texts");
    keys.sort();
    let all = ["ada", "alan", "barbara", "donald", "edsger", "grace", "niklaus", "tony"];
    assert_eq!(keys, all);
    assert_eq!(seen["env"], json!({"GREETING": "hello"}), "and nothing of the server's");
    assert!(seen["args"].to_string().contains(r#""one","two""#), "{seen}");

    // The replay repeated what it wrote before, but not into the log.
    server.logs("after the pause").await;
    assert!(!server.log().contains("before the pause"), "a replayed line is written once");
}

async fn two_runs_see_different_randomness(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["std_only"]).await;
    let one = start(&client, 0).await.completed().await;
    let other = start(&client, 0).await.completed().await;
    assert_ne!(one["hash"], other["hash"]);
}

async fn who_asks_a_sleeping_run_is_told_when_it_wakes(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["std_only"]).await;
    let run = start(&client, 3_600_000).await;
    run.follow(None).await.until("TimerStarted").await;
    let refused = run.act("queries/any", &json!({})).await.error(409, "query_not_served");
    let wakes_at = refused["details"]["wakes_at"].as_str().expect("it is told");
    let pending = run.describe().await["pending_timers"][0].clone();
    assert_eq!(pending["fire_at"].as_str(), Some(wakes_at), "{pending}");
}

/// Two threads of it sleep for longer than the test takes.
async fn a_scheduler_that_sleeps_in_one_poll_is_asked_and_told_across_a_crash(database: Database) {
    let server = Server::start(&database).await;
    server.client().upload_guests(&["released_0_1_0"]).await;
    let run = server.client().start("scheduler", json!(1)).await;
    run.follow(None).await.until("TimerStarted").await;
    run.act("signals/one", &json!({})).await.ok(202);
    let seen = async |run: &Run| {
        let seen = run.act("queries/any", &json!({})).await.ok(200)["result"].clone();
        seen.as_str().is_some_and(|seen| seen.starts_with("one at "))
    };
    assert!(seen(&run).await);
    server.kill().await;

    let server = Server::start(&database).await;
    let run = run.on(&server);
    assert!(seen(&run).await);
    run.act("signals/two", &json!({})).await.ok(202);
    run.act("cancel", &json!({"reason": "enough"})).await.ok(202);
    run.result().await;
    let history = run.history().await;
    let timers = event_types(&history).into_iter().filter(|it| *it == "TimerStarted");
    assert!((1..=2).contains(&timers.count()), "one for each sleep: {history:?}");
    let last = history.last().expect("it has ended");
    assert_eq!(last["event_type"], "WorkflowExecutionCompleted");
}

/// Microseconds since 1970.
fn time_of(event: &Value) -> u64 {
    let time = event["time"].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    time.expect("a time").timestamp_micros().try_into().expect("it is after 1970")
}

/// The whole files are in `docs/wit.md`.
async fn workflows_without_an_sdk_run_as_the_page_about_the_interface_shows_them(
    database: Database,
) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("it can be read");
    let page = read("docs/wit.md");
    for source in ["tests/guests/no-sdk/src/lib.rs", "tests/guests-c-plain/src/order.c"] {
        assert!(page.contains(&read(source)), "docs/wit.md shows {source} as it is");
    }
    let server = Server::start(&database).await;
    let client = server.client();
    for component in [guest("no_sdk"), built_with(ZIG, "tests/guests-c-plain").await] {
        client.upload("orders", component).await.ok(201);
        // JSON in JSON, whatever it is.
        let long = "a long name, ".repeat(30);
        for input in [json!(1999), json!("a \"book\""), json!(null), json!({ "for": long })] {
            let run = client.start("plain_order", input.clone()).await;
            run.act("signals/approve", &json!({"input": true})).await.ok(202);
            let expected = json!({"receipt": {"charged": input}, "approval": true});
            assert_eq!(run.completed().await, expected);
        }
        // No bytes at all say null.
        let run = client.start_with(&json!({"workflow": "plain_order"})).await;
        run.act("signals/approve", &json!({})).await.ok(202);
        let nothing = json!({"receipt": {"charged": null}, "approval": null});
        assert_eq!(run.completed().await, nothing);
    }
}
