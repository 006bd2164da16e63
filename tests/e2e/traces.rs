//! What a collector of traces gets: a span for each run and each attempt, once, whatever
//! becomes of the server, in the trace of whoever has asked for it.

use std::time::Duration;

use dacapo_tests::{
    Client, CollectedSpan, Collector, Database, Effects, Run, Settings, Worker, WorkerProcess,
    eventually, on_both_databases,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

on_both_databases! {
    a_run_that_fails_its_child_and_their_attempts_are_one_trace,
    each_span_comes_once_although_the_server_was_killed,
    requests_and_tasks_of_attempts_carry_the_trace,
    signals_and_updates_are_spans_of_whoever_sends_them,
    attempts_that_nobody_waits_for_any_more_are_stopped,
    a_run_of_a_schedule_begins_a_trace_that_names_the_schedule,
    a_trace_that_begins_here_is_found_by_the_id_of_its_run,
    what_is_not_sampled_or_not_valid_is_not_collected,
    a_collector_that_does_not_answer_holds_nothing_up,
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

fn settings(database: &Database, collector: &Collector) -> Settings {
    Settings::new(database).environment("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
}

async fn start(client: &Client, traceparent: &str, request: &Value) -> Run {
    let request = client.request(Method::POST, "runs").json(request);
    let started = client.send(request.header("traceparent", traceparent)).await.ok(201);
    let id = |name: &str| started[name].as_str().expect("an id").to_owned();
    client.run(&id("workflow_id"), &id("run_id"))
}

/// The one span of that name.
fn one<'a>(spans: &'a [CollectedSpan], name: &str) -> &'a CollectedSpan {
    let mut its = spans.iter().filter(|span| span.name == name);
    let span = its.next().unwrap_or_else(|| panic!("there is no {name}: {spans:#?}"));
    assert_eq!(its.next(), None, "{name} is there twice");
    span
}

async fn a_run_that_fails_its_child_and_their_attempts_are_one_trace(database: Database) {
    let collector = Collector::open().await;
    let server = settings(&database, &collector).start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let declined = json!({"type": "Declined", "message": "no money"});
    let options = json!({"maximum_attempts": 2, "initial_interval_millis": 1});
    let order = json!({"activity": "fail", "input": declined, "options": options});
    let child = json!({"workflow": "call", "input": order, "workflow_id": "payment"});
    let request = json!({"workflow": "family", "workflow_id": "order", "input": child});
    let run = start(&client, &traceparent("01"), &request).await;
    let told = run.completed().await;
    assert!(told.to_string().contains("Declined"), "{told}");
    let event = &run.history().await[0];
    assert_eq!(event["attributes"]["options"]["traceparent"], traceparent("01"), "{event}");

    let spans = collector.trace(TRACE, 4).await;
    assert_eq!(spans.len(), 4, "{spans:#?}");
    let order = one(&spans, "run family");
    assert_eq!((order.parent.as_str(), &order.error), (PARENT, &None));
    assert_eq!(order.get("dacapo.workflow_id"), Some("order"));
    assert_eq!(order.get("dacapo.run_id"), Some(run.run_id.as_str()));
    assert_eq!(order.get("dacapo.namespace"), Some("default"));
    assert_eq!(order.get("dacapo.status"), Some("completed"));
    let payment = one(&spans, "run call");
    assert_eq!(
        (&payment.parent, payment.get("dacapo.workflow_id")),
        (&order.span_id, Some("payment"))
    );
    assert_eq!(payment.get("dacapo.status"), Some("failed"));
    assert!(payment.error.is_some() && payment.nanos > 0, "{payment:?}");
    let attempts: Vec<_> = spans.iter().filter(|span| span.name == "activity fail").collect();
    for (number, attempt) in (1..).zip(attempts) {
        assert_eq!((&attempt.parent, attempt.attempt()), (&payment.span_id, Some(number)));
        assert_eq!(attempt.error.as_deref(), Some("no money"));
        assert_eq!(attempt.get("error.type"), Some("Declined"));
        assert!(attempt.nanos <= payment.nanos, "{attempt:?}");
    }
}

async fn each_span_comes_once_although_the_server_was_killed(database: Database) {
    let (collector, effects) = (Collector::open().await, Effects::open().await);
    let server = settings(&database, &collector).start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    for held in ["second", "retried"] {
        effects.hold(held);
    }
    let input = json!({"url": effects.url(), "pause_millis": 1});
    let run =
        start(&client, &traceparent("01"), &json!({"workflow": "effects", "input": input})).await;
    effects.arrived("second").await;
    // The first attempt has ended, and the second is under way.
    collector.trace(TRACE, 1).await;
    server.kill().await;

    let server = settings(&database, &collector).start().await;
    effects.release("second");
    effects.arrived("retried").await;
    collector.trace(TRACE, 5).await;
    server.kill().await;

    let server = settings(&database, &collector).start().await;
    effects.release("retried");
    run.on(&server).completed().await;
    server.stop().await;
    let spans = collector.spans(TRACE);
    let mut ids: Vec<_> = spans.iter().map(|span| &span.span_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), spans.len()), (8, 8), "7 attempts and the run, each once: {spans:#?}");
    let run = one(&spans, "run effects");
    let failed: Vec<_> = spans.iter().filter(|span| span.error.is_some()).collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!((&failed[0].parent, failed[0].attempt()), (&run.span_id, Some(1)));
}

