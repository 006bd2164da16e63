//! Runs that start over, on servers that die meanwhile.

use std::collections::BTreeSet;

use dacapo_tests::{
    Client, Database, Run, Server, Settings, dacapo, event_types, guest, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases! {
    a_run_is_reset_once_whatever_commit_the_server_dies_at,
    a_run_that_is_reset_under_constant_signals_loses_and_doubles_none_also_across_a_crash,
    a_run_of_fifty_thousand_events_is_reset,
    a_run_is_reset_however_it_ended_and_two_resets_leave_one_run,
    updates_are_answered_by_the_new_run,
    a_run_with_wrong_code_starts_over_with_fixed_code,
}

async fn server(database: &Database) -> (Server, Client) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    (server, client)
}

/// The new run.
async fn reset(run: &Run, client: &Client, body: Value) -> Run {
    let answer = run.act("reset", &body).await.ok(201);
    client.run(&run.workflow_id, answer["run_id"].as_str().expect("a run id"))
}

async fn await_signals(client: &Client, count: usize) -> Run {
    let input = json!({ "count": count });
    let request = json!({"workflow": "await_signals", "workflow_id": "w", "input": input});
    client.start_with(&request).await
}

async fn a_run_is_reset_once_whatever_commit_the_server_dies_at(database: Database) {
    for after in [false, true] {
        let database = database.another().await;
        let (first, client) = server(&database).await;
        let run = await_signals(&client, 2).await;
        run.act("signals/word", &json!({"input": 1})).await.ok(202);
        first.kill().await;

        let settings = match after {
            false => Settings::crashing_before_commit(&database, 1),
            true => Settings::crashing_after_commit(&database, 1),
        };
        let dying = settings.start().await;
        let client = dying.client();
        let body = json!({"event_id": "first", "request_id": "the-reset"});
        let path = format!("runs/w/reset?run_id={}", run.run_id);
        let resetting = client.request(reqwest::Method::POST, &path).json(&body);
        // Its first commit is that of the reset.
        assert!(client.try_send(resetting).await.is_err(), "it dies");

        let server = Server::start(&database).await;
        let (client, run) = (server.client(), run.on(&server));
        let status = run.describe().await["status"].clone();
        assert_eq!(status, if after { "terminated" } else { "running" });
        let new = reset(&run, &client, body.clone()).await;
        assert_eq!(reset(&run, &client, body).await.run_id, new.run_id, "a repeat is the same");
        new.act("signals/word", &json!({"input": 2})).await.ok(202);
        assert_eq!(new.completed().await, json!([1, 2]));
        let listed = client.get("runs?workflow_id=w").await.ok(200);
        assert_eq!(listed["runs"].as_array().map(Vec::len), Some(2));
    }
}

/// Sends the numbers as signals, each until it is acknowledged or the server is gone.
async fn send(client: &Client, count: usize) {
    for number in 0..count {
        let body = json!({"input": number, "request_id": format!("signal-{number}")});
        let request = client.request(reqwest::Method::POST, "runs/w/signals/word").json(&body);
        match client.try_send(request).await {
            Ok(answer) => drop(answer.ok(202)),
            Err(_gone) => return,
        }
    }
}

/// Resets the run again and again. How often that was acknowledged.
async fn reset_often(client: &Client, times: usize) -> usize {
    for number in 0..times {
        let point = if number % 2 == 0 { "first" } else { "last" };
        let body = json!({ "event_id": point });
        let request = client.request(reqwest::Method::POST, "runs/w/reset").json(&body);
        match client.try_send(request).await {
            Ok(answer) => drop(answer.ok(201)),
            Err(_gone) => return number,
        }
    }
    times
}

async fn a_run_that_is_reset_under_constant_signals_loses_and_doubles_none_also_across_a_crash(
    database: Database,
) {
    const SIGNALS: usize = 200;
    let (first, client) = server(&database).await;
    await_signals(&client, SIGNALS).await;
    // One half, and the server dies somewhere in it.
    let dying = async {
        reset_often(&client, 5).await;
        first.kill().await;
    };
    futures::join!(send(&client, SIGNALS / 2), reset_often(&client, 100), dying);

    let second = Server::start(&database).await;
    let client = second.client();
    // All of them: what was recorded is known.
    futures::join!(send(&client, SIGNALS - 1), reset_often(&client, 10));
    send(&client, SIGNALS).await;
    let result = client.get("runs/w/result?wait=60").await.ok(200);
    let taken = result["result"].as_array().cloned().unwrap_or_default();
    let numbers: Vec<Value> = (0..SIGNALS).map(Value::from).collect();
    assert_eq!(taken, numbers, "{result}");
}

