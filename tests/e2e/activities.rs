//! Activities in full: heartbeats, cancellation, completion from outside, timeouts
//! and an operator's hand, whatever becomes of the server.

use dacapo_tests::{
    Client, Database, Effects, Run, Server, Settings, dacapo, event_types, eventually,
    on_both_databases,
};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases! {
    an_attempt_goes_on_where_the_one_before_it_was,
    an_attempt_goes_on_where_it_was_when_its_server_was_killed,
    a_crash_before_or_after_any_commit_loses_no_item_and_doubles_no_outcome,
    a_silent_attempt_is_made_again_and_told_what_the_first_said,
    an_activity_that_listens_cleans_up_when_it_is_asked_to_cancel,
    an_activity_that_was_asked_to_cancel_ends_as_it_says_or_is_stopped,
    an_activity_that_is_given_up_is_told_or_stopped,
    an_attempt_is_completed_by_its_token_after_its_server_was_killed,
    an_open_attempt_is_completed_failed_and_refused_by_name_and_by_token,
    an_open_attempt_still_has_its_timeouts_after_a_restart,
    an_operator_pauses_unpauses_and_resets,
    a_paused_activity_is_still_paused_after_a_restart,
    each_timeout_has_its_name,
    the_failure_chooses_its_delay_and_whether_it_is_retried,
    a_chain_of_three_failures_comes_through_in_full,
}

async fn steps(database: &Database) -> (Server, Client, Effects) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    (server, client, Effects::open().await)
}

async fn call(client: &Client, activity: &str, input: Value, options: Value) -> Run {
    client.start("call", json!({"activity": activity, "input": input, "options": options})).await
}

/// A policy that makes no test wait.
fn soon() -> Value {
    json!({"initial_interval_millis": 10, "maximum_interval_millis": 50})
}

fn with(mut options: Value, name: &str, value: Value) -> Value {
    options[name] = value;
    options
}

fn names(effects: &Effects, run: &Run) -> Vec<String> {
    effects.of(&run.workflow_id).into_iter().map(|effect| effect.effect).collect()
}

async fn pending(run: &Run) -> Value {
    run.describe().await["pending_activities"][0].clone()
}

/// The token that an attempt has sent, as the name of an effect.
async fn token(effects: &Effects, run: &Run, nth: usize) -> String {
    eventually("a token arrives", async || names(effects, run).get(nth).cloned()).await
}

async fn an_attempt_goes_on_where_the_one_before_it_was(database: Database) {
    let (_server, client, effects) = steps(&database).await;
    let copy = json!({"url": effects.url(), "items": 6, "fail_after": 3});
    let run = call(&client, "copy_items", copy, soon()).await;
    assert_eq!(run.completed().await, json!([4, 5]), "what the second attempt did");
    let items: Vec<String> = (0..6).map(|item| format!("item {item}")).collect();
    assert_eq!(names(&effects, &run), items, "nothing was done twice");
}

async fn an_attempt_goes_on_where_it_was_when_its_server_was_killed(database: Database) {
    let (server, client, effects) = steps(&database).await;
    effects.hold("item 3");
    let copy = json!({"url": effects.url(), "items": 5});
    // The first heartbeat is stored at once, the others when their time has come.
    let run =
        call(&client, "copy_items", copy, with(soon(), "heartbeat_millis", json!(10_000))).await;
    effects.arrived("item 3").await;
    let said = eventually("something is stored", async || {
        pending(&run).await["heartbeat_details"].as_u64()
    })
    .await;
    assert!((1..=3).contains(&said), "{said}");
    server.kill().await;
    effects.release("item 3");

    let server = Server::start(&database).await;
    let done = run.on(&server).completed().await;
    let rest: Vec<u64> = (said..5).collect();
    assert_eq!(done, json!(rest), "the next attempt begins with what was stored");
}