async fn requests_and_tasks_of_attempts_carry_the_trace(database: Database) {
    let collector = Collector::open().await;
    let server = settings(&database, &collector).start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let post = json!({"url": format!("{}/shop", collector.url()), "effect": "paid"});
    let input = json!({"activity": "post", "input": post});
    let request = json!({"workflow": "call", "input": input});
    start(&client, &traceparent("01"), &request).await.completed().await;
    let attempt = one(&collector.trace(TRACE, 2).await, "activity post").clone();
    let expected = format!("00-{TRACE}-{}-01", attempt.span_id);
    let requests = collector.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0]["traceparent"], expected);

    // The same of `dacapo worker`, in another process.
    let _worker = WorkerProcess::start(&server, "modules", "steps", &[]).await;
    let trace = "3".repeat(32);
    let post = json!({"url": format!("{}/shop", collector.url()), "effect": "paid"});
    let input = json!({"activity": "post", "input": post, "options": {"task_queue": "modules"}});
    let request = json!({"workflow": "call", "input": input});
    start(&client, &format!("00-{trace}-{PARENT}-01"), &request).await.completed().await;
    let attempt = one(&collector.trace(&trace, 2).await, "activity post").clone();
    let sent = collector.requests().pop().expect("a request");
    assert_eq!(sent["traceparent"], format!("00-{trace}-{}-01", attempt.span_id));

    // A task that waits for its worker, and one that a worker waits for.
    let worker = Worker::new(client.clone(), "remote", "one");
    let input = json!({"queue": "remote", "steps": 1, "options": {}});
    for waits_first in [true, false] {
        let trace = if waits_first { "1".repeat(32) } else { "2".repeat(32) };
        let parent = format!("00-{trace}-{PARENT}-01");
        let request = json!({"workflow": "remote_fan_out", "input": input});
        let (task, run) = match waits_first {
            true => {
                let run = start(&client, &parent, &request).await;
                (worker.task().await, run)
            }
            false => tokio::join!(worker.task(), start(&client, &parent, &request)),
        };
        let carried = task["trace_context"]["traceparent"].as_str().expect("it carries one");
        worker.echo(&task).await.expect("recorded");
        run.completed().await;
        let spans = collector.trace(&trace, 2).await;
        let attempt = spans.iter().find(|span| span.get("dacapo.task_queue") == Some("remote"));
        let attempt = attempt.expect("the attempt of the worker");
        assert_eq!(carried, format!("00-{trace}-{}-01", attempt.span_id));
        assert_eq!(attempt.get("dacapo.outcome"), Some("completed"));
    }
}

