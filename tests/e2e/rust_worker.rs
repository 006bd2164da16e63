//! The library for workers in Rust, against real servers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dacapo_tests::{Client, Database, Server, Settings, on_both_databases};
use dacapo_worker::{
    ActivityContext, CancellationToken, Connection, Failure, Worker, WorkerBuilder, WorkerError,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

on_both_databases! {
    steps_are_made_by_a_worker,
    a_worker_outlives_its_server,
    another_worker_goes_on_where_a_dead_one_was,
    a_failure_comes_through_in_full_and_is_retried_as_it_says,
    a_canceled_workflow_ends_the_function,
    results_that_are_too_large_fail_the_activity,
}

const QUEUE: &str = "rust";

/// After which tests do not wait long.
const LEASE: Duration = Duration::from_secs(1);

async fn steps(database: &Database) -> (Server, Client) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    (server, client)
}

fn worker(server: &Server) -> WorkerBuilder {
    let connection = Connection::new(&server.url()).expect("an address");
    Worker::builder(connection, QUEUE).lease(LEASE)
}

/// A worker that runs.
struct Runs {
    stop: CancellationToken,
    ended: JoinHandle<Result<(), WorkerError>>,
}

impl Runs {
    fn start(builder: WorkerBuilder) -> Self {
        let stop = CancellationToken::new();
        let worker = builder.build().expect("a worker");
        let ended = tokio::spawn(worker.run(stop.clone()));
        Self { stop, ended }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended.await.expect("no panic").expect("it worked");
    }

    /// Nobody hears of it any more.
    fn die(self) {
        self.ended.abort();
    }
}

fn options(more: Value) -> Value {
    let mut options = json!({"initial_interval_millis": 10, "task_queue": QUEUE});
    options
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().cloned().unwrap_or_default());
    options
}

async fn steps_are_made_by_a_worker(database: Database) {
    let (server, client) = steps(&database).await;
    let double = |_: ActivityContext, number: u64| async move { Ok(number * 2) };
    let worker = Runs::start(worker(&server).activity("step", double).concurrency(7));
    let expected: Vec<u64> = (0..40).map(|number| number * 2).collect();
    for workflow in ["remote_sequential", "remote_fan_out"] {
        let run = client.start(workflow, json!({"queue": QUEUE, "steps": 40})).await;
        assert_eq!(run.completed().await, json!(expected), "{workflow}");
    }
    worker.stop().await;
}