async fn a_crash_before_or_after_any_commit_loses_no_item_and_doubles_no_outcome(
    database: Database,
) {
    // The start, what the first attempt says, its failure, and the end.
    for number in 1..=5 {
        for after in [false, true] {
            let database = database.another().await;
            let settings = match after {
                false => Settings::crashing_before_commit(&database, number),
                true => Settings::crashing_after_commit(&database, number),
            };
            let at = format!("commit {number}, after it: {after}");
            let effects = Effects::open().await;
            let mut server = settings.start().await;
            let mut client = server.client();
            client.upload_guests(&["steps"]).await;
            let copy = json!({"url": effects.url(), "items": 4, "fail_after": 1});
            let start = json!({
                "workflow": "call", "workflow_id": "copying", "request_id": "the-start",
                "input": {
                    "activity": "copy_items", "input": copy,
                    "options": with(soon(), "heartbeat_millis", json!(10_000)),
                },
            });
            // Whether or not it dies on the way.
            let answer = async |client: &Client| {
                let run = client.request(Method::POST, "runs").json(&start);
                client.try_send(run).await.ok()?;
                let result = client.request(Method::GET, "runs/copying/result?wait=30");
                client.try_send(result).await.ok().map(|answer| answer.json())
            };
            let answered = match answer(&client).await {
                Some(answer) if answer["status"] == "completed" => answer,
                _ => {
                    assert!(!server.ended().await.success(), "{at}");
                    server = Server::start(&database).await;
                    client = server.client();
                    answer(&client).await.unwrap_or_else(|| panic!("{at}: no answer"))
                }
            };
            let last = answered["result"].as_array().and_then(|done| done.last().cloned());
            assert_eq!(last, Some(json!(3)), "{at}: {answered}");
            let run_id = answered["run_id"].as_str().expect("a run");
            let run = client.run("copying", run_id);
            let mut items = names(&effects, &run);
            items.sort();
            items.dedup();
            assert_eq!(items, ["item 0", "item 1", "item 2", "item 3"], "{at}");
            let history = run.history().await;
            let expected = [
                "WorkflowExecutionStarted",
                "ActivityTaskScheduled",
                "ActivityTaskCompleted",
                "WorkflowExecutionCompleted",
            ];
            assert_eq!(event_types(&history), expected, "{at}");
        }
    }
}

async fn a_silent_attempt_is_made_again_and_told_what_the_first_said(database: Database) {
    let (_server, client, effects) = steps(&database).await;
    let options = with(soon(), "heartbeat_millis", json!(300));
    let run = call(&client, "fall_silent", json!(effects.url()), options).await;
    assert_eq!(run.completed().await, 2, "also what was not stored before it fell silent");
}

async fn an_activity_that_listens_cleans_up_when_it_is_asked_to_cancel(database: Database) {
    let (_server, client, effects) = steps(&database).await;
    let input = json!({"url": effects.url(), "then": "clean_up"});
    let run = call(&client, "listen", input, json!({"cancellation": "wait"})).await;
    effects.arrived("listening").await;
    run.act("cancel", &json!({})).await.ok(202);
    effects.arrived("heard").await;
    let result = run.result().await;
    assert_eq!(result["status"], "canceled", "{result}");
    assert_eq!(names(&effects, &run), ["listening", "heard", "cleaned up"]);
    let history = run.history().await;
    assert_eq!(history[4]["attributes"]["failure"]["details"], 17);
    assert_eq!(
        event_types(&history)[2..],
        [
            "WorkflowExecutionCancelRequested",
            "ActivityTaskCancelRequested",
            "ActivityTaskCanceled",
            "WorkflowExecutionCanceled"
        ]
    );
}

async fn an_activity_that_was_asked_to_cancel_ends_as_it_says_or_is_stopped(database: Database) {
    let (_server, client, effects) = steps(&database).await;
    let listen = async |then: &str| {
        let input = json!({"url": effects.url(), "then": then});
        let options = json!({"cancellation": "wait", "grace_millis": 700});
        let run = call(&client, "listen", input, options).await;
        eventually("it listens", async || {
            names(&effects, &run).contains(&"listening".to_owned()).then_some(())
        })
        .await;
        run.act("cancel", &json!({})).await.ok(202);
        run
    };
    assert_eq!(listen("complete").await.completed().await, "done anyway");
    let broke = listen("fail").await;
    assert_eq!(broke.failed().await["causes"][0]["type"], "Broke");
    let failed = broke.history().await;
    assert_eq!(failed[failed.len() - 2]["attributes"]["retry_state"], "cancel_requested");
    let ignored = listen("ignore").await.result().await;
    assert_eq!(ignored["status"], "canceled", "{ignored}");
    assert!(ignored["reason"].as_str().is_some_and(|it| it.contains("grace")), "{ignored}");
}