async fn signals_and_updates_are_spans_of_whoever_sends_them(database: Database) {
    let collector = Collector::open().await;
    let server = settings(&database, &collector).start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    client.start_with(&json!({"workflow": "linger", "workflow_id": "waits"})).await;
    let send = async |path: &str, body: Value| {
        let request = client.request(Method::POST, path).json(&body);
        client.send(request.header("traceparent", traceparent("01"))).await
    };
    let signal = json!({"input": 1, "request_id": "the-same"});
    send("runs/waits/signals/other", signal.clone()).await.ok(202);
    send("runs/waits/signals/other", signal).await.ok(202);
    send("runs/waits/signals/go", json!({"input": 1})).await.ok(202);
    client.start_with(&json!({"workflow": "cart", "workflow_id": "cart", "input": {}})).await;
    let update = json!({"input": "lamp", "update_id": "the-same"});
    send("runs/cart/updates/add", update.clone()).await.ok(200);
    send("runs/cart/updates/add", update).await.ok(200);
    let spans = collector.trace(TRACE, 3).await;
    assert_eq!(spans.len(), 3, "a repeat is none: {spans:#?}");
    for (name, to) in [("signal go", "waits"), ("signal other", "waits"), ("update add", "cart")] {
        let span = one(&spans, name);
        assert_eq!((span.parent.as_str(), span.get("dacapo.workflow_id")), (PARENT, Some(to)));
    }
}

async fn attempts_that_nobody_waits_for_any_more_are_stopped(database: Database) {
    let (collector, effects) = (Collector::open().await, Effects::open().await);
    let server = settings(&database, &collector).start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    effects.hold("held");
    let post = json!({"url": effects.url(), "effect": "held"});
    let here = json!({"workflow": "call", "input": {"activity": "post", "input": post}});
    let remote = json!({"queue": "q", "steps": 1, "options": {}});
    let there = json!({"workflow": "remote_sequential", "input": remote});
    let here = start(&client, &traceparent("01"), &here).await;
    effects.arrived("held").await;
    let there = start(&client, &traceparent("01"), &there).await;
    let task = Worker::new(client.clone(), "q", "one").task().await;
    assert_eq!(task["run_id"], there.run_id.as_str());
    for run in [&here, &there] {
        run.act("terminate", &json!({"reason": "no more"})).await.ok(200);
    }
    let spans = collector.trace(TRACE, 4).await;
    assert_eq!(spans.len(), 4, "{spans:#?}");
    for (run, attempt) in
        [("run call", "activity post"), ("run remote_sequential", "activity step")]
    {
        let (run, attempt) = (one(&spans, run), one(&spans, attempt));
        assert_eq!(
            (run.error.as_deref(), run.get("dacapo.status")),
            (Some("no more"), Some("terminated"))
        );
        assert_eq!(
            (&attempt.parent, attempt.get("dacapo.outcome")),
            (&run.span_id, Some("stopped"))
        );
    }
}

async fn a_run_of_a_schedule_begins_a_trace_that_names_the_schedule(database: Database) {
    let collector = Collector::open().await;
    let settings = settings(&database, &collector).argument("--trace-sample-ratio=1");
    let server = settings.start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let action = json!({"workflow": "family", "input": {"workflow": "square", "input": 3}});
    let schedule = json!({"schedule_id": "s", "paused": true, "action": action});
    let request = client.request(Method::POST, "schedules").json(&schedule);
    let request = request.header("traceparent", traceparent("01"));
    client.send(request).await.ok(201);
    let schedule = client.get("schedules/s").await.ok(200);
    client.post("schedules/s/trigger", &json!({})).await.ok(200);
    let run_id = eventually("the run is listed", async || {
        let runs = client.get("runs?workflow_type=family").await.ok(200)["runs"].clone();
        runs[0]["run_id"].as_str().map(str::to_owned)
    })
    .await;
    let spans = collector.trace(&run_id.replace('-', ""), 2).await;
    let run = one(&spans, "run family");
    assert_eq!((run.parent.as_str(), run.links.len()), ("", 1), "{run:?}");
    let of_schedule = schedule["run_id"].as_str().expect("a run").replace('-', "");
    assert_eq!(run.links[0].0, of_schedule);
    assert_eq!(one(&spans, "run square").parent, run.span_id);
    assert!(collector.spans(TRACE).is_empty(), "what makes a schedule is long over");
}

