//! A workflow made of tasks, channels and locks survives the death of its server
//! wherever it stands.

use dacapo_tests::{Database, Server, on_both_databases};
use serde_json::json;

on_both_databases! {
    a_run_with_many_tasks_goes_on_where_it_was_after_each_kill,
}

async fn a_run_with_many_tasks_goes_on_where_it_was_after_each_kill(database: Database) {
    let mut server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let mut run = client.start("concurrency_kit", json!({"items": 5, "millis": 50})).await;
    for _ in 0..2 {
        run.act("signals/vote", &json!({"input": 1})).await.ok(202);
    }
    for event_id in (5..60).step_by(5) {
        let mut live = run.follow(Some(event_id - 1)).await;
        let event = live.next().await.expect("the event comes");
        assert_eq!(event["event_id"], event_id);
        server.kill().await;
        server = Server::start(&database).await;
        run = run.on(&server);
    }
    let expected = json!({
        "piped": [0, 2, 4, 6, 8],
        "grouped": [0, 2, 4, 6, 8],
        "mapped": [0, 2, 4, 6, 8],
        "total": 30,
        "first": "told",
        "attempts": 3,
        "undone": ["second", "first"],
        "votes": 2,
    });
    assert_eq!(run.completed().await, expected);
}
