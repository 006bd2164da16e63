//! Signals: once each, in order, whatever becomes of the run and its server.

use std::collections::BTreeMap;

use dacapo_tests::{
    Client, Database, Run, Server, Settings, event_types, eventually, on_both_databases,
};
use futures::future::join_all;
use serde_json::{Value, json};

on_both_databases! {
    signals_are_taken_in_order_and_shown_in_the_history,
    a_repeated_request_is_recorded_once_also_after_a_crash_and_after_the_end,
    signals_wake_runs_that_have_left_memory,
    many_signals_at_once_all_arrive,
    concurrent_starts_with_a_signal_make_one_run_that_gets_them_all,
    a_run_that_continues_as_new_under_constant_fire_loses_and_doubles_no_signal,
    a_killed_server_loses_no_signal_of_a_run_that_continues_as_new,
    a_crash_before_or_after_any_commit_neither_loses_nor_doubles_a_signal,
    signals_are_refused_where_nobody_can_get_them,
}

/// The name that the guests wait for.
const WORD: &str = "word";

async fn server(database: &Database) -> (Server, Client) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    (server, client)
}

async fn await_signals(client: &Client, count: usize, pause_millis: u64) -> Run {
    client.start("await_signals", json!({"count": count, "pause_millis": pause_millis})).await
}

fn numbers(count: usize) -> Vec<Value> {
    (0..count).map(Value::from).collect()
}

/// Sends a signal with this number as its request id, and says whether that was
/// acknowledged. The latest run of the workflow id gets it.
async fn signal(client: &Client, workflow_id: &str, number: &Value) -> bool {
    let path = format!("runs/{workflow_id}/signals/{WORD}");
    let body = json!({"input": number, "request_id": format!("signal-{number}")});
    let request = client.request(reqwest::Method::POST, &path).json(&body);
    match client.try_send(request).await {
        Ok(answer) if answer.status == 503 => false,
        Ok(answer) => {
            answer.ok(202);
            true
        }
        Err(_no_answer) => false,
    }
}

/// The result of the last of the runs that continue one another.
async fn last_result(client: &Client, workflow_id: &str) -> Vec<Value> {
    let path = format!("runs/{workflow_id}/result?wait=30");
    eventually("the last run closes", async || {
        let answer = client.get(&path).await.json();
        match answer["status"].as_str() {
            Some("completed") => answer["result"].as_array().cloned(),
            Some("running" | "continued_as_new") => None,
            _ => panic!("{answer}"),
        }
    })
    .await
}

fn sorted(mut numbers: Vec<Value>) -> Vec<Value> {
    numbers.sort_by_key(Value::as_u64);
    numbers
}

/// What the signals of a history say.
fn signals_of(history: &[Value]) -> Vec<Value> {
    let signaled = |event: &&Value| event["event_type"] == "WorkflowExecutionSignaled";
    history.iter().filter(signaled).map(|event| event["attributes"]["input"].clone()).collect()
}

async fn signals_are_taken_in_order_and_shown_in_the_history(database: Database) {
    let (_server, client) = server(&database).await;
    let run = await_signals(&client, 3, 0).await;
    let mut live = run.follow(None).await;
    for (name, number) in [("other", 7), (WORD, 0), (WORD, 1), (WORD, 2)] {
        let answer = run.act(&format!("signals/{name}"), &json!({"input": number})).await.ok(202);
        assert_eq!(answer["run_id"], run.run_id.as_str());
    }
    assert_eq!(run.completed().await, json!([0, 1, 2]));
    let history = run.history().await;
    assert_eq!(signals_of(&history), [7, 0, 1, 2]);
    let signaled = live.until("WorkflowExecutionSignaled").await;
    assert_eq!(&signaled, history.iter().find(|event| event["event_id"] == 2).expect("event 2"));
    assert_eq!(signaled["attributes"]["signal_name"], "other");
}