async fn an_activity_that_is_given_up_is_told_or_stopped(database: Database) {
    let (_server, client, effects) = steps(&database).await;
    let input = json!({"url": effects.url(), "then": "clean_up"});
    let run = call(&client, "listen", input.clone(), json!({})).await;
    effects.arrived("listening").await;
    run.act("cancel", &json!({})).await.ok(202);
    // The run does not wait for it.
    assert_eq!(run.result().await["status"], "canceled");

    let abandoned = call(&client, "listen", input, json!({"cancellation": "abandon"})).await;
    eventually("it listens", async || (!names(&effects, &abandoned).is_empty()).then_some(()))
        .await;
    abandoned.act("cancel", &json!({})).await.ok(202);
    assert_eq!(abandoned.result().await["status"], "canceled");
    let types = abandoned.history().await;
    assert!(!event_types(&types).contains(&"ActivityTaskCanceled"), "it was left alone: {types:?}");
}

async fn an_attempt_is_completed_by_its_token_after_its_server_was_killed(database: Database) {
    let (server, client, effects) = steps(&database).await;
    let run = call(&client, "later", json!(effects.url()), json!({})).await;
    let token = token(&effects, &run, 0).await;
    server.kill().await;

    let server = Server::start(&database).await;
    let (client, run) = (server.client(), run.on(&server));
    assert_eq!(pending(&run).await["asynchronous"], true);
    let complete = async |result: Value| {
        client.post("activities/complete", &json!({"token": token, "result": result})).await
    };
    let answer = complete(json!(42)).await.ok(200);
    assert_eq!(answer["run_id"], run.run_id.as_str());
    complete(json!(43)).await.error(404, "activity_not_found");
    assert_eq!(run.completed().await, 42);
    assert_eq!(names(&effects, &run).len(), 1, "it was not made again");
    let history = run.history().await;
    assert_eq!(history[2]["event_type"], "ActivityTaskStarted");
    assert_eq!(history[2]["attributes"]["asynchronous"], true);
    assert!(!json!(history).to_string().contains(&token), "the history does not give it away");
}

async fn an_open_attempt_is_completed_failed_and_refused_by_name_and_by_token(database: Database) {
    let (_server, client, effects) = steps(&database).await;
    let run = call(&client, "later", json!(effects.url()), soon()).await;
    let first = token(&effects, &run, 0).await;
    let beat = json!({"token": first, "details": {"done": 3}});
    let heard = client.post("activities/heartbeat", &beat).await.ok(200);
    assert_eq!(heard, json!({"cancel_requested": false, "paused": false}));
    assert_eq!(pending(&run).await["heartbeat_details"]["done"], 3);
    let failure = json!({"type": "Busy", "message": "try again"});
    let fail = json!({"token": first, "failure": failure});
    client.post("activities/fail", &fail).await.ok(200);
    let second = token(&effects, &run, 1).await;
    client
        .post("activities/complete", &json!({"token": first}))
        .await
        .error(404, "activity_not_found");
    client
        .post("activities/heartbeat", &json!({"token": first}))
        .await
        .error(404, "activity_not_found");
    assert_eq!(pending(&run).await["last_failure"]["type"], "Busy");
    client
        .post("activities/cancel", &json!({"token": second}))
        .await
        .error(400, "invalid_argument");
    client.post("activities/complete", &json!({"token": "x"})).await.error(400, "invalid_argument");
    client.post("activities/complete", &json!({})).await.error(400, "invalid_argument");
    run.act("activities/7/complete", &json!({})).await.error(404, "activity_not_found");
    run.act("activities/1/complete", &json!({"result": [1]})).await.ok(200);
    assert_eq!(run.completed().await, json!([1]));
    run.act("activities/1/complete", &json!({})).await.error(404, "activity_not_found");

    let hour = call(&client, "wait", json!(3_600_000), json!({})).await;
    hour.act("activities/1/complete", &json!({})).await.error(409, "activity_not_open");
    hour.act("terminate", &json!({})).await.ok(200);
}

