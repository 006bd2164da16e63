//! Activities without a workflow: durable jobs on a task queue, over HTTP and by the command
//! line.

use dacapo_tests::{
    Client, Database, Server, Settings, Worker, comparable, dacapo, event_types, eventually,
    on_both_databases,
};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases! {
    a_job_is_started_made_and_looked_at,
    a_start_that_is_wrong_says_what_is_and_where,
    a_repeated_start_is_answered_with_the_job_that_is_there,
    a_job_is_asked_to_cancel_and_its_worker_hears_of_it,
    a_job_is_ended_by_hand,
    a_server_that_is_killed_at_every_event_of_a_job_finishes_it,
    a_crash_before_or_after_any_commit_of_a_job_changes_nothing,
    the_command_line_starts_lists_shows_and_ends_jobs,
}

const QUEUE: &str = "emails";

fn worker(server: &Server) -> Worker {
    Worker::new(server.client(), QUEUE, "mailer-1")
}

fn job(id: &str) -> Value {
    json!({"activity": "send", "task_queue": QUEUE, "activity_id": id, "input": {"to": "ann"}})
}

async fn start(client: &Client, id: &str) -> Value {
    let started = client.post("activities", &job(id)).await.ok(201);
    assert_eq!((&started["activity_id"], &started["started"]), (&json!(id), &json!(true)));
    started
}

async fn describe(client: &Client, id: &str) -> Value {
    client.get(&format!("activities/{id}")).await.ok(200)
}

/// Waits for the end.
async fn ended(client: &Client, id: &str) -> Value {
    loop {
        let answer = client.get(&format!("activities/{id}/result?wait=30")).await;
        match answer.status {
            200 => return answer.json(),
            _ => answer.ok(202),
        };
    }
}

async fn history(client: &Client, id: &str) -> Vec<Value> {
    let run_id = describe(client, id).await["run_id"].as_str().expect("a run").to_owned();
    client.run(&format!("dacapo:activity:{id}"), &run_id).history().await
}

async fn a_job_is_started_made_and_looked_at(database: Database) {
    let server = Server::start(&database).await;
    let (client, worker) = (server.client(), worker(&server));
    client.register(&[("tier", "keyword")]).await;
    let mut request = job("welcome-17");
    request["options"] = json!({
        "start_to_close_timeout_seconds": 20, "priority": 1, "fairness_key": "ann",
        "retry_policy": {"initial_interval_seconds": 0.001}, "memo": {"why": "signup"},
        "search_attributes": {"tier": "gold"},
    });
    let started = client.post("activities", &request).await.ok(201);
    let open = client.get("activities/welcome-17/result").await.ok(202);
    assert_eq!(open["status"], "running");

    let task = worker.task().await;
    assert_eq!((&task["activity_type"], &task["input"]), (&json!("send"), &json!({"to": "ann"})));
    assert_eq!(task["workflow_id"], "dacapo:activity:welcome-17");
    let failure = json!({"failure": {"type": "Bounced", "message": "try later"}});
    worker.report(&task, failure).await.expect("recorded");
    let second = worker.task().await;
    let beat = json!({"heartbeats": [{"token": second["token"], "details": {"sent": 1}}]});
    client.post("activities/heartbeats", &beat).await.ok(200);
    let described = describe(&client, "welcome-17").await;
    assert_eq!(
        (&described["attempt"], &described["lease"]["worker"]),
        (&json!(2), &json!("mailer-1"))
    );
    assert_eq!(described["last_failure"]["type"], "Bounced");
    assert_eq!(described["heartbeat_details"], json!({"sent": 1}));
    let options = &described["options"];
    assert_eq!(options["start_to_close_timeout_seconds"], 20.0);
    assert_eq!(options["task_queue"]["priority"], 1);
    assert_eq!(
        (&described["memo"]["why"], &described["run_id"]),
        (&json!("signup"), &started["run_id"])
    );

    worker.report(&second, json!({"result": "sent"})).await.expect("recorded");
    let result = ended(&client, "welcome-17").await;
    assert_eq!((&result["status"], &result["result"]), (&json!("completed"), &json!("sent")));
    let described = describe(&client, "welcome-17").await;
    assert_eq!((&described["attempt"], described.get("lease")), (&json!(2), None), "{described}");

    let listed = client.get("activities?status=completed&activity_type=send").await.ok(200);
    assert_eq!(listed["activities"][0]["activity_id"], "welcome-17", "{listed}");
    assert_eq!(listed["activities"][0]["task_queue"], QUEUE, "{listed}");
    assert_eq!(client.get("activities?status=failed").await.ok(200)["activities"], json!([]));
    assert_eq!(client.get("runs").await.ok(200)["runs"], json!([]), "it is no workflow");
    let one = client.get("runs?workflow_id=dacapo:activity:welcome-17").await.ok(200);
    assert_eq!(one["runs"][0]["workflow_type"], "send", "unless it is named");
    client.get("activities/unknown").await.error(404, "activity_not_found");
    client.get("activities/unknown/result").await.error(404, "activity_not_found");
}

