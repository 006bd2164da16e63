//! Operations on all runs that a filter matches, over HTTP and by the command line.

use dacapo_tests::{Client, Database, Server, dacapo, eventually, on_both_databases};
use futures::future::join_all;
use serde_json::{Value, json};

on_both_databases! {
    a_batch_signals_every_run_that_matches_and_says_how_far_it_is,
    a_dry_run_says_how_many_and_does_nothing,
    a_batch_that_is_wrong_is_refused_and_says_where,
    a_server_that_is_killed_in_the_middle_of_a_batch_does_it_with_each_run_once,
    the_command_line_counts_starts_pauses_and_shows_batches,
}

const WAITERS: &str = "WorkflowType = 'await_signals' AND ExecutionStatus = 'Running'";

async fn server(database: &Database) -> Server {
    let server = Server::start(database).await;
    server.client().upload_guests(&["steps"]).await;
    server
}

/// Starts so many runs that complete with the first signal `word`.
async fn waiters(client: &Client, count: usize) -> Vec<String> {
    let start = |number: usize| async move {
        let workflow_id = format!("waiter-{number}");
        let body = json!({
            "workflow": "await_signals", "workflow_id": workflow_id,
            "input": {"count": 1, "pause_millis": 0},
        });
        client.post("runs", &body).await.ok(201);
        workflow_id
    };
    join_all((0..count).map(start)).await
}

fn signal(batch_id: &str) -> Value {
    json!({
        "operation": "signal", "signal": {"name": "word", "input": 17}, "filter": WAITERS,
        "batch_id": batch_id, "request_id": "r", "runs_per_second": 10000,
    })
}

async fn ended(client: &Client, batch_id: &str) -> Value {
    eventually("the batch ends", async || {
        let described = client.get(&format!("batches/{batch_id}")).await.ok(200);
        (described["status"] != "running").then_some(described)
    })
    .await
}

/// How often each has got the signal.
async fn signals(client: &Client, workflow_ids: &[String]) -> Vec<usize> {
    let count = |workflow_id: &String| {
        let path = format!("runs/{workflow_id}/history");
        async move {
            let history = client.get(&path).await.ok(200);
            let events = history["events"].as_array().expect("a list").iter();
            events.filter(|event| event["event_type"] == "WorkflowExecutionSignaled").count()
        }
    };
    join_all(workflow_ids.iter().map(count)).await
}

async fn a_batch_signals_every_run_that_matches_and_says_how_far_it_is(database: Database) {
    let server = server(&database).await;
    let client = server.client();
    let waiting = waiters(&client, 120).await;
    let started = client.post("batches", &signal("b")).await.ok(201);
    assert_eq!(started["batch_id"], "b");
    let described = ended(&client, "b").await;
    assert_eq!(described["status"], "completed", "{described}");
    assert_eq!((&described["matched"], &described["done"]), (&json!(120), &json!(120)));
    assert_eq!((&described["failed"], &described["failures"]), (&json!(0), &json!([])));
    assert!(signals(&client, &waiting).await.iter().all(|count| *count == 1));
    let listed = client.get("batches?status=completed").await.ok(200);
    assert_eq!(listed["batches"][0]["batch_id"], "b");
    assert_eq!(client.get("batches?status=failed").await.ok(200)["batches"], json!([]));
    let repeated = client.post("batches", &signal("b")).await.ok(200);
    assert_eq!(repeated["run_id"], started["run_id"]);
    client.post("batches/b/pause", &json!({})).await.error(409, "run_closed");
    client.get("batches/unknown").await.error(404, "batch_not_found");
}

async fn a_dry_run_says_how_many_and_does_nothing(database: Database) {
    let server = server(&database).await;
    let client = server.client();
    let waiting = waiters(&client, 7).await;
    let mut request = signal("b");
    request["dry_run"] = json!(true);
    let answer = client.post("batches", &request).await.ok(200);
    assert_eq!((&answer["matched"], &answer["started"]), (&json!(7), &json!(false)));
    assert_eq!(signals(&client, &waiting).await, [0; 7]);
    assert_eq!(client.get("batches").await.ok(200)["batches"], json!([]));
}

