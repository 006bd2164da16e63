//! A worker against a server that does as the test says.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use dacapo_worker::{
    ActivityContext, CancellationToken, Failure, Payload, Worker, WorkerBuilder, WorkerError,
};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use self::support::{Fault, Server, task};

const SHORT: Duration = Duration::from_millis(50);

/// A worker that runs.
struct Runs {
    stop: CancellationToken,
    ended: JoinHandle<Result<(), WorkerError>>,
}

impl Runs {
    fn start(builder: WorkerBuilder) -> Self {
        let worker = builder.build().expect("a worker");
        let stop = CancellationToken::new();
        let ended = tokio::spawn(worker.run(stop.clone()));
        Self { stop, ended }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended.await.expect("no panic").expect("it worked");
    }
}

async fn double(_: ActivityContext, number: u64) -> Result<u64, Failure> {
    Ok(number * 2)
}

/// Waits until it is cancelled, and says why.
async fn waits(context: ActivityContext, (): ()) -> Result<(), Failure> {
    context.cancelled().await;
    Err(Failure::cancelled(format!("{:?}", context.cancel_reason())))
}

#[tokio::test]
async fn a_task_is_run_and_its_result_reported() {
    let (server, connection) = Server::start().await;
    let connection = connection.bearer_token("secret").expect("a token");
    server.give([task("a", "double", json!(21), 30.0)]);
    let worker = Worker::builder(connection, "numbers").activity("double", double);
    let worker = Runs::start(worker.identity("me").build_id("v1").concurrency(3));
    assert_eq!(server.report("a").await, json!({"token": "a", "result": 42}));
    let poll = server.seen().polls[0].clone();
    let expected = json!({
        "identity": "me", "build_id": "v1", "activity_types": ["double"], "max_tasks": 3,
        "wait_seconds": 20.0, "lease_seconds": 30.0,
    });
    assert_eq!(poll, expected);
    assert_eq!(server.seen().authorization.as_deref(), Some("Bearer secret"));
    worker.stop().await;
}