async fn a_worker_outlives_its_server(database: Database) {
    let (server, client) = steps(&database).await;
    let address = server.address().to_string();
    let (began, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let made = Arc::new(Mutex::new(HashSet::new()));
    let step = {
        let (began, go_on, made) = (Arc::clone(&began), Arc::clone(&go_on), Arc::clone(&made));
        move |context: ActivityContext, number: u64| {
            let (began, go_on, made) = (Arc::clone(&began), Arc::clone(&go_on), Arc::clone(&made));
            async move {
                if number == 3 {
                    began.add_permits(1);
                    go_on.acquire().await?.forget();
                }
                made.lock().expect("nobody panics").insert(context.info().idempotency_key());
                Ok(number)
            }
        }
    };
    // Longer than the server is away.
    let builder = worker(&server).lease(Duration::from_secs(60)).activity("step", step);
    let worker = Runs::start(builder);
    let run = client.start("remote_sequential", json!({"queue": QUEUE, "steps": 6})).await;
    began.acquire().await.expect("it is open").forget();
    server.kill().await;
    go_on.add_permits(1);
    let settings = Settings::new(&database).environment("DACAPO_LISTEN", &address);
    let server = settings.start().await;
    assert_eq!(run.on(&server).completed().await, json!([0, 1, 2, 3, 4, 5]));
    assert_eq!(made.lock().expect("nobody panics").len(), 6, "one key for each step");
    worker.stop().await;
}

async fn another_worker_goes_on_where_a_dead_one_was(database: Database) {
    let (server, client) = steps(&database).await;
    let said = Arc::new(Semaphore::new(0));
    let says = Arc::clone(&said);
    let hang = move |context: ActivityContext, (): ()| {
        let says = Arc::clone(&says);
        async move {
            context.heartbeat(&json!({"row": 41}))?;
            // It outlives its lease: the server has heard of it.
            tokio::time::sleep(LEASE * 2).await;
            says.add_permits(1);
            std::future::pending::<()>().await;
            Ok(())
        }
    };
    let first = Runs::start(worker(&server).activity("work", hang));
    let input = json!({"activity": "work", "input": null, "options": options(json!({}))});
    let run = client.start("call", input).await;
    said.acquire().await.expect("it is open").forget();
    first.die();
    let goes_on = |context: ActivityContext, (): ()| async move {
        let failed_with = context.info().last_failure.as_ref().map(|it| it.info.kind);
        let details = context.heartbeat_details::<Value>()?;
        Ok(json!([context.info().attempt, details, format!("{failed_with:?}")]))
    };
    let second = Runs::start(worker(&server).activity("work", goes_on));
    assert_eq!(run.completed().await, json!([2, {"row": 41}, "Some(Timeout)"]));
    second.stop().await;
}

async fn a_failure_comes_through_in_full_and_is_retried_as_it_says(database: Database) {
    let (server, client) = steps(&database).await;
    let fails = |context: ActivityContext, (): ()| async move {
        match context.info().attempt {
            1 => Err::<(), _>(Failure::new("Busy", "later").retry_after(Duration::from_millis(1))),
            _ => Err(Failure::new("Declined", "no")
                .non_retryable()
                .with_details(&json!({"limit": 10}))
                .caused_by(Failure::new("Bank", "closed"))),
        }
    };
    let worker = Runs::start(worker(&server).activity("work", fails));
    let slowly = options(json!({"initial_interval_millis": 600_000}));
    let input = json!({"activity": "work", "input": null, "options": slowly});
    let failure = client.start("call", input).await.failed().await;
    let causes = failure["causes"].as_array().expect("causes");
    let declined = causes.iter().find(|it| it["type"] == "Declined").expect("the failure");
    assert_eq!(declined["details"], json!({"limit": 10}), "{failure}");
    assert!(causes.iter().any(|cause| cause["type"] == "Bank"), "{failure}");
    worker.stop().await;
}

async fn a_canceled_workflow_ends_the_function(database: Database) {
    let (server, client) = steps(&database).await;
    let began = Arc::new(Semaphore::new(0));
    let begins = Arc::clone(&began);
    let waits = move |context: ActivityContext, (): ()| {
        let begins = Arc::clone(&begins);
        async move {
            begins.add_permits(1);
            context.cancelled().await;
            Err::<(), _>(Failure::cancelled("cleaned up"))
        }
    };
    let worker = Runs::start(worker(&server).activity("work", waits));
    let options = options(json!({"cancellation": "wait", "grace_millis": 60_000}));
    let input = json!({"activity": "work", "input": null, "options": options});
    let run = client.start("call", input).await;
    began.acquire().await.expect("it is open").forget();
    run.act("cancel", &json!({"reason": "enough"})).await;
    let result = run.result().await;
    assert_eq!(result["status"], "canceled", "{result}");
    worker.stop().await;
}

async fn results_that_are_too_large_fail_the_activity(database: Database) {
    let (server, client) = steps(&database).await;
    let large = |_: ActivityContext, bytes: usize| async move { Ok("x".repeat(bytes)) };
    let worker = Runs::start(worker(&server).activity("work", large));
    // One that is too large for a payload, and one that is too large for a request.
    for bytes in [5_000_000, 20_000_000] {
        let input = json!({"activity": "work", "input": bytes, "options": options(json!({}))});
        let failure = client.start("call", input).await.failed().await;
        let causes = failure["causes"].as_array().expect("causes");
        assert!(causes.iter().any(|it| it["type"] == "ResultRefused"), "{bytes}: {failure}");
    }
    worker.stop().await;
}
