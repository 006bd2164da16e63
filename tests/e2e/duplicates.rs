//! However often and however concurrently a start is sent, it starts one run.

use std::collections::BTreeSet;

use dacapo_tests::{Answer, Client, Database, Server, on_both_databases};
use serde_json::{Value, json};

on_both_databases! {
    of_many_concurrent_starts_with_one_workflow_id_exactly_one_starts,
    concurrent_starts_that_use_the_existing_run_all_get_the_same_one,
    concurrent_starts_with_one_request_id_all_get_the_same_run,
    a_start_that_is_sent_again_after_a_crash_finds_its_run,
    replacing_the_open_run_terminates_it,
}

const STARTS: usize = 200;

async fn all_at_once(client: &Client, request: &Value) -> Vec<Answer> {
    futures::future::join_all((0..STARTS).map(|_| client.post("runs", request))).await
}

fn run_ids(answers: &[Answer]) -> BTreeSet<String> {
    let id = |answer: &Answer| answer.json()["run_id"].as_str().expect("a run").to_owned();
    answers.iter().map(id).collect()
}

/// One was started, and all others were told of it.
fn one_started(answers: &[Answer]) {
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let odd: Vec<_> = answers.iter().filter(|answer| !matches!(answer.status, 200 | 201)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(run_ids(answers).len(), 1);
}

async fn server(database: &Database) -> (Server, Client) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    (server, client)
}

async fn of_many_concurrent_starts_with_one_workflow_id_exactly_one_starts(database: Database) {
    let (_server, client) = server(&database).await;
    let request = json!({"workflow": "cancellable", "workflow_id": "one"});
    let answers = all_at_once(&client, &request).await;
    let (started, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(started.len(), 1);
    let winner = started[0].json()["run_id"].clone();
    for answer in refused {
        let error = answer.error(409, "workflow_already_started");
        assert_eq!(error["details"]["run_id"], winner, "{error}");
        assert_eq!(error["retryable"], false);
    }
    let listed = client.get("runs?workflow_id=one").await.ok(200);
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(1), "{listed}");
}

async fn concurrent_starts_that_use_the_existing_run_all_get_the_same_one(database: Database) {
    let (_server, client) = server(&database).await;
    let request = json!({
        "workflow": "cancellable",
        "workflow_id": "one",
        "options": {"id_conflict_policy": "use_existing"},
    });
    let answers = all_at_once(&client, &request).await;
    one_started(&answers);
}

async fn concurrent_starts_with_one_request_id_all_get_the_same_run(database: Database) {
    let (_server, client) = server(&database).await;
    // It completes at once, so that some of the starts find it closed.
    let request =
        json!({"workflow": "echo", "workflow_id": "one", "request_id": "r-1", "input": 7});
    let answers = all_at_once(&client, &request).await;
    one_started(&answers);
    let listed = client.get("runs?workflow_id=one").await.ok(200);
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(1), "{listed}");
}

async fn a_start_that_is_sent_again_after_a_crash_finds_its_run(database: Database) {
    let (server, client) = server(&database).await;
    let open = json!({"workflow": "cancellable", "workflow_id": "open", "request_id": "r"});
    let closed = json!({"workflow": "echo", "workflow_id": "closed", "request_id": "r"});
    let first = [client.start_with(&open).await, client.start_with(&closed).await];
    first[1].completed().await;
    server.kill().await;

    let server = Server::start(&database).await;
    let client = server.client();
    for (request, run) in [(open, &first[0]), (closed, &first[1])] {
        let again = client.post("runs", &request).await.ok(200);
        assert_eq!(again["run_id"], run.run_id.as_str());
        assert_eq!(again["started"], false);
    }
    let other = json!({"workflow": "cancellable", "workflow_id": "open", "request_id": "other"});
    client.post("runs", &other).await.error(409, "workflow_already_started");
}

async fn replacing_the_open_run_terminates_it(database: Database) {
    let (_server, client) = server(&database).await;
    let mut request = json!({"workflow": "cancellable", "workflow_id": "one"});
    let first = client.start_with(&request).await;
    request["options"] = json!({"id_conflict_policy": "terminate_existing"});
    let second = client.start_with(&request).await;
    assert_ne!(first.run_id, second.run_id);
    assert_eq!(first.result().await["status"], "terminated");
    assert_eq!(second.describe().await["status"], "running");
}