#[tokio::test]
async fn a_function_knows_its_task() {
    let (server, connection) = Server::start().await;
    let mut second = task("a", "look", json!(null), 30.0);
    second["attempt"] = json!(2);
    second["heartbeat_details"] = json!({"row": 9});
    second["last_failure"] = json!({"kind": "timeout", "type": "Heartbeat", "message": "silent"});
    server.give([second]);
    let look = async |context: ActivityContext| {
        let info = context.info();
        let failed_with = info.last_failure.as_ref().map(|failure| failure.info.type_name.clone());
        let details: Option<serde_json::Value> = context.heartbeat_details()?;
        let known = json!({
            "key": info.idempotency_key(), "attempt": info.attempt, "failed_with": failed_with,
            "details": details, "trace": info.trace_context, "queue": info.task_queue,
        });
        Ok::<_, Failure>(known)
    };
    let look = move |context, (): ()| async move { look(context).await };
    let worker = Runs::start(Worker::builder(connection, "q").activity("look", look));
    let expected = json!({
        "key": "r-7", "attempt": 2, "failed_with": "Heartbeat", "details": {"row": 9},
        "trace": {"traceparent": "00-1-2-01"}, "queue": "q",
    });
    assert_eq!(server.report("a").await["result"], expected);
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_never_asks_for_more_than_it_has_room_for() {
    let (server, connection) = Server::start().await;
    let (room, most) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let running = Arc::new(AtomicUsize::new(0));
    let (wait, top) = (Arc::clone(&room), Arc::clone(&most));
    let began = Arc::new(Semaphore::new(0));
    let begins = Arc::clone(&began);
    let hold = move |_: ActivityContext, (): ()| {
        let (room, most, running) = (Arc::clone(&wait), Arc::clone(&top), Arc::clone(&running));
        begins.add_permits(1);
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            room.acquire().await.expect("it is open").forget();
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    };
    server.give((0..6).map(|number| task(&number.to_string(), "hold", json!(null), 30.0)));
    let worker = Worker::builder(connection, "q").activity("hold", hold).concurrency(2);
    let worker = Runs::start(worker);
    began.acquire_many(2).await.expect("it is open").forget();
    assert_eq!(server.seen().tasks.len(), 4);
    room.add_permits(1);
    server.wait_for(|seen| seen.reports.len() == 1 && seen.tasks.len() == 3).await;
    room.add_permits(5);
    server.wait_for(|seen| seen.reports.len() == 6).await;
    assert_eq!(most.load(Ordering::SeqCst), 2);
    let asked: Vec<_> = server.seen().polls.iter().map(|poll| poll["max_tasks"].clone()).collect();
    assert_eq!(asked[..2], [json!(2), json!(1)]);
    worker.stop().await;
}

#[tokio::test]
async fn one_request_prolongs_the_leases_of_all_tasks() {
    let (server, connection) = Server::start().await;
    server.give((0..3).map(|number| task(&number.to_string(), "waits", json!(null), 1.0)));
    let worker = Worker::builder(connection, "q").activity("waits", waits);
    let worker = Runs::start(worker.shutdown_grace(SHORT));
    // Longer than the leases would be.
    server.wait_for(|seen| seen.heartbeats.len() >= 6).await;
    assert!(server.seen().heartbeats.iter().all(|request| request.len() == 3));
    assert_eq!(server.seen().reports, Vec::<serde_json::Value>::new());
    worker.stop().await;
}

#[tokio::test]
async fn what_a_heartbeat_says_is_sent_before_the_failure() {
    let (server, connection) = Server::start().await;
    server.give([task("a", "rows", json!(null), 30.0)]);
    let rows = |context: ActivityContext, (): ()| async move {
        (1..=1_000).try_for_each(|row| context.heartbeat(&row))?;
        Err::<(), _>(Failure::new("Broken", "at row 1000"))
    };
    let worker = Runs::start(Worker::builder(connection, "q").activity("rows", rows));
    let report = server.report("a").await;
    assert_eq!(report["failure"]["type"], "Broken");
    let said = server.seen().heartbeats.concat();
    assert_eq!(said.last().expect("a heartbeat")["details"], 1_000);
    worker.stop().await;
}

#[tokio::test]
async fn details_that_the_server_does_not_take_cost_no_lease() {
    let (server, connection) = Server::start().await;
    server.fail_next("/heartbeats", Fault::Refused(StatusCode::BAD_REQUEST, "invalid_argument"));
    server.give([task("a", "says", json!(null), 1.0)]);
    let says = |context: ActivityContext, (): ()| async move {
        context.heartbeat("odd")?;
        context.cancelled().await;
        Ok(())
    };
    let worker = Worker::builder(connection, "q").activity("says", says);
    let worker = Runs::start(worker.shutdown_grace(SHORT));
    server.wait_for(|seen| seen.heartbeats.len() >= 4).await;
    assert!(server.seen().heartbeats.concat().iter().all(|said| said.get("details").is_none()));
    worker.stop().await;
}

/// Tells when it is dropped.
struct Dropped(CancellationToken);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[tokio::test]
async fn a_lost_lease_drops_the_function_and_throws_its_outcome_away() {
    let (server, connection) = Server::start().await;
    let lost = json!({"held": false, "error": {"code": "lease_lost", "message": "over"}});
    server.change(|seen| seen.heard = Some(lost));
    server.give([task("a", "hold", json!(null), 1.0)]);
    let dropped = CancellationToken::new();
    let told = dropped.clone();
    let hold = move |_: ActivityContext, (): ()| {
        let guard = Dropped(told.clone());
        async move {
            std::future::pending::<()>().await;
            drop(guard);
            Ok(())
        }
    };
    let worker = Worker::builder(connection, "q").activity("hold", hold);
    let worker = Runs::start(worker.activity("double", double).concurrency(1));
    dropped.cancelled().await;
    server.give([task("b", "double", json!(1), 30.0)]);
    assert_eq!(server.report("b").await["result"], 2, "its room is free");
    assert_eq!(server.seen().reports.len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_lease_is_lost_if_the_server_does_not_answer() {
    let (server, connection) = Server::start().await;
    for _ in 0..50 {
        server.fail_next("/heartbeats", Fault::Refused(StatusCode::SERVICE_UNAVAILABLE, "x"));
    }
    server.give([task("a", "hold", json!(null), 1.0)]);
    let dropped = CancellationToken::new();
    let told = dropped.clone();
    let hold = move |context: ActivityContext, (): ()| {
        let (guard, ended) = (Dropped(told.clone()), context.cancellation_token());
        async move {
            std::future::pending::<()>().await;
            drop((guard, ended));
            Ok(())
        }
    };
    let worker = Runs::start(Worker::builder(connection, "q").activity("hold", hold));
    dropped.cancelled().await;
    worker.stop().await;
    assert!(server.seen().reports.is_empty());
}

#[tokio::test]
async fn a_request_to_cancel_reaches_the_function() {
    let (server, connection) = Server::start().await;
    let cancel = json!({"held": true, "cancel_requested": true, "paused": false});
    server.change(|seen| seen.heard = Some(cancel));
    server.give([task("a", "waits", json!(null), 1.0)]);
    let worker = Runs::start(Worker::builder(connection, "q").activity("waits", waits));
    let expected = json!({"token": "a", "canceled": {"message": "Some(Requested)"}});
    assert_eq!(server.report("a").await, expected);
    worker.stop().await;
}

#[tokio::test]
async fn requests_are_repeated_until_they_are_answered() {
    let (server, connection) = Server::start().await;
    server.fail_next("/poll", Fault::Refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    server.fail_next("/poll", Fault::Refused(StatusCode::TOO_MANY_REQUESTS, "http_429"));
    server.fail_next("/reports", Fault::Cut);
    server.fail_next("/reports", Fault::Refused(StatusCode::SERVICE_UNAVAILABLE, "overloaded"));
    server.give([task("a", "double", json!(4), 30.0)]);
    let worker = Runs::start(Worker::builder(connection, "q").activity("double", double));
    // The first came through, but not its answer.
    server.wait_for(|seen| seen.reports.len() == 2).await;
    let reports = server.seen().reports.clone();
    assert_eq!(reports[0], reports[1]);
    worker.stop().await;
}

#[tokio::test]
async fn a_batch_that_is_refused_is_sent_one_by_one() {
    let (server, connection) = Server::start().await;
    let refused = || Fault::Refused(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large");
    server.fail_next("/reports", refused());
    server.give([task("a", "double", json!(4), 30.0)]);
    let worker = Runs::start(Worker::builder(connection, "q").activity("double", double));
    let failure = server.report("a").await["failure"].clone();
    assert_eq!(failure["type"], "ResultRefused");
    assert_eq!(failure["non_retryable"], true, "it would end in the same way");
    worker.stop().await;
}

#[tokio::test]
async fn a_panic_is_a_failure_and_the_worker_goes_on() {
    let (server, connection) = Server::start().await;
    server.give([task("a", "panics", json!(null), 30.0), task("b", "raw", json!([1]), 30.0)]);
    let panics = |_: ActivityContext, (): ()| async { panic!("out of paper") };
    let panics = move |context, input| async move {
        let () = panics(context, input).await;
        Ok(())
    };
    let raw = |_: ActivityContext, input: Payload| async move {
        assert_eq!(input.bytes(), b"[1]");
        Ok(Payload::new([0xff]))
    };
    let worker = Worker::builder(connection, "q").activity("panics", panics);
    let worker = Runs::start(worker.raw_activity("raw", raw));
    let failure = server.report("a").await["failure"].clone();
    assert_eq!(failure["type"], "Panic");
    assert!(failure["message"].as_str().expect("text").contains("out of paper"));
    assert_eq!(server.report("b").await["result_base64"], "/w==");
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_stops_finishes_what_it_has() {
    let (server, connection) = Server::start().await;
    let room = Arc::new(Semaphore::new(0));
    let wait = Arc::clone(&room);
    let hold = move |_: ActivityContext, (): ()| {
        let room = Arc::clone(&wait);
        async move {
            room.acquire().await.expect("it is open").forget();
            Ok("done")
        }
    };
    server.give([task("a", "hold", json!(null), 30.0)]);
    let worker = Runs::start(Worker::builder(connection, "q").activity("hold", hold));
    server.wait_for(|seen| seen.tasks.is_empty()).await;
    server.wait_for(|seen| seen.polls.len() == 2).await;
    worker.stop.cancel();
    room.add_permits(1);
    worker.stop().await;
    assert_eq!(server.seen().reports, [json!({"token": "a", "result": "done"})]);
    assert_eq!(server.seen().polls.len(), 2, "nobody asked for more");
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cancelled_and_then_dropped() {
    let (server, connection) = Server::start().await;
    let hold = |_: ActivityContext, (): ()| async {
        std::future::pending::<()>().await;
        Ok(())
    };
    server.give([task("a", "waits", json!(null), 30.0), task("b", "hold", json!(null), 30.0)]);
    let worker = Worker::builder(connection, "q").activity("waits", waits).activity("hold", hold);
    let worker = Runs::start(worker.shutdown_grace(SHORT).cancel_grace(SHORT));
    server.wait_for(|seen| seen.polls.len() == 2).await;
    worker.stop().await;
    for token in ["a", "b"] {
        assert_eq!(server.report(token).await["failure"]["type"], "WorkerShutdown");
    }
}

#[tokio::test]
async fn a_first_poll_that_is_refused_ends_the_worker() {
    let (server, connection) = Server::start().await;
    server.fail_next("/poll", Fault::Refused(StatusCode::NOT_FOUND, "namespace_not_found"));
    let worker = Worker::builder(connection, "q").activity("double", double);
    let error = Runs::start(worker).ended.await.expect("no panic").expect_err("refused");
    assert!(error.to_string().contains("namespace_not_found"), "{error}");
}

#[tokio::test]
async fn a_worker_without_functions_or_with_one_twice_is_refused() {
    let (_server, connection) = Server::start().await;
    let none = Worker::builder(connection.clone(), "q").build().expect_err("none");
    assert!(none.to_string().contains("no activity"), "{none}");
    let twice = Worker::builder(connection, "q").activity("x", double).activity("x", double);
    assert!(twice.build().expect_err("twice").to_string().contains("`x`"));
}