async fn a_run_of_fifty_thousand_events_is_reset(database: Database) {
    let (first, client) = server(&database).await;
    // 3 * (16,660 values, a timer and its end) and the start.
    let input = json!({"rounds": 3, "notes": 16_660});
    let run = client.start("long_history", input).await;
    let length = async |run: &Run| run.describe().await["history_length"].as_u64();
    dacapo_tests::eventually("the history is long", async || {
        (length(&run).await == Some(49_987)).then_some(())
    })
    .await;
    let new = reset(&run, &client, json!({"event_id": 49_987})).await;
    assert!(length(&new).await >= Some(49_987));
    assert_eq!(run.describe().await["status"], "terminated");
    first.kill().await;

    let second = Server::start(&database).await;
    let new = new.on(&second);
    let closed = run.on(&second);
    new.act("signals/word", &json!({"input": "done"})).await.ok(202);
    assert_eq!(new.completed().await, "done");
    // The same of a run that is closed.
    let third = reset(&closed, &second.client(), json!({"event_id": 49_987})).await;
    third.act("signals/word", &json!({"input": "again"})).await.ok(202);
    assert_eq!(third.completed().await, "again");
}

async fn a_run_is_reset_however_it_ended_and_two_resets_leave_one_run(database: Database) {
    let (_server, client) = server(&database).await;
    let completed = client.start("sequential", json!({"steps": 2})).await;
    assert_eq!(completed.completed().await, 2);
    let new = reset(&completed, &client, json!({"event_id": 4})).await;
    assert_eq!(new.completed().await, 2);
    let expected = [
        "WorkflowExecutionStarted",
        "ActivityTaskScheduled",
        "ActivityTaskCompleted",
        "WorkflowExecutionReset",
        "ActivityTaskScheduled",
        "ActivityTaskCompleted",
        "WorkflowExecutionCompleted",
    ];
    assert_eq!(event_types(&new.history().await), expected);

    let failed = client.start("fails", json!({"type": "Broke", "message": "no"})).await;
    failed.failed().await;
    reset(&failed, &client, json!({"event_id": "last"})).await.failed().await;

    let continued = client.start("continue_n", json!({"remaining": 1})).await;
    assert_eq!(continued.result().await["status"], "continued_as_new");
    let new = reset(&continued, &client, json!({"event_id": "first"})).await;
    assert_eq!(new.last_result().await["result"], 1);

    let options = json!({"run_timeout_seconds": 0.2});
    let request = json!({"workflow": "await_signals", "input": {"count": 1}, "options": options});
    let timed_out = client.start_with(&request).await;
    assert_eq!(timed_out.result().await["status"], "timed_out");
    let new = reset(&timed_out, &client, json!({"event_id": "last"})).await;
    assert_eq!(new.result().await["status"], "timed_out");

    let run = await_signals(&client, 1).await;
    let body = json!({"event_id": "first"});
    let (one, other) =
        futures::join!(reset(&run, &client, body.clone()), reset(&run, &client, body.clone()));
    let status = async |run: &Run| run.describe().await["status"].to_string();
    let statuses = BTreeSet::from([status(&one).await, status(&other).await]);
    let expected = ["\"running\"", "\"terminated\""].map(str::to_owned);
    assert_eq!(statuses, expected.into(), "of two, one is left");

    let refused = run.act("reset", &json!({"event_id": 1})).await;
    let refused = refused.error(400, "reset_point_invalid");
    assert_eq!(refused["details"]["after"], "2", "{refused}");
}

async fn updates_are_answered_by_the_new_run(database: Database) {
    let (first, client) = server(&database).await;
    let request = json!({"workflow": "cart", "workflow_id": "w", "input": {}});
    let run = client.start_with(&request).await;
    let add = async |run: &Run, item: &str| {
        let body = json!({"input": item, "update_id": format!("add-{item}")});
        run.act("updates/add", &body).await.ok(200)["result"].clone()
    };
    assert_eq!(add(&run, "book").await, 1);
    assert_eq!(add(&run, "lamp").await, 2);
    let new = reset(&run, &client, json!({"event_id": "first"})).await;
    first.kill().await;

    let second = Server::start(&database).await;
    let new = new.on(&second);
    for (item, count) in [("book", 1), ("lamp", 2), ("chair", 3)] {
        assert_eq!(add(&new, item).await, count, "each is done once");
    }
    new.act("updates/check_out", &json!({})).await.ok(200);
    assert_eq!(new.completed().await, json!(["book", "lamp", "chair"]));
}

/// The worked example of `docs/versioning.md`.
async fn a_run_with_wrong_code_starts_over_with_fixed_code(database: Database) {
    let server = Server::start(&database).await;
    let upload = async |code: &str| server.client().upload("orders", guest(code)).await;
    upload("orders_before").await;
    let run = server.client().start("orders", json!(2)).await;
    run.act("signals/item", &json!({"input": "a"})).await.ok(202);
    dacapo_tests::eventually("the first item is charged", async || {
        event_types(&run.history().await).contains(&"ActivityTaskCompleted").then_some(())
    })
    .await;
    upload("orders_careless").await;
    run.act("module", &json!({})).await.error(409, "replay_diverged");
    let arguments =
        ["run", "reset", &run.workflow_id, "--to", "first", "--newest", "--reason", "unchecked"];
    let reset = dacapo(&server, &arguments).await;
    let new = server.client().run(&run.workflow_id, reset.exit(0).trim());
    new.act("signals/item", &json!({"input": "b"})).await.ok(202);
    assert_eq!(new.completed().await, json!(["checked a", "charged a", "checked b", "charged b"]));
}
