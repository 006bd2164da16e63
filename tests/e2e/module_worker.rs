//! `dacapo worker`: activities of a module, in another process than the server.

use dacapo_tests::{
    Client, Database, Effects, Run, Server, WorkerProcess, eventually, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases! {
    steps_of_a_run_are_made_in_another_process,
    a_run_goes_on_after_its_worker_was_killed,
    an_attempt_goes_on_where_it_was_when_its_worker_was_killed,
    a_worker_that_was_away_too_long_gives_its_attempt_up,
    a_worker_that_is_to_stop_finishes_what_it_has,
    a_guest_hears_that_it_is_to_cancel,
    what_a_worker_can_not_do_fails_with_a_reason,
}

const QUEUE: &str = "modules";

/// A lease after which tests do not wait long.
const SHORT: [&str; 2] = ["--lease", "1s"];

async fn steps(database: &Database) -> (Server, Client, Effects) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    (server, client, Effects::open().await)
}

async fn call(client: &Client, activity: &str, input: Value, more: Value) -> Run {
    let mut options = json!({"initial_interval_millis": 10, "task_queue": QUEUE});
    options
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().cloned().unwrap_or_default());
    client.start("call", json!({"activity": activity, "input": input, "options": options})).await
}

fn post(effects: &Effects, effect: &str) -> Value {
    json!({"url": effects.url(), "effect": effect})
}

fn names(effects: &Effects, run: &Run) -> Vec<String> {
    effects.of(&run.workflow_id).into_iter().map(|effect| effect.effect).collect()
}

/// The types of a failure and of what led to it.
fn types(failure: &Value) -> Vec<&str> {
    let causes = failure["causes"].as_array().expect("causes").iter();
    std::iter::once(failure).chain(causes).filter_map(|it| it["type"].as_str()).collect()
}

async fn steps_of_a_run_are_made_in_another_process(database: Database) {
    let (server, client, effects) = steps(&database).await;
    let worker = WorkerProcess::start(&server, QUEUE, "steps", &["--identity", "me"]).await;
    let input = json!({"queue": QUEUE, "activity": "double", "steps": 20});
    for workflow in ["remote_sequential", "remote_fan_out"] {
        let run = client.start(workflow, input.clone()).await;
        let expected: Vec<u64> = (0..20).map(|number| number * 2).collect();
        assert_eq!(run.completed().await, json!(expected), "{workflow}");
    }
    // It has the world that the worker allows, and the ids of its run.
    let run = call(&client, "post", post(&effects, "far"), json!({})).await;
    assert_eq!(run.completed().await, json!("far"));
    assert_eq!(effects.of(&run.workflow_id)[0].run_id, run.run_id);
    assert!(worker.log().contains("identity=me"), "{}", worker.log());
}

async fn a_run_goes_on_after_its_worker_was_killed(database: Database) {
    let (server, client, effects) = steps(&database).await;
    let worker = WorkerProcess::start(&server, QUEUE, "steps", &SHORT).await;
    effects.hold("first");
    let run = call(&client, "post", post(&effects, "first"), json!({})).await;
    effects.arrived("first").await;
    worker.kill().await;
    effects.release("first");
    // Nobody is there to take the second one meanwhile.
    let second = call(&client, "double", json!(4), json!({})).await;
    let _worker = WorkerProcess::start(&server, QUEUE, "steps", &SHORT).await;
    assert_eq!(run.completed().await, json!("first"));
    assert_eq!(second.completed().await, json!(8));
    let attempts: Vec<_> =
        effects.of(&run.workflow_id).into_iter().map(|it| (it.key, it.attempt)).collect();
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!(attempts[0].0, attempts[1].0, "the same key");
    assert_eq!((attempts[0].1, attempts[1].1), (1, 2));
}