async fn a_start_that_is_wrong_says_what_is_and_where(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    let refused = async |change: Value, about: &str| {
        let mut request = job("j");
        for (name, value) in change.as_object().expect("an object") {
            request[name] = value.clone();
        }
        let error = client.post("activities", &request).await.error(400, "invalid_argument");
        assert!(error["message"].as_str().expect("a text").contains(about), "{error}");
    };
    refused(json!({"task_queue": null}), "task_queue is missing").await;
    refused(json!({"activity_id": "complete"}), "name of a route").await;
    refused(json!({"activity_id": "x".repeat(240)}), "at most 239").await;
    refused(json!({"options": {"priority": 9}}), "priority").await;
    refused(json!({"options": {"heartbeat_timeout_seconds": 0}}), "heartbeat_timeout").await;
    refused(json!({"activity_id": null, "request_id": "r"}), "activity_id").await;
    let unknown = json!({"activity": "send", "task_queue": QUEUE, "workflow": "w"});
    client.post("activities", &unknown).await.error(400, "invalid_request");
    let taken = json!({"workflow": "w", "workflow_id": "dacapo:activity:j"});
    client.post("runs", &taken).await.error(400, "invalid_argument");
    client.upload("dacapo", "mine".into()).await.error(400, "invalid_argument");
    let large = json!({"activity": "send", "task_queue": QUEUE, "input": "x".repeat(3_000_000)});
    client.post("activities", &large).await.error(413, "payload_too_large");
    assert_eq!(client.get("activities").await.ok(200)["activities"], json!([]));
}

async fn a_repeated_start_is_answered_with_the_job_that_is_there(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    let mut request = job("j");
    request["request_id"] = json!("signup-17");
    let (first, second) =
        futures::join!(client.post("activities", &request), client.post("activities", &request));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201], "{first:?} {second:?}");
    assert_eq!(first.json()["run_id"], second.json()["run_id"]);
    let other = start(&client, "other").await;
    let refused = client.post("activities", &job("other")).await;
    let refused = refused.error(409, "activity_already_started");
    assert_eq!(refused["details"]["run_id"], other["run_id"]);
    request["options"] = json!({"priority": 1});
    client.post("activities", &request).await.error(409, "request_id_reused");

    // The next server knows as much.
    server.kill().await;
    let server = Server::start(&database).await;
    request["options"] = json!({});
    let again = server.client().post("activities", &request).await.ok(200);
    assert_eq!(again["run_id"], first.json()["run_id"]);
}

async fn a_job_is_asked_to_cancel_and_its_worker_hears_of_it(database: Database) {
    let server = Server::start(&database).await;
    let (client, worker) = (server.client(), worker(&server));
    start(&client, "j").await;
    let task = worker.task().await;
    client.post("activities/j/cancel", &json!({"reason": "enough"})).await.ok(202);
    assert_eq!(worker.heartbeat(&task).await.expect("held")["cancel_requested"], true);
    assert_eq!(describe(&client, "j").await["cancel_requested"], true);
    worker.report(&task, json!({"canceled": {"message": "cleaned up"}})).await.expect("recorded");
    let result = ended(&client, "j").await;
    assert_eq!((&result["status"], &result["reason"]), (&json!("canceled"), &json!("cleaned up")));
    client.post("activities/j/cancel", &json!({})).await.error(409, "run_closed");

    let mut delayed = job("delayed");
    delayed["options"] = json!({"start_delay_seconds": 3600});
    client.post("activities", &delayed).await.ok(201);
    assert!(describe(&client, "delayed").await["delayed_until"].is_string());
    client.post("activities/delayed/cancel", &json!({})).await.ok(202);
    assert_eq!(ended(&client, "delayed").await["status"], "canceled");
    start(&client, "ended").await;
    client.post("activities/ended/terminate", &json!({"reason": "mistake"})).await.ok(200);
    let result = ended(&client, "ended").await;
    assert_eq!((&result["status"], &result["reason"]), (&json!("terminated"), &json!("mistake")));
    worker.no_task().await;
}

