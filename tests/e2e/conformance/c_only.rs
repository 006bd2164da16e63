//! What the C SDK alone has to see to: memory, the stack, and values that are texts.

use dacapo_tests::{Client, Database, Kind, Run, Server, eventually};
use serde_json::{Value, json};

use crate::languages::c;

#[tokio::test]
async fn what_c_lets_a_workflow_get_wrong_is_told_and_overwrites_nothing() {
    let database = Database::fresh(Kind::Sqlite).await;
    let server = Server::start(&database).await;
    let client = server.client();
    client.register(&[("customer", "keyword")]).await;
    client.upload("conformance", c().await).await.ok(201);

    memory_of_a_function_that_has_returned_is_not_read(&client).await;
    a_full_stack_is_a_trap(&client).await;
    a_failure_that_was_dealt_with_is_none(&client).await;
    an_outcome_that_a_handler_has_taken_is_a_bug(&client).await;
    a_value_that_is_no_json_is_refused(&client).await;
    sizes_that_wrap_are_a_bug(&client).await;
    signals_of_any_number_of_names_are_kept(&client).await;
    assert_eq!(client.start("reads_json", Value::Null).await.completed().await, true);
    server.stop().await;
}

async fn memory_of_a_function_that_has_returned_is_not_read(client: &Client) {
    let run = client.start("continues_as_new", Value::Null).await;
    let end = run.last_result().await;
    let expected = json!({
        "input": {"round": 2}, "memo": {"from": "the stack"}, "search": ["customer", "c-17"],
    });
    assert_eq!(end["result"], expected, "{end}");

    let failure = client.start("fails_from_the_stack", Value::Null).await.failed().await;
    let shown = [&failure["type"], &failure["message"], &failure["causes"][0]["type"]];
    assert_eq!(shown, ["Refused", "not 7", "Inner"], "{failure}");
    assert_eq!(failure["details"], json!([7]));
}

async fn a_full_stack_is_a_trap(client: &Client) {
    let within = client.start("dives", json!({"steps": 200})).await;
    assert_eq!(within.completed().await, 200);
    let beyond = client.start("dives", json!({"steps": 300})).await;
    assert_eq!(beyond.blocked().await["code"], "guest_stack_overflow");
}

async fn a_failure_that_was_dealt_with_is_none(client: &Client) {
    let run = client.start("deals_with_it", Value::Null).await;
    eventually("the second activity is scheduled", async || {
        let history = run.history().await;
        history
            .iter()
            .any(|event| event["attributes"]["activity_type"] == "finish_anyway")
            .then_some(())
    })
    .await;
    run.act("cancel", &json!({"reason": "enough"})).await.ok(202);
    assert_eq!(run.completed().await, json!(["done", true]));
}

async fn an_outcome_that_a_handler_has_taken_is_a_bug(client: &Client) {
    let run = client.start("waits_twice", json!({"millis": 300})).await;
    run.act("updates/take", &json!({"update_id": "u"})).await;
    is_blocked(run, "a handler has waited for operation 1").await;
}

async fn a_value_that_is_no_json_is_refused(client: &Client) {
    let told = client.start("passes_no_json", Value::Null).await.completed().await;
    let expected = [
        "the input of activity `echo` is not JSON: byte 1 does not fit",
        "the input of workflow `square` is not JSON: it is empty",
        "the input of signal `go` is not JSON: byte 3 does not fit",
        "the input of `dacapo_continue_as_new` is not JSON: byte 0 does not fit",
        "the input of activity `echo` is not JSON: it is nested more than 200 deep",
    ];
    let expected = expected.map(|message| format!("InvalidInput: {message}"));
    assert_eq!(told, json!(expected));

    let failure = client.start("returns_no_json", Value::Null).await.failed().await;
    let message = "the result of workflow `returns_no_json` is not JSON: byte 0 does not fit";
    assert_eq!((&failure["type"], &failure["message"]), (&json!("InvalidResult"), &json!(message)));
    assert_eq!(failure["non_retryable"], true);

    let failure = client.start("fails_with_no_json", Value::Null).await.failed().await;
    assert_eq!((&failure["type"], &failure["details"]), (&json!("No"), &json!("code 7")));

    let run = client.start("shows_no_json", Value::Null).await;
    is_blocked(run, "the published value `status` is not JSON: byte 0 does not fit").await;
}

/// 2^28 times 16 bytes are 0 in 32 bits.
async fn sizes_that_wrap_are_a_bug(client: &Client) {
    let run = client.start("wants_too_much", json!({"count": 1_u32 << 28})).await;
    is_blocked(run, "no memory is as large as 268435456 times 16 bytes").await;
}

/// Reports name no more than 100 of them.
async fn signals_of_any_number_of_names_are_kept(client: &Client) {
    let run = client.start("takes_all", json!({"count": 101})).await;
    for number in 0..101 {
        let input = json!({ "input": number });
        run.act(&format!("signals/n-{number}"), &input).await.ok(202);
    }
    let path = format!("runs/{}/waiting?run_id={}", run.workflow_id, run.run_id);
    let told = eventually("all have arrived", async || {
        let waiting = client.get(&path).await.ok(200);
        let told = waiting["untaken_signals"].as_array().map_or(0, Vec::len);
        (told >= 100).then_some(told)
    })
    .await;
    assert_eq!(told, 100);
    run.act("signals/begin", &json!({})).await.ok(202);
    assert_eq!(run.completed().await, 5050);
}

/// The run is blocked, with these words.
async fn is_blocked(run: Run, words: &str) {
    let report = run.blocked().await;
    assert_eq!(report["code"], "guest_trap", "{report}");
    assert!(report["message"].as_str().is_some_and(|said| said.contains(words)), "{report}");
}
