//! Queries, published values and updates, whatever becomes of the server.

use dacapo_tests::{
    Client, Database, Run, Server, Settings, event_types, eventually, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases! {
    a_run_is_asked_and_told_and_says_where_it_waits,
    a_misbehaving_query_harms_nothing,
    an_update_that_waits_survives_a_killed_server,
    acknowledged_updates_are_done_once_across_killed_servers,
    a_crash_before_or_after_any_commit_neither_loses_nor_doubles_an_update,
}

async fn server(database: &Database) -> (Server, Client) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    (server, client)
}

async fn items(run: &Run) -> Value {
    run.act("queries/items", &json!({})).await.ok(200)["result"].clone()
}

async fn a_run_is_asked_and_told_and_says_where_it_waits(database: Database) {
    let (server, client) = server(&database).await;
    let start = json!({
        "workflow": "cart", "workflow_id": "cart-1", "input": {},
        "update": {"name": "add", "input": "lamp", "update_id": "u-1"},
    });
    let started = client.post("runs", &start).await.ok(201);
    assert_eq!(started["update"]["result"], 1, "{started}");
    let run = client.run("cart-1", started["run_id"].as_str().expect("an id"));
    let slow = run.act("updates/add_slowly", &json!({"input": "desk"})).await.ok(200);
    assert_eq!((&slow["stage"], &slow["result"]), (&json!("completed"), &json!(2)));
    assert_eq!(items(&run).await, json!(["lamp", "desk"]));
    assert_eq!(run.act("queries/count", &json!({})).await.ok(200)["result"], 2);
    let refused = run.act("updates/add", &json!({"input": ""})).await.ok(200);
    assert_eq!(
        (&refused["stage"], &refused["failure"]["type"]),
        (&json!("rejected"), &json!("NoItem"))
    );
    let waiting = client.get("runs/cart-1/waiting").await.ok(200);
    assert_eq!(waiting["waiting_for"], json!({"kind": "next"}));
    assert_eq!(waiting["waits"].as_array().map(Vec::len), Some(1), "{waiting}");
    let wait = &waiting["waits"][0];
    assert_eq!((&wait["kind"], &wait["what"]), (&json!("other"), &json!("condition")));
    let location = wait["location"].as_str().expect("the code tells where");
    assert!(location.starts_with("steps/src/messages.rs:"), "{location}");
    assert!(
        waiting["backtrace"].as_str().is_some_and(|it| it.contains("run_workflow")),
        "{waiting}"
    );
    let history = run.history().await;
    let types = event_types(&history);
    assert_eq!(types.len(), 7, "{types:?}");

    // The same after the instance is gone, and after the end.
    server.kill().await;
    let server = Server::start(&database).await;
    let (client, run) = (server.client(), run.on(&server));
    assert_eq!(items(&run).await, json!(["lamp", "desk"]));
    run.act("updates/check_out", &json!({})).await.ok(200);
    assert_eq!(run.completed().await, json!(["lamp", "desk"]));
    assert_eq!(run.act("queries/count", &json!({})).await.ok(200)["result"], 2);
    assert_eq!(items(&run).await, json!(["lamp", "desk"]));
    for name in ["trap", "spin", "act", "lost"] {
        run.act(&format!("queries/{name}"), &json!({})).await.error(422, "query_failed");
    }
    assert_eq!(client.get("runs/cart-1/updates/u-1").await.ok(200)["result"], 1);
    assert_eq!(client.post("runs", &start).await.ok(201)["started"], true, "another run");
}

async fn a_misbehaving_query_harms_nothing(database: Database) {
    let (_server, client) = server(&database).await;
    let run = client.start("cart", json!({})).await;
    for round in 1..=2 {
        for name in ["trap", "spin", "act", "lost"] {
            run.act(&format!("queries/{name}"), &json!({})).await.error(422, "query_failed");
        }
        let refused = run.act("updates/trap", &json!({})).await.ok(200);
        assert_eq!(refused["failure"]["type"], "UpdateNotTaken", "{refused}");
        let added = run.act("updates/add", &json!({"input": "lamp"})).await.ok(200);
        assert_eq!(added["result"], round);
    }
    assert_eq!(run.describe().await["status"], "running");
    assert_eq!(run.history().await.len(), 5);
}