async fn a_job_is_ended_by_hand(database: Database) {
    let server = Server::start(&database).await;
    let (client, worker) = (server.client(), worker(&server));
    start(&client, "by-id").await;
    client.post("activities/by-id/complete", &json!({"result": {"by": "ann"}})).await.ok(200);
    assert_eq!(ended(&client, "by-id").await["result"], json!({"by": "ann"}));
    client.post("activities/by-id/complete", &json!({})).await.error(404, "activity_not_found");
    start(&client, "by-token").await;
    let task = worker.task().await;
    let body = json!({"token": task["token"], "result": 1});
    client.post("activities/complete", &body).await.ok(200);
    assert_eq!(ended(&client, "by-token").await["result"], 1);
    start(&client, "fails").await;
    let failure = json!({"type": "Bad", "message": "no", "non_retryable": true});
    client.post("activities/fails/fail", &json!({"failure": failure})).await.ok(200);
    let result = ended(&client, "fails").await;
    assert_eq!((&result["status"], &result["failure"]["type"]), (&json!("failed"), &json!("Bad")));
    worker.no_task().await;
}

/// And between them, where rows say what no event does.
async fn a_server_that_is_killed_at_every_event_of_a_job_finishes_it(database: Database) {
    let first = Server::start(&database).await;
    let mut request = job("j");
    let retry = json!({"initial_interval_seconds": 0.001});
    request["options"] = json!({"retry_policy": retry, "start_delay_seconds": 0.2});
    first.client().post("activities", &request).await.ok(201);
    first.kill().await;

    let second = Server::start(&database).await;
    let task = worker(&second).task().await;
    second.kill().await;

    let third = Server::start(&database).await;
    let failure = json!({"failure": {"type": "Bounced", "message": "try later"}});
    worker(&third).report(&task, failure).await.expect("it is held still");
    third.kill().await;

    let fourth = Server::start(&database).await;
    let task = worker(&fourth).task().await;
    assert_eq!((&task["attempt"], &task["last_failure"]["type"]), (&json!(2), &json!("Bounced")));
    worker(&fourth).report(&task, json!({"result": 7})).await.expect("recorded");
    fourth.kill().await;

    let last = Server::start(&database).await;
    let result = ended(&last.client(), "j").await;
    assert_eq!((&result["status"], &result["result"]), (&json!("completed"), &json!(7)));
    let expected = [
        "WorkflowExecutionStarted",
        "WorkflowExecutionDelayEnded",
        "ActivityTaskScheduled",
        "ActivityTaskCompleted",
        "WorkflowExecutionCompleted",
    ];
    assert_eq!(event_types(&history(&last.client(), "j").await), expected);
    worker(&last).report(&task, json!({"result": 7})).await.expect("answered as before");
    worker(&last).no_task().await;
}

async fn a_crash_before_or_after_any_commit_of_a_job_changes_nothing(database: Database) {
    let server = Server::start(&database).await;
    let undisturbed = made(server, "j").await;
    for number in 1.. {
        let mut died = 0;
        for after in [false, true] {
            let database = database.another().await;
            let settings = match after {
                false => Settings::crashing_before_commit(&database, number),
                true => Settings::crashing_after_commit(&database, number),
            };
            let mut server = settings.start().await;
            if try_to_make(&server, "j").await {
                continue;
            }
            let status = server.ended().await;
            assert!(!status.success(), "commit {number}: {status}");
            died += 1;
            let server = Server::start(&database).await;
            assert_eq!(made(server, "j").await, undisturbed, "commit {number}, after: {after}");
        }
        if died == 0 {
            assert_eq!(number, 3, "a job has two commits");
            return;
        }
        assert_eq!(died, 2, "commit {number}");
    }
}

fn repeatable(id: &str) -> Value {
    let mut request = job(id);
    request["request_id"] = json!("the-same");
    request["options"] = json!({"retry_policy": {"initial_interval_seconds": 0.001}});
    request
}