async fn a_repeated_request_is_recorded_once_also_after_a_crash_and_after_the_end(
    database: Database,
) {
    let (first, client) = server(&database).await;
    let run = await_signals(&client, 10, 500).await;
    for number in numbers(5) {
        assert!(signal(&client, &run.workflow_id, &number).await);
    }
    first.kill().await;

    let second = Server::start(&database).await;
    let (client, run) = (second.client(), run.on(&second));
    for number in numbers(10) {
        assert!(signal(&client, &run.workflow_id, &number).await);
    }
    assert_eq!(run.completed().await, json!(numbers(10)));
    assert!(signal(&client, &run.workflow_id, &json!(9)).await, "it has had that one");
    assert_eq!(signals_of(&run.history().await), numbers(10));
}

async fn signals_wake_runs_that_have_left_memory(database: Database) {
    // More than there is room for, and none of them stays.
    const RUNS: usize = 120;
    let settings = Settings::new(&database).argument("--idle-timeout").argument("10ms");
    let server = settings.start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let runs = join_all((0..RUNS).map(|_| await_signals(&client, 2, 0))).await;
    for number in numbers(2) {
        for run in &runs {
            assert!(signal(&client, &run.workflow_id, &number).await);
        }
    }
    for run in runs {
        assert_eq!(run.completed().await, json!([0, 1]));
    }
}

async fn many_signals_at_once_all_arrive(database: Database) {
    const SIGNALS: usize = 1_000;
    let (_server, client) = server(&database).await;
    let run = await_signals(&client, SIGNALS, 0).await;
    let numbers = numbers(SIGNALS);
    let sent = numbers.iter().map(|number| signal(&client, &run.workflow_id, number));
    assert!(join_all(sent).await.into_iter().all(|acknowledged| acknowledged));
    let taken = run.completed().await.as_array().cloned().expect("a list");
    assert_eq!(sorted(taken), numbers);
}

async fn concurrent_starts_with_a_signal_make_one_run_that_gets_them_all(database: Database) {
    const STARTS: usize = 100;
    let (_server, client) = server(&database).await;
    let starts = numbers(STARTS).into_iter().map(|number| {
        let request = json!({
            "workflow": "await_signals",
            "workflow_id": "one",
            "input": {"count": STARTS},
            "signal": {"name": WORD, "input": number},
        });
        let client = client.clone();
        async move { client.post("runs", &request).await }
    });
    let answers = join_all(starts).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201)), "{answers:?}");
    assert_eq!(sorted(last_result(&client, "one").await), numbers(STARTS));
    let run_id = answers[0].json()["run_id"].as_str().expect("a run").to_owned();
    let history = client.run("one", &run_id).history().await;
    assert_eq!(
        event_types(&history)[..2],
        ["WorkflowExecutionStarted", "WorkflowExecutionSignaled"]
    );
    assert_eq!(history[0]["attributes"]["initial_signals"], 1, "they were one commit");
}

async fn relay(client: &Client, count: usize) {
    let request = json!({
        "workflow": "relay_signals",
        "workflow_id": "relay",
        "input": {"count": count, "per_run": 3},
    });
    client.start_with(&request).await;
}

async fn a_run_that_continues_as_new_under_constant_fire_loses_and_doubles_no_signal(
    database: Database,
) {
    const SENDERS: usize = 8;
    const EACH: usize = 25;
    let (_server, client) = server(&database).await;
    relay(&client, SENDERS * EACH).await;
    let all = numbers(SENDERS * EACH);
    let fire = all.chunks(EACH).map(|numbers| {
        let client = client.clone();
        async move {
            for number in numbers {
                assert!(signal(&client, "relay", number).await);
            }
        }
    });
    join_all(fire).await;
    let taken = last_result(&client, "relay").await;
    for numbers in all.chunks(EACH) {
        let of_one: Vec<_> = taken.iter().filter(|it| numbers.contains(it)).cloned().collect();
        assert_eq!(of_one, numbers, "what one sender sends arrives in its order");
    }
    assert_eq!(sorted(taken), all);
    let runs = client.get("runs?workflow_id=relay&limit=1000").await.ok(200);
    let runs = runs["runs"].as_array().expect("a list").len();
    assert!(runs > SENDERS * EACH / 3, "{runs} runs");
}

