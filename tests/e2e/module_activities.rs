//! Activities that another module defines, by name: which version runs them, how they
//! are shown, and that a killed server changes nothing about them.

use dacapo_tests::{
    Client, Database, Run, Server, comparable, event_types, guest, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases! {
    an_activity_of_another_module_runs_its_newest_version_or_the_one_that_is_named,
    a_module_or_a_type_that_is_not_there_fails_the_activity,
    a_server_that_is_killed_after_every_event_runs_it_all_the_same,
}

/// A server whose module `orders` has no activity `check` yet.
async fn started(database: &Database) -> (Server, Client) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    client.upload("orders", guest("orders_before")).await.ok(201);
    (server, client)
}

async fn call(client: &Client, activity: &str, options: Value) -> Run {
    client.start("call", json!({"activity": activity, "input": "a", "options": options})).await
}

fn causes(failure: &Value) -> String {
    failure["causes"].to_string()
}

async fn an_activity_of_another_module_runs_its_newest_version_or_the_one_that_is_named(
    database: Database,
) {
    let (_server, client) = started(&database).await;
    let run = call(&client, "charge", json!({"module": "orders"})).await;
    assert_eq!(run.completed().await, json!("charged a"));
    let history = run.history().await;
    assert_eq!(history[1]["event_type"], "ActivityTaskScheduled");
    assert_eq!(history[1]["attributes"]["module"], json!({"name": "orders"}));

    client.upload("orders", guest("orders_careless")).await.ok(201);
    let newest = call(&client, "check", json!({"module": "orders"})).await;
    assert_eq!(newest.completed().await, json!("checked a"));
    let named = call(&client, "check", json!({"module": "orders", "module_version": 2})).await;
    assert_eq!(named.completed().await, json!("checked a"));
    let history = named.history().await;
    assert_eq!(history[1]["attributes"]["module"], json!({"name": "orders", "version": 2}));
    let first = call(&client, "check", json!({"module": "orders", "module_version": 1})).await;
    let failure = first.failed().await;
    assert!(causes(&failure).contains("ActivityTypeNotFound"), "{failure}");
}

async fn a_module_or_a_type_that_is_not_there_fails_the_activity(database: Database) {
    let (_server, client) = started(&database).await;
    for (options, type_name, message) in [
        (json!({"module": "nowhere"}), "ModuleNotFound", "no module `nowhere`"),
        (json!({"module": "orders", "module_version": 9}), "ModuleNotFound", "no version 9"),
        (json!({"module": "orders"}), "ActivityTypeNotFound", "no activity `check`"),
    ] {
        let run = call(&client, "check", options).await;
        let failure = run.failed().await;
        let causes = causes(&failure);
        assert!(causes.contains(type_name) && causes.contains(message), "{failure}");
    }
}

async fn a_server_that_is_killed_after_every_event_runs_it_all_the_same(database: Database) {
    let (mut server, client) = started(&database).await;
    let undisturbed = call(&client, "charge", json!({"module": "orders"})).await;
    assert_eq!(undisturbed.completed().await, json!("charged a"));
    let undisturbed = undisturbed.history().await;
    assert_eq!(event_types(&undisturbed).len(), 4);

    let mut run = call(&client, "charge", json!({"module": "orders"})).await;
    for event_id in 1..undisturbed.len() as u64 {
        let mut live = run.follow(event_id.checked_sub(1)).await;
        let event = live.next().await.expect("the event comes");
        assert_eq!(event["event_id"], event_id);
        server.kill().await;
        server = Server::start(&database).await;
        run = run.on(&server);
    }
    assert_eq!(run.completed().await, json!("charged a"));
    assert_eq!(comparable(&run.history().await), comparable(&undisturbed));
    server.stop().await;
}
