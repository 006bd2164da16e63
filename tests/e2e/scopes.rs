//! Cancellation as workflows see it: scopes, shields, limits; and what runs know and
//! say about themselves.

use dacapo_tests::{
    Client, Database, Effects, Run, Server, event_types, eventually, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases! {
    a_cancelled_run_compensates_in_a_shield_and_ends_as_cancelled,
    a_compensation_goes_on_when_its_server_was_killed,
    a_scope_cancels_an_activity_a_child_and_a_timer_and_the_run_goes_on,
    a_limit_asks_an_activity_to_end_and_waits_for_it,
    a_run_continues_as_it_says_and_knows_where_it_stands,
}

async fn steps(database: &Database) -> (Server, Client, Effects) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    (server, client, Effects::open().await)
}

fn names(effects: &Effects, run: &Run) -> Vec<String> {
    effects.of(&run.workflow_id).into_iter().map(|effect| effect.effect).collect()
}

/// A run that has booked and waits.
async fn booked(client: &Client, effects: &Effects) -> Run {
    let run = client.start("booking", json!(effects.url())).await;
    eventually("it waits", async || {
        event_types(&run.history().await).contains(&"TimerStarted").then_some(())
    })
    .await;
    run
}

async fn a_cancelled_run_compensates_in_a_shield_and_ends_as_cancelled(database: Database) {
    let (_server, client, effects) = steps(&database).await;
    let run = booked(&client, &effects).await;
    run.act("cancel", &json!({"reason": "changed my mind"})).await.ok(202);
    let result = run.result().await;
    assert_eq!(result["status"], "canceled", "{result}");
    assert_eq!(names(&effects, &run), ["book", "unbook"]);
    let history = run.history().await;
    assert_eq!(
        event_types(&history)[4..],
        [
            "WorkflowExecutionCancelRequested",
            "TimerCanceled",
            "ActivityTaskScheduled",
            "ActivityTaskCompleted",
            "WorkflowExecutionCanceled"
        ]
    );

    let passing_on = client.start("passes_on", json!(effects.url())).await;
    let child = format!("{}/1", passing_on.run_id);
    eventually("the child waits", async || (effects.of(&child).len() == 1).then_some(())).await;
    passing_on.act("cancel", &json!({})).await.ok(202);
    assert_eq!(passing_on.result().await["status"], "canceled", "as its child was");
    let last = effects.of(&child).pop().map(|effect| effect.effect);
    assert_eq!(last.as_deref(), Some("unbook"));
}

async fn a_compensation_goes_on_when_its_server_was_killed(database: Database) {
    let (first, client, effects) = steps(&database).await;
    let run = booked(&client, &effects).await;
    effects.hold("unbook");
    run.act("cancel", &json!({})).await.ok(202);
    effects.arrived("unbook").await;
    first.kill().await;
    effects.release("unbook");

    let second = Server::start(&database).await;
    assert_eq!(run.on(&second).result().await["status"], "canceled");
    let done = effects.of(&run.workflow_id);
    assert!(done.len() >= 3, "it was done again: {done:?}");
    assert!(done[1..].iter().all(|it| it.key == done[1].key), "as the same activity: {done:?}");
}

async fn a_scope_cancels_an_activity_a_child_and_a_timer_and_the_run_goes_on(database: Database) {
    let (_server, client, effects) = steps(&database).await;
    let run =
        client.start("scoped", json!({"url": effects.url(), "workflow_id": "in-scope"})).await;
    effects.arrived("listening").await;
    eventually("the child has started", async || {
        (client.get("runs/in-scope").await.status == 200).then_some(())
    })
    .await;
    let stop = format!("runs/{}/signals/stop", run.workflow_id);
    client.post(&stop, &json!({"input": "enough"})).await.ok(202);
    assert_eq!(run.completed().await, json!([true, true, true]));
    assert_eq!(names(&effects, &run), ["listening", "heard", "cleaned up"]);
    assert_eq!(client.get("runs/in-scope").await.ok(200)["status"], "canceled");
    let history = run.history().await;
    assert!(event_types(&history).contains(&"TimerCanceled"));
    assert!(!event_types(&history).contains(&"WorkflowExecutionCancelRequested"));
}

async fn a_limit_asks_an_activity_to_end_and_waits_for_it(database: Database) {
    let (_server, client, effects) = steps(&database).await;
    let limited = async |then: &str| -> (Value, Vec<String>) {
        let input = json!({"url": effects.url(), "millis": 300, "then": then});
        let run = client.start("limited", input).await;
        (run.completed().await, names(&effects, &run))
    };
    let (result, done) = limited("clean_up").await;
    assert_eq!(result, json!(["Elapsed", "ActivityFailure", "Cancelled"]));
    assert_eq!(done.last().map(String::as_str), Some("cleaned up"));
    assert_eq!(limited("complete").await.0, json!("done anyway"));
    assert_eq!(limited("fail").await.0, json!(["ActivityFailure", "Broke"]));
}

async fn a_run_continues_as_it_says_and_knows_where_it_stands(database: Database) {
    let (_server, client, _effects) = steps(&database).await;
    client.register(&[("chapter", "int"), ("title", "text"), ("labels", "keyword_list")]).await;
    let first = client
        .start_with(&json!({
            "workflow": "chapters",
            "input": {"remaining": 2},
            "options": {
                "execution_timeout_seconds": 7_200,
                "memo": {"draft": true, "title": "x"},
            },
        }))
        .await;
    let path = format!("runs/{}/result?wait=30", first.workflow_id);
    let told = eventually("the last run completes", async || {
        let answer = client.get(&path).await.ok(200);
        (answer["status"] == "completed").then(|| answer["result"].clone())
    })
    .await;
    assert_eq!(told["first_run_id"], first.run_id);
    assert_ne!(told["continued_from_run_id"], first.run_id, "that was the second");
    assert_eq!((&told["attempt"], &told["run_timeout"]), (&json!(1), &json!(3_600)));
    assert_eq!(told["execution_timeout"], 7_200);
    assert_eq!((&told["note"], &told["chapter"]), (&json!("continued"), &json!(0)));
    assert_eq!(told["search_attributes"], json!(["chapter", "labels"]));

    let last = client.get(&format!("runs/{}", first.workflow_id)).await.ok(200);
    assert_eq!(last["memo"], json!({"chapter": 0, "note": "continued", "title": "x"}));
    assert_eq!(
        last["search_attributes"]["labels"],
        json!({"type": "KeywordList", "value": ["a", "b"]})
    );
}