async fn an_open_attempt_still_has_its_timeouts_after_a_restart(database: Database) {
    let (server, client, effects) = steps(&database).await;
    let options = json!({"start_to_close_millis": 1_500, "maximum_attempts": 1});
    let run = call(&client, "later", json!(effects.url()), options).await;
    token(&effects, &run, 0).await;
    server.kill().await;
    let server = Server::start(&database).await;
    let failure = run.on(&server).failed().await;
    assert_eq!(failure["causes"][0]["kind"], "timeout", "{failure}");
    assert_eq!(failure["causes"][0]["type"], "StartToClose");
}

async fn an_operator_pauses_unpauses_and_resets(database: Database) {
    let (server, client, effects) = steps(&database).await;
    // An attempt that runs is told, and makes way.
    let run = call(&client, "make_way", json!(effects.url()), json!({})).await;
    effects.arrived("attempt 1").await;
    let workflow_id = run.workflow_id.as_str();
    let pause = ["run", "activity", "pause", workflow_id, "1", "--reason", "lunch"];
    dacapo(&server, &pause).await.exit(0);
    eventually("it makes way", async || (pending(&run).await["attempt"] == 2).then_some(())).await;
    let shown = dacapo(&server, &["run", "show", workflow_id]).await;
    let shown = shown.exit(0);
    assert!(shown.contains("paused"), "{shown}");
    dacapo(&server, &["run", "activity", "unpause", workflow_id, "1"]).await.exit(0);
    assert_eq!(run.completed().await, 2);
    let history = run.history().await;
    assert_eq!(
        event_types(&history)[2..4],
        ["ActivityTaskPaused", "ActivityTaskUnpaused"],
        "it is seen who waited for whom"
    );
    assert_eq!(history[2]["attributes"]["reason"], "lunch");

    // One that would wait for an hour starts over at once, and counts from 1.
    let hour = json!({"initial_interval_millis": 3_600_000});
    let run = client.start("flaky", json!({"succeed_at": 2, "options": hour})).await;
    eventually("it waits", async || {
        pending(&run).await["next_attempt_at"].is_string().then_some(())
    })
    .await;
    run.act("activities/1/reset", &json!({"reason": "fixed"})).await.ok(202);
    eventually("it has failed again", async || {
        let activity = pending(&run).await;
        (activity["last_failure"]["message"] == "attempt 1 of 2" && activity["attempt"] == 2)
            .then_some(())
    })
    .await;
    run.act("activities/1/pause", &json!({})).await.ok(202);
    run.act("activities/1/unpause", &json!({})).await.ok(202);
    assert_eq!(run.completed().await, 2, "an hour was not waited for");
}

async fn a_paused_activity_is_still_paused_after_a_restart(database: Database) {
    let (server, client, _effects) = steps(&database).await;
    let options = json!({"initial_interval_millis": 3_600_000});
    let run = client.start("flaky", json!({"succeed_at": 2, "options": options})).await;
    eventually("it waits", async || {
        pending(&run).await["next_attempt_at"].is_string().then_some(())
    })
    .await;
    run.act("activities/1/pause", &json!({})).await.ok(202);
    server.kill().await;
    let server = Server::start(&database).await;
    let run = run.on(&server);
    assert_eq!(pending(&run).await["paused"], true);
    run.act("activities/1/unpause", &json!({})).await.ok(202);
    assert_eq!(run.completed().await, 2);
}