async fn a_batch_that_is_wrong_is_refused_and_says_where(database: Database) {
    let server = server(&database).await;
    let client = server.client();
    let refused = async |change: Value, about: &str| {
        let mut request = signal("b");
        for (name, value) in change.as_object().expect("an object") {
            request[name] = value.clone();
        }
        let answer = client.post("batches", &request).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let error = answer.json();
        assert!(error["message"].as_str().expect("a text").contains(about), "{error}");
    };
    refused(json!({"filter": ""}), "filter is empty").await;
    refused(json!({"filter": "Colour = 'red'"}), "Colour").await;
    refused(json!({"signal": null}), "`signal` is missing").await;
    refused(json!({"operation": "cancel"}), "`signal` means nothing").await;
    refused(json!({"operation": "dance"}), "dance").await;
    refused(json!({"runs_per_second": 0}), "runs_per_second").await;
    let large = json!({"name": "word", "input": "x".repeat(300_000)});
    refused(json!({"signal": large}), "at most 262144").await;
    assert_eq!(client.get("batches").await.ok(200)["batches"], json!([]));
}

async fn a_server_that_is_killed_in_the_middle_of_a_batch_does_it_with_each_run_once(
    database: Database,
) {
    let first = server(&database).await;
    let client = first.client();
    let waiting = waiters(&client, 60).await;
    let mut request = signal("b");
    request["runs_per_second"] = json!(100);
    client.post("batches", &request).await.ok(201);
    eventually("it has begun", async || {
        let closed = client.get("runs?status=completed").await.ok(200);
        (!closed["runs"].as_array().expect("a list").is_empty()).then_some(())
    })
    .await;
    first.kill().await;

    let second = Server::start(&database).await;
    let client = second.client();
    client.post("batches/b/pause", &json!({})).await.ok(202);
    assert_eq!(client.get("batches/b").await.ok(200)["paused"], true);
    second.kill().await;

    let third = Server::start(&database).await;
    let client = third.client();
    let described = client.get("batches/b").await.ok(200);
    assert_eq!((&described["paused"], &described["status"]), (&json!(true), &json!("running")));
    client.post("batches/b/resume", &json!({})).await.ok(202);
    let described = ended(&client, "b").await;
    assert_eq!(described["status"], "completed", "{described}");
    assert_eq!(signals(&client, &waiting).await, [1; 60]);
}

async fn the_command_line_counts_starts_pauses_and_shows_batches(database: Database) {
    let server = server(&database).await;
    let client = server.client();
    waiters(&client, 3).await;
    let run = async |arguments: &[&str]| dacapo(&server, &[&["batch"], arguments].concat()).await;
    let cancel = ["start", "cancel", "--filter", WAITERS, "--batch-id", "b"];
    let counted = run(&cancel).await;
    counted.exit(0);
    assert!(counted.stderr.contains("3 runs match; nothing was done"), "{counted:?}");
    let slow = ["--runs-per-second", "0.1", "--reason", "the shop closes", "--yes"];
    let started = run(&[&cancel[..], &slow[..]].concat()).await;
    assert_eq!(started.exit(0).trim(), "b");
    run(&["pause", "b"]).await.exit(0);
    let shown = run(&["show", "b"]).await;
    for part in
        ["cancel", "the shop closes", "nothing is begun until it is resumed", "await_signals"]
    {
        assert!(shown.stdout.contains(part), "{part}: {shown:?}");
    }
    run(&["resume", "b"]).await.exit(0);
    run(&["stop", "b", "--reason", "mistake"]).await.exit(0);
    assert_eq!(ended(&client, "b").await["status"], "canceled");
    let table = run(&["list"]).await;
    assert!(table.stdout.contains("canceled") && table.stdout.contains('b'), "{table:?}");
    run(&["start", "cancel", "--filter", "WorkflowType =", "--yes"]).await.exit(1);
}