async fn a_trace_that_begins_here_is_found_by_the_id_of_its_run(database: Database) {
    let collector = Collector::open().await;
    let settings = settings(&database, &collector).argument("--trace-sample-ratio=1");
    let server = settings.environment("DACAPO_LOG_FORMAT", "json").start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let run = client.start("continue_n", json!({"remaining": 1})).await;
    assert_eq!(run.last_result().await["result"], 1);
    let trace_id = run.run_id.replace('-', "");
    let spans = collector.trace(&trace_id, 2).await;
    let first = one(&spans, "run continue_n");
    assert_eq!((first.parent.as_str(), first.get("dacapo.status")), ("", Some("continued_as_new")));
    let next = run.result().await["new_run_id"].as_str().expect("a run").replace('-', "");
    let next = collector.trace(&next, 1).await;
    let next = one(&next, "run continue_n");
    assert_eq!(next.links, [(trace_id.clone(), first.span_id.clone())], "it follows the first");

    let parent = client.start("family", json!({"workflow": "square", "input": 2})).await;
    parent.completed().await;
    let spans = collector.trace(&parent.run_id.replace('-', ""), 2).await;
    assert_eq!(one(&spans, "run square").parent, one(&spans, "run family").span_id);

    let line = eventually("the end is logged", async || {
        let log = server.log();
        log.lines()
            .find(|line| line.contains("run closed") && line.contains(&trace_id))
            .map(str::to_owned)
    })
    .await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&line["trace_id"], &line["run_id"]), (&json!(trace_id), &json!(run.run_id)));
    server.stop().await;
    assert!(
        collector.metrics().iter().any(|name| name.starts_with("otel.sdk")),
        "{:?}",
        collector.metrics()
    );
}

async fn what_is_not_sampled_or_not_valid_is_not_collected(database: Database) {
    let collector = Collector::open().await;
    let settings = settings(&database, &collector).argument("--trace-sample-ratio=0");
    let server = settings.start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let post = json!({"url": format!("{}/shop", collector.url()), "effect": "paid"});
    let input = json!({"activity": "post", "input": post});
    let request = json!({"workflow": "call", "input": input});
    start(&client, &traceparent("00"), &request).await.completed().await;
    let run = start(&client, "00-nonsense", &request).await;
    run.completed().await;
    let started = &run.history().await[0]["attributes"];
    assert_eq!(started["options"]["traceparent"], Value::Null, "{started}");
    // What is asked next knows that nobody collects it.
    let carried: Vec<_> = collector.requests();
    let carried: Vec<_> =
        carried.iter().map(|it| it["traceparent"].to_str().expect("text")).collect();
    assert!(carried.iter().all(|it| it.ends_with("-00")), "{carried:?}");
    assert!(carried[0].contains(TRACE), "{carried:?}");
    // It sends all that it has.
    server.stop().await;
    assert!(collector.is_empty(), "{} spans", collector.len());
}

async fn a_collector_that_does_not_answer_holds_nothing_up(database: Database) {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("an address");
    let server = Settings::new(&database)
        .argument("--otlp-endpoint")
        .argument(&format!("http://{address}"))
        .argument("--trace-sample-ratio=1")
        .start()
        .await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let run = client.start("sequential", json!({"steps": 20})).await;
    assert_eq!(run.completed().await, 20);
    let (_connection, _) = silent.accept().await.expect("the server tries");
    let stopped = tokio::time::timeout(Duration::from_secs(15), server.stop()).await;
    assert_eq!(stopped, Ok(()), "it waits for no answer");
}