async fn an_update_that_waits_survives_a_killed_server(database: Database) {
    let (first, client) = server(&database).await;
    let run = client.start("cart", json!({"pause_millis": 3_000})).await;
    let body = json!({"input": "lamp", "update_id": "u-1"});
    let kept = run.act("updates/add?wait=0", &body).await.ok(202);
    assert_eq!(kept["stage"], "admitted");
    run.act("queries/items", &json!({})).await.error(409, "query_not_served");
    assert_eq!(run.act("queries/count", &json!({})).await.ok(200)["result"], 0);
    first.kill().await;
    let second = Server::start(&database).await;
    let run = run.on(&second);
    let done = run.act("updates/add?wait=60", &body).await.ok(200);
    assert_eq!((&done["stage"], &done["result"]), (&json!("completed"), &json!(1)));
    assert_eq!(items(&run).await, json!(["lamp"]));
}

/// Sends an update until it is answered, with whatever server there is.
async fn surely(database: &Database, server: &mut Server, run: &Run, number: usize) {
    let (name, id) =
        (if number.is_multiple_of(3) { "add_slowly" } else { "add" }, format!("u-{number}"));
    let body = json!({"input": number.to_string(), "update_id": id});
    loop {
        let path = format!("runs/{}/updates/{name}?wait=60", run.workflow_id);
        let client = server.client();
        let request = client.request(reqwest::Method::POST, &path).json(&body);
        match client.try_send(request).await {
            Ok(answer) if answer.status == 200 => {
                let answer = answer.json();
                assert_eq!(answer["stage"], "completed", "{answer}");
                return;
            }
            Ok(answer) => assert!(matches!(answer.status, 202 | 503), "{answer:?}"),
            Err(_it_died) => *server = Server::start(database).await,
        }
    }
}

async fn acknowledged_updates_are_done_once_across_killed_servers(database: Database) {
    let (mut server, client) = server(&database).await;
    let run = client.start("cart", json!({})).await;
    for number in 0..12 {
        surely(&database, &mut server, &run, number).await;
        if number % 4 == 3 {
            server.kill().await;
            server = Server::start(&database).await;
            // The one before is known.
            surely(&database, &mut server, &run, number).await;
        }
    }
    let expected: Vec<_> = (0..12).map(|number| number.to_string()).collect();
    assert_eq!(items(&run.on(&server)).await, json!(expected));
}

async fn a_crash_before_or_after_any_commit_neither_loses_nor_doubles_an_update(
    database: Database,
) {
    let (mut server, client) = server(&database).await;
    let run = client.start("cart", json!({})).await;
    // A run with only its start in its history is activated again by every server, and what
    // it publishes is written again: a server that dies of its first commit would never serve.
    surely(&database, &mut server, &run, 0).await;
    server.stop().await;
    let mut number = 1;
    for commit in 1..=3 {
        for settings in [
            Settings::crashing_before_commit(&database, commit),
            Settings::crashing_after_commit(&database, commit),
        ] {
            let mut server = settings.start().await;
            for _ in 0..3 {
                surely(&database, &mut server, &run, number).await;
                number += 1;
            }
            server.kill().await;
        }
    }
    let server = Server::start(&database).await;
    let run = run.on(&server);
    let expected: Vec<_> = (0..number).map(|number| number.to_string()).collect();
    eventually("all are there", async || (items(&run).await == json!(expected)).then_some(()))
        .await;
    let history = run.history().await;
    let accepted = |event: &&Value| event["event_type"] == "WorkflowExecutionUpdateAccepted";
    assert_eq!(history.iter().filter(accepted).count(), number);
}