/// Starts a job, or finds it, makes whatever attempts come, and returns the history.
async fn made(server: Server, id: &str) -> Vec<Value> {
    let client = server.client();
    let answer = client.post("activities", &repeatable(id)).await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    let worker = worker(&server);
    eventually("the job has ended", async || {
        for task in worker.tasks(json!({"wait_seconds": 0.2, "lease_seconds": 1})).await {
            // It may be known already.
            let _ = worker.report(&task, json!({"result": task["attempt"]})).await;
        }
        let answer = client.get(&format!("activities/{id}/result")).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let history = history(&client, id).await;
    assert_eq!(history.len(), 4);
    without_results(comparable(&history))
}

/// Whether an attempt was lost with the server is no matter.
fn without_results(mut history: Vec<Value>) -> Vec<Value> {
    for event in &mut history {
        let event = event.as_object_mut().expect("an object");
        if let Some(attributes) = event.get_mut("attributes").and_then(Value::as_object_mut) {
            attributes.remove("result");
            attributes.remove("attempt");
        }
        event.remove("result");
        event.remove("attempt");
    }
    history
}

/// True if the server is still there afterwards.
async fn try_to_make(server: &Server, id: &str) -> bool {
    let client = server.client();
    let post = async |path: String, body: Value| {
        client.try_send(client.request(Method::POST, &path).json(&body)).await.ok()
    };
    let Some(started) = post("activities".to_owned(), repeatable(id)).await else { return false };
    assert_eq!(started.status, 201, "{started:?}");
    let poll = json!({"identity": "mailer-1", "wait_seconds": 10, "lease_seconds": 1});
    let Some(polled) = post(format!("task-queues/{QUEUE}/poll"), poll).await else { return false };
    let token = polled.ok(200)["tasks"][0]["token"].clone();
    let report = json!({"reports": [{"token": token, "result": 1}]});
    let Some(reported) = post("activities/reports".to_owned(), report).await else { return false };
    reported.ok(200);
    let result = client.request(Method::GET, &format!("activities/{id}/result?wait=30"));
    client.try_send(result).await.is_ok_and(|answer| answer.status == 200)
}

async fn the_command_line_starts_lists_shows_and_ends_jobs(database: Database) {
    let server = Server::start(&database).await;
    let worker = worker(&server);
    let run =
        async |arguments: &[&str]| dacapo(&server, &[&["activity"], arguments].concat()).await;
    let start = ["start", "send", "--queue", QUEUE, "--activity-id"];
    let flags = ["--input", r#"{"to": "ann"}"#, "--priority", "1", "--retry-attempts", "2"];
    let started = run(&[&start[..], &["a"], &flags[..]].concat()).await;
    assert_eq!(started.exit(0).trim(), "a");
    let shown = run(&["show", "a"]).await;
    assert!(shown.stdout.contains("emails") && shown.stdout.contains("running"), "{shown:?}");
    run(&["result", "a"]).await.exit(5);
    let task = worker.task().await;
    assert_eq!(task["input"], json!({"to": "ann"}));
    let shown = run(&["show", "a"]).await;
    assert!(shown.stdout.contains("mailer-1"), "{shown:?}");
    worker.report(&task, json!({"result": {"sent":  1}})).await.expect("recorded");
    assert_eq!(run(&["result", "a", "--wait=30"]).await.exit(0).trim(), r#"{"sent":1}"#);

    run(&[&start[..], &["b"]].concat()).await;
    run(&["cancel", "b", "--reason", "enough"]).await.exit(0);
    run(&["result", "b", "--wait=30"]).await.exit(4);
    run(&[&start[..], &["c"]].concat()).await;
    run(&["terminate", "c"]).await.exit(0);
    let page = run(&["list", "--output", "json"]).await.json().remove(0);
    let statuses: Vec<_> =
        page["activities"].as_array().expect("a list").iter().map(|it| &it["status"]).collect();
    assert_eq!(statuses, ["terminated", "canceled", "completed"]);
    let table = run(&["list", "--status", "canceled"]).await;
    assert!(table.stdout.contains("canceled") && !table.stdout.contains("terminated"), "{table:?}");
    let start_and_wait = ["start", "send", "--queue", QUEUE, "--wait=30"];
    let make = async { worker.echo(&worker.task().await).await.expect("recorded") };
    let (waited, ()) = futures::join!(run(&start_and_wait), make);
    assert_eq!(waited.exit(0).trim(), "null");
}