async fn a_killed_server_loses_no_signal_of_a_run_that_continues_as_new(database: Database) {
    const SIGNALS: usize = 60;
    const KILL_EVERY: usize = 12;
    let (mut server, mut client) = server(&database).await;
    relay(&client, SIGNALS).await;
    for number in numbers(SIGNALS) {
        let at = number.as_u64().and_then(|number| usize::try_from(number).ok()).expect("small");
        if at % KILL_EVERY == KILL_EVERY / 2 {
            // Between signals: each has been acknowledged, and none is sent twice.
            server.kill().await;
            server = Server::start(&database).await;
            client = server.client();
        }
        assert!(signal(&client, "relay", &number).await);
    }
    assert_eq!(last_result(&client, "relay").await, numbers(SIGNALS));
}

#[derive(Debug, Clone, Copy)]
enum Crash {
    BeforeCommit(u64),
    AfterCommit(u64),
}

async fn a_crash_before_or_after_any_commit_neither_loses_nor_doubles_a_signal(database: Database) {
    // One for the start, one for each signal.
    for number in 1..=6 {
        for crash in [Crash::BeforeCommit(number), Crash::AfterCommit(number)] {
            let database = database.another().await;
            let history = crashed(&database, crash).await;
            let mut counted = BTreeMap::<String, usize>::new();
            for signal in signals_of(&history) {
                *counted.entry(signal.to_string()).or_default() += 1;
            }
            let once: BTreeMap<_, _> = (0..5).map(|number| (number.to_string(), 1)).collect();
            assert_eq!(counted, once, "{crash:?}");
        }
    }
}

/// Signals a run on a server that dies at that point, and goes on with another.
async fn crashed(database: &Database, crash: Crash) -> Vec<Value> {
    let settings = match crash {
        Crash::BeforeCommit(number) => Settings::crashing_before_commit(database, number),
        Crash::AfterCommit(number) => Settings::crashing_after_commit(database, number),
    };
    let mut server = settings.start().await;
    let mut client = server.client();
    client.upload_guests(&["steps"]).await;
    let start = json!({
        "workflow": "await_signals",
        "workflow_id": "crashed",
        "request_id": "the-start",
        "input": {"count": 5},
        "signal": {"name": WORD, "input": 0},
    });
    let mut crashed = false;
    let mut next = 0;
    // As a client does: what was not acknowledged is sent again.
    while next < 5 {
        let acknowledged = if next == 0 {
            let request = client.request(reqwest::Method::POST, "runs").json(&start);
            client.try_send(request).await.is_ok_and(|it| matches!(it.status, 200 | 201))
        } else {
            signal(&client, "crashed", &json!(next)).await
        };
        if acknowledged {
            next += 1;
        } else {
            assert!(!crashed, "{crash:?}: it dies once");
            crashed = true;
            assert!(!server.ended().await.success());
            server = Server::start(database).await;
            client = server.client();
        }
    }
    if !crashed && !matches!(crash, Crash::BeforeCommit(6) | Crash::AfterCommit(5 | 6)) {
        panic!("{crash:?}: it did not die");
    }
    assert_eq!(last_result(&client, "crashed").await, numbers(5), "{crash:?}");
    let run = client.get("runs/crashed").await.ok(200);
    client.run("crashed", run["run_id"].as_str().expect("a run")).history().await
}

async fn signals_are_refused_where_nobody_can_get_them(database: Database) {
    let settings = Settings::new(&database).file("[limits]\nsignals_max = 2\n");
    let server = settings.start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    client.post("runs/nobody/signals/word", &json!({})).await.error(404, "run_not_found");
    let run = await_signals(&client, 9, 0).await;
    for _ in 0..2 {
        run.act("signals/other", &json!({})).await.ok(202);
    }
    let refused = run.act("signals/word", &json!({})).await;
    assert_eq!(refused.error(409, "too_many_signals")["details"]["signals_max"], "2");
    run.act("terminate", &json!({})).await.ok(200);
    run.act("signals/word", &json!({})).await.error(409, "run_closed");
}