async fn an_attempt_goes_on_where_it_was_when_its_worker_was_killed(database: Database) {
    let (server, client, effects) = steps(&database).await;
    let talks = [&SHORT[..], &["--log", "info,dacapo_worker=debug"]].concat();
    let worker = WorkerProcess::start(&server, QUEUE, "steps", &talks).await;
    effects.hold("item 3");
    let copy = json!({"url": effects.url(), "items": 5});
    let run = call(&client, "copy_items", copy, json!({"heartbeat_millis": 3_000})).await;
    effects.arrived("item 3").await;
    let prolonged = || worker.log().matches("leases are prolonged").count();
    let before = prolonged();
    eventually("all that it said is stored", async || (prolonged() > before + 1).then_some(()))
        .await;
    worker.kill().await;
    effects.release("item 3");
    let _worker = WorkerProcess::start(&server, QUEUE, "steps", &SHORT).await;
    assert_eq!(run.completed().await, json!([3, 4]), "it begins with what was stored");
    let items = ["item 0", "item 1", "item 2", "item 3", "item 3", "item 4"];
    assert_eq!(names(&effects, &run), items);
}

async fn a_worker_that_was_away_too_long_gives_its_attempt_up(database: Database) {
    let (server, client, effects) = steps(&database).await;
    // One that has no room asks for nothing, and is given nothing while it is away.
    let full = [&SHORT[..], &["--concurrency", "1"]].concat();
    let first = WorkerProcess::start(&server, QUEUE, "steps", &full).await;
    effects.hold("slow");
    let run = call(&client, "post", post(&effects, "slow"), json!({})).await;
    effects.arrived("slow").await;
    first.freeze();
    let _second = WorkerProcess::start(&server, QUEUE, "steps", &SHORT).await;
    eventually("another attempt", async || (names(&effects, &run).len() == 2).then_some(())).await;
    first.thaw();
    first.logs("the lease of an attempt is lost").await;
    effects.release("slow");
    assert_eq!(run.completed().await, json!("slow"));
    assert_eq!(names(&effects, &run).len(), 2, "nobody tries it once more");
}

async fn a_worker_that_is_to_stop_finishes_what_it_has(database: Database) {
    let (server, client, effects) = steps(&database).await;
    let mut worker =
        WorkerProcess::start(&server, QUEUE, "steps", &["--shutdown-grace", "60s"]).await;
    effects.hold("slow");
    let run = call(&client, "post", post(&effects, "slow"), json!({})).await;
    effects.arrived("slow").await;
    worker.terminate();
    worker.logs("it takes no more tasks").await;
    effects.release("slow");
    assert!(worker.ended().await.success());
    assert_eq!(run.completed().await, json!("slow"));
    assert_eq!(names(&effects, &run), ["slow"]);
}

async fn a_guest_hears_that_it_is_to_cancel(database: Database) {
    let (server, client, effects) = steps(&database).await;
    let _worker = WorkerProcess::start(&server, QUEUE, "steps", &SHORT).await;
    let listen = json!({"url": effects.url(), "then": "clean_up"});
    let more = json!({"cancellation": "wait", "grace_millis": 60_000});
    let run = call(&client, "listen", listen, more).await;
    effects.arrived("listening").await;
    run.act("cancel", &json!({"reason": "enough"})).await;
    let result = run.result().await;
    assert_eq!(result["status"], "canceled", "{result}");
    assert_eq!(names(&effects, &run).last().map(String::as_str), Some("cleaned up"));
}

async fn what_a_worker_can_not_do_fails_with_a_reason(database: Database) {
    let (server, client, effects) = steps(&database).await;
    let _worker = WorkerProcess::start(&server, QUEUE, "steps", &[]).await;
    let failure = call(&client, "later", json!(effects.url()), json!({})).await.failed().await;
    assert!(types(&failure).contains(&"ActivityCannotBeOpened"), "{failure}");
    // A host that it is not allowed to reach.
    let elsewhere = json!({"url": "http://elsewhere.example/", "effect": "no"});
    let failure = call(&client, "post", elsewhere, json!({"maximum_attempts": 1})).await;
    let failure = failure.failed().await;
    assert!(failure.to_string().contains("elsewhere.example"), "{failure}");
}