async fn each_timeout_has_its_name(database: Database) {
    let server = Settings::new(&database).file("activities_max = 1\n").start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let effects = Effects::open().await;
    let fails_with = async |activity: &str, input: Value, options: Value| {
        let failure = call(&client, activity, input, options).await.failed().await;
        assert_eq!(failure["causes"][0]["kind"], "timeout", "{failure}");
        failure["causes"][0]["type"].clone()
    };
    let once = |name: &str| json!({name: 200, "maximum_attempts": 1});
    let minute = || json!(60_000);
    assert_eq!(fails_with("wait", minute(), once("start_to_close_millis")).await, "StartToClose");
    let all = json!({"schedule_to_close_millis": 300, "initial_interval_millis": 1});
    assert_eq!(fails_with("wait", minute(), all).await, "ScheduleToClose");
    let silent = fails_with("wait", minute(), once("heartbeat_millis")).await;
    assert_eq!(silent, "Heartbeat");
    // The only slot is taken.
    effects.hold("listening");
    let input = json!({"url": effects.url(), "then": "complete"});
    let holds = call(&client, "listen", input, json!({"start_to_close_millis": 60_000})).await;
    effects.arrived("listening").await;
    let queued = json!({"schedule_to_start_millis": 200});
    assert_eq!(fails_with("noop", Value::Null, queued).await, "ScheduleToStart");
    holds.act("terminate", &json!({})).await.ok(200);
}

async fn the_failure_chooses_its_delay_and_whether_it_is_retried(database: Database) {
    let (_server, client, _effects) = steps(&database).await;
    let never = json!({"type": "Declined", "message": "no", "non_retryable": true});
    let failure = call(&client, "fail", never, json!({})).await.failed().await;
    assert_eq!(failure["causes"][0]["type"], "Declined");
    let listed = json!({"non_retryable_types": ["Declined"], "initial_interval_millis": 3_600_000});
    let run = call(&client, "fail", json!({"type": "Declined"}), listed).await;
    run.failed().await;
    let history = run.history().await;
    let failed = history.iter().find(|event| event["event_type"] == "ActivityTaskFailed");
    let attributes = &failed.expect("it failed")["attributes"];
    assert_eq!(
        (&attributes["attempt"], &attributes["retry_state"]),
        (&json!(1), &json!("non_retryable_failure"))
    );
    // The policy says an hour, the failure says at once.
    let options = json!({"initial_interval_millis": 3_600_000, "maximum_attempts": 3});
    let run =
        call(&client, "fail", json!({"type": "Busy", "retry_after_millis": 5}), options).await;
    run.failed().await;
    let history = run.history().await;
    let failed = history.iter().find(|event| event["event_type"] == "ActivityTaskFailed");
    assert_eq!(failed.expect("it failed")["attributes"]["attempt"], 3);
}

async fn a_chain_of_three_failures_comes_through_in_full(database: Database) {
    let (server, client, _effects) = steps(&database).await;
    let run = call(&client, "fail_deeply", Value::Null, json!({})).await;
    let failure = run.failed().await;
    let kinds = |failure: &Value| -> Vec<(Value, Value)> {
        let causes = failure["causes"].as_array().expect("causes").iter();
        std::iter::once(failure)
            .chain(causes)
            .map(|link| (link["kind"].clone(), link["type"].clone()))
            .collect()
    };
    let expected = [
        ("activity", "ActivityFailure"),
        ("application", "OrderFailed"),
        ("application", "CardDeclined"),
        ("application", "BankClosed"),
    ]
    .map(|(kind, name)| (json!(kind), json!(name)));
    assert_eq!(kinds(&failure), expected, "workflow, store, API");
    assert_eq!(failure["causes"][0]["details"], "order-17");
    assert_eq!(failure["causes"][2]["details"], json!([1, 2]));
    assert_eq!(failure["causes"][2]["message"], "it is Sunday");
    // The same from a client that says how an attempt ended outside.
    let history = run.history().await;
    let failed = history.iter().find(|event| event["event_type"] == "ActivityTaskFailed");
    assert_eq!(kinds(&failed.expect("it failed")["attributes"]["failure"]), expected[1..]);

    let shown =
        dacapo(&server, &["run", "result", run.workflow_id.as_str(), "--output", "json"]).await;
    assert!(
        shown.stdout.contains("BankClosed") && shown.stdout.contains("it is Sunday"),
        "{shown:?}"
    );
}
