//! `kill -9` at any moment leads to the same final history, and every effect
//! happens.
//!
//! The scenario has sequential activities, two in parallel, a timer and a retry.
//! It is first run in peace; what it leaves behind is what every crashed run has
//! to leave behind.

use std::collections::BTreeMap;

use dacapo_tests::{
    Client, Database, Effects, Run, Server, Settings, comparable, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases! {
    a_crash_before_or_after_any_commit_changes_nothing,
    a_run_that_is_killed_after_every_event_ends_like_one_that_is_not,
}

/// More commits than the scenario needs; a run that needs more is wrong.
const COMMITS_MAX: u64 = 30;

const EFFECTS: [&str; 6] = ["first", "second", "left", "right", "retried", "last"];

#[derive(Debug, Clone, Copy)]
enum Crash {
    BeforeCommit(u64),
    AfterCommit(u64),
}

async fn a_crash_before_or_after_any_commit_changes_nothing(database: Database) {
    let effects = Effects::open().await;
    let undisturbed = undisturbed(&database, &effects).await;

    let mut commits = 0;
    for number in 1..=COMMITS_MAX {
        // Two at a time: each keeps up to one processor busy.
        let (before, after) = futures::join!(
            crashed(&database, &effects, Crash::BeforeCommit(number)),
            crashed(&database, &effects, Crash::AfterCommit(number)),
        );
        let (Some(before), Some(after)) = (before, after) else {
            // The scenario has fewer commits than that: all of them were tried.
            break;
        };
        assert_eq!(before, undisturbed, "after a crash before commit {number}");
        assert_eq!(after, undisturbed, "after a crash after commit {number}");
        commits = number;
    }
    // One for each thing that happens to the run, at least: its start, six
    // results, a timer.
    assert!((8..COMMITS_MAX).contains(&commits), "{commits} commits");
}

/// Runs the scenario in peace.
async fn undisturbed(database: &Database, effects: &Effects) -> Vec<Value> {
    let server = Server::start(database).await;
    server.client().upload_guests(&["steps"]).await;
    let run = start(&server.client(), effects, "undisturbed").await.expect("a run");
    let history = finish(server, run, effects).await;
    let done: Vec<_> = effects.of("undisturbed").into_iter().map(|it| it.effect).collect();
    assert_eq!(done.len(), EFFECTS.len(), "each effect happened once: {done:?}");
    history
}

/// Runs the scenario on a server that dies at that point, and again on one that
/// does not. None if the first one had no reason to die.
async fn crashed(database: &Database, effects: &Effects, crash: Crash) -> Option<Vec<Value>> {
    let database = database.another().await;
    let settings = match crash {
        Crash::BeforeCommit(number) => Settings::crashing_before_commit(&database, number),
        Crash::AfterCommit(number) => Settings::crashing_after_commit(&database, number),
    };
    let mut server = settings.start().await;
    server.client().upload_guests(&["steps"]).await;
    let workflow_id = format!("{crash:?}");
    if let Some(run) = start(&server.client(), effects, &workflow_id).await {
        // Ends with the run, or with the server.
        if follow_to_the_end(&server.client(), &run).await {
            return None;
        }
    }
    let status = server.ended().await;
    assert!(!status.success(), "{crash:?}: {status}");

    let server = Server::start(&database).await;
    let client = server.client();
    // The client that saw its start fail sends it again.
    let run = start(&client, effects, &workflow_id).await.expect("the server stays");
    Some(finish(server, run, effects).await)
}

async fn a_run_that_is_killed_after_every_event_ends_like_one_that_is_not(database: Database) {
    let effects = Effects::open().await;
    let undisturbed = undisturbed(&database, &effects).await;

    let mut server = Server::start(&database).await;
    let mut run = start(&server.client(), &effects, "killed").await.expect("a run");
    let mut kills = 0;
    for event_id in 1..undisturbed.len() as u64 {
        let mut live = run.follow(event_id.checked_sub(1)).await;
        let event = live.next().await.expect("the event comes");
        assert_eq!(event["event_id"], event_id);
        server.kill().await;
        kills += 1;
        server = Server::start(&database).await;
        run = run.on(&server);
    }
    assert_eq!(kills, 15, "one after each event but the last");
    assert_eq!(finish(server, run, &effects).await, undisturbed);
}

/// Starts the scenario, or finds it. None if the server died over it.
async fn start(client: &Client, effects: &Effects, workflow_id: &str) -> Option<Run> {
    let request = json!({
        "workflow": "effects",
        "workflow_id": workflow_id,
        "request_id": "the-same",
        "input": {"url": effects.url(), "pause_millis": 50},
    });
    let request = client.request(reqwest::Method::POST, "runs").json(&request);
    let answer = client.try_send(request).await.ok()?;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    Some(client.run(workflow_id, answer.json()["run_id"].as_str().expect("a run")))
}

/// Waits for the end, checks the effects, and returns the history.
async fn finish(server: Server, run: Run, effects: &Effects) -> Vec<Value> {
    assert_eq!(run.completed().await, json!(EFFECTS));
    let history = run.history().await;
    let at_the_end = effects.of(&run.workflow_id);
    // A stopping server waits for what it is doing: an attempt that should not be
    // there would be seen.
    server.stop().await;
    assert_eq!(effects.of(&run.workflow_id), at_the_end, "no effect after the run closed");

    let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for effect in &at_the_end {
        assert_eq!(effect.run_id, run.run_id);
        keys.entry(&effect.effect).or_default().push(&effect.key);
    }
    for name in EFFECTS {
        let keys = keys.get(name).unwrap_or_else(|| panic!("`{name}` never happened"));
        assert!(keys.iter().all(|key| key == &keys[0]), "{name}: {keys:?}");
    }
    comparable(&history)
}

/// Whether the run closed and the server is still there to tell. One that dies
/// after the closing commit may just have let the closing event be read.
async fn follow_to_the_end(client: &Client, run: &Run) -> bool {
    let Some(mut live) = run.try_follow().await else { return false };
    let mut closed = false;
    while let Some(event) = live.next().await {
        closed = event["event_type"] == "WorkflowExecutionCompleted";
    }
    let live = client.request(reqwest::Method::GET, "/health/live");
    closed && client.try_send(live).await.is_ok()
}
