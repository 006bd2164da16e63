//! The main job: upload, start, watch, cancel, terminate, start again.

use dacapo_tests::{
    Client, Database, Effects, Server, Settings, Shop, comparable, event_types, eventually, guest,
    on_both_databases,
};
use serde_json::{Value, json};

on_both_databases! {
    an_uploaded_workflow_runs_and_its_result_comes_back_byte_for_byte,
    a_pending_activity_shows_its_attempt_and_why_the_last_one_failed,
    runs_are_listed_by_status_type_and_id_page_by_page,
    a_history_is_read_by_pages_and_live_from_any_event,
    a_cancelled_run_cleans_up_and_ends_as_canceled,
    a_terminated_run_ends_at_once_and_its_activity_stops,
    an_older_run_of_a_workflow_id_is_found_by_its_run_id,
    workflow_ids_may_hold_any_characters,
    retries_timeouts_and_races_end_as_the_workflow_says,
    a_run_that_continues_as_new_goes_on_as_another_run,
    a_checkout_ships_what_was_paid,
    a_declined_card_gives_the_stock_back,
}

async fn steps(database: &Database) -> (Server, Client) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    (server, client)
}

async fn an_uploaded_workflow_runs_and_its_result_comes_back_byte_for_byte(database: Database) {
    let (_server, client) = steps(&database).await;

    let request = json!({"workflow": "sequential", "input": {"steps": 3}});
    let started = client.post("runs?wait=30", &request).await.ok(201);
    assert_eq!(started["status"], "completed", "{started}");
    assert_eq!(started["result"], 3);
    assert_eq!(started["workflow_id"], started["run_id"], "an id is made if none is given");

    // Numbers that no JSON library keeps, and blanks that none writes.
    let input = r#"{"z":  1.10, "a": 123456789012345678901234567890, "\u00e4": [ ]}"#;
    let body = format!(r#"{{"workflow": "echo", "workflow_id": "e-1", "input": {input}}}"#);
    let request = client.post_text("runs", body);
    client.send(request).await.ok(201);
    let answer = client.get("runs/e-1/result?wait=30").await;
    answer.ok(200);
    assert!(answer.text.contains(input), "{}", answer.text);

    // The byte 0xff is no JSON. It is kept as it is; this workflow can't read it.
    let bytes = json!({"workflow": "echo", "input_base64": "/w=="});
    let run = client.start_with(&bytes).await;
    assert_eq!(run.failed().await["type"], "InvalidInput");
    assert_eq!(run.history().await[0]["attributes"]["input_base64"], "/w==");

    let parallel = client.start("fan_out", json!({"steps": 20})).await;
    let doubles: Vec<u64> = (0..20).map(|number| number * 2).collect();
    assert_eq!(parallel.completed().await, json!(doubles));

    let failing = client.start("fails", json!({"type": "Broke", "message": "it is broken"})).await;
    let failure = failing.failed().await;
    assert_eq!((&failure["type"], &failure["message"]), (&json!("Broke"), &json!("it is broken")));
    assert_eq!(failure["kind"], "application");

    let unknown = client.start("unknown_activity", Value::Null).await;
    let failure = unknown.failed().await;
    assert_eq!(failure["kind"], "activity", "{failure}");
    assert_eq!(failure["causes"][0]["type"], "ActivityTypeNotFound", "{failure}");
}

async fn a_pending_activity_shows_its_attempt_and_why_the_last_one_failed(database: Database) {
    let (_server, client) = steps(&database).await;
    let hour = 3_600_000;
    let input = json!({"succeed_at": 3, "options": {"initial_interval_millis": hour}});
    let run = client.start("flaky", input).await;

    let description = eventually("the activity waits for its second attempt", async || {
        let description = run.describe().await;
        let activity = &description["pending_activities"][0];
        activity["next_attempt_at"].is_string().then_some(description)
    })
    .await;
    assert_eq!(description["status"], "running");
    assert_eq!(description["history_length"], 2);
    let activity = &description["pending_activities"][0];
    assert_eq!(activity["activity_type"], "flaky_step");
    assert_eq!(activity["attempt"], 2);
    assert_eq!(activity["last_failure"]["type"], "NotYet");
    assert_eq!(activity["last_failure"]["message"], "attempt 1 of 3");

    let effects = Effects::open().await;
    effects.hold("first");
    let run = client.start("effects", json!({"url": effects.url()})).await;
    effects.arrived("first").await;
    let activity = run.describe().await["pending_activities"][0].clone();
    assert_eq!(activity["attempt"], 1);
    assert!(activity["next_attempt_at"].is_null(), "an attempt runs now: {activity}");
    effects.release("first");
    assert_eq!(
        run.completed().await,
        json!(["first", "second", "left", "right", "retried", "last"])
    );
}

async fn runs_are_listed_by_status_type_and_id_page_by_page(database: Database) {
    let (_server, client) = steps(&database).await;
    for number in 0..7 {
        let request =
            json!({"workflow": "echo", "workflow_id": format!("echo-{number}"), "input": 1});
        client.start_with(&request).await.completed().await;
    }
    let sleeping = client.start("cancellable", Value::Null).await;
    client.start("fails", json!({"type": "Broke"})).await.failed().await;

    let ids = |page: &Value| -> Vec<String> {
        let runs = page["runs"].as_array().expect("runs").iter();
        runs.map(|run| run["workflow_id"].as_str().expect("an id").to_owned()).collect()
    };
    let list = async |query: &str| ids(&client.get(&format!("runs?{query}")).await.ok(200));

    assert_eq!(list("status=running").await, [sleeping.workflow_id.as_str()]);
    assert_eq!(list("status=running&status=failed").await.len(), 2);
    assert_eq!(list("workflow_type=echo&status=completed").await.len(), 7);
    assert_eq!(list("workflow_id=echo-3").await, ["echo-3"]);
    assert_eq!(list("workflow_id=echo").await, Vec::<String>::new(), "ids match as a whole");
    assert_eq!(list("started_before=2020-01-01T00:00:00Z").await, Vec::<String>::new());
    assert_eq!(list("started_from=2020-01-01T00:00:00Z").await.len(), 9);

    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("runs?workflow_type=echo&limit=3{token}")).await.ok(200);
        assert!(ids(&page).len() <= 3);
        seen.extend(ids(&page));
        match page["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    let newest_first: Vec<String> = (0..7).rev().map(|number| format!("echo-{number}")).collect();
    assert_eq!(seen, newest_first);
}

async fn a_history_is_read_by_pages_and_live_from_any_event(database: Database) {
    let (_server, client) = steps(&database).await;
    let effects = Effects::open().await;
    effects.hold("second");
    let run = client.start("effects", json!({"url": effects.url()})).await;
    let mut live = run.follow(None).await;
    effects.arrived("second").await;
    for expected in 1..=4 {
        assert_eq!(live.next().await.expect("an event")["event_id"], expected);
    }
    // The stream is open while nothing happens, and goes on when something does.
    effects.release("second");
    let rest = live.rest().await;
    let pages = run.history().await;
    assert_eq!(pages[4..], rest, "both ways show the same");
    let ids: Vec<u64> = pages.iter().filter_map(|event| event["event_id"].as_u64()).collect();
    assert_eq!(ids, (1..=pages.len() as u64).collect::<Vec<_>>());
    assert_eq!(pages.last().expect("events")["event_type"], "WorkflowExecutionCompleted");

    let resumed = run.follow(Some(10)).await.rest().await;
    assert_eq!(resumed, pages[10..], "nothing twice, nothing missing");
    let last = pages.len();
    let path = format!("runs/{}/history?follow=true", run.workflow_id);
    let request = client.request(reqwest::Method::GET, &path).header("last-event-id", last);
    assert_eq!(client.send(request).await.status, 204, "a client is told to stop");
}

async fn a_cancelled_run_cleans_up_and_ends_as_canceled(database: Database) {
    let (_server, client) = steps(&database).await;
    let effects = Effects::open().await;
    let run = client.start("cancellable", json!({"url": effects.url()})).await;
    run.follow(None).await.until("TimerStarted").await;

    let request = json!({"reason": "changed my mind", "request_id": "c-1"});
    assert_eq!(run.act("cancel", &request).await.ok(202)["run_id"], run.run_id.as_str());
    let result = run.result().await;
    assert_eq!(result["status"], "canceled", "{result}");
    let done: Vec<String> = effects.of(&run.workflow_id).into_iter().map(|it| it.effect).collect();
    assert_eq!(done, ["clean_up"]);
    assert_eq!(
        event_types(&run.history().await),
        [
            "WorkflowExecutionStarted",
            "TimerStarted",
            "WorkflowExecutionCancelRequested",
            "TimerCanceled",
            "ActivityTaskScheduled",
            "ActivityTaskCompleted",
            "WorkflowExecutionCanceled",
        ]
    );
    run.act("cancel", &json!({})).await.error(409, "run_closed");

    let run = client.start("ignores_cancellation", json!(200)).await;
    run.act("cancel", &json!({})).await.ok(202);
    run.act("cancel", &json!({})).await.ok(202);
    assert_eq!(run.completed().await, true, "a workflow may ignore it");
    let requests = event_types(&run.history().await)
        .into_iter()
        .filter(|it| *it == "WorkflowExecutionCancelRequested")
        .count();
    assert_eq!(requests, 1, "asking twice is asking once");
}

async fn a_terminated_run_ends_at_once_and_its_activity_stops(database: Database) {
    let (server, client) = steps(&database).await;
    let spinning = client.start("call", json!({"activity": "spin"})).await;
    spinning.follow(None).await.until("ActivityTaskScheduled").await;
    spinning.act("terminate", &json!({"reason": "enough"})).await.ok(200);
    let result = spinning.result().await;
    assert_eq!((&result["status"], &result["reason"]), (&json!("terminated"), &json!("enough")));
    spinning.act("terminate", &json!({})).await.error(409, "run_closed");
    // An attempt that went on would be waited for here.
    server.stop().await;
}

async fn an_older_run_of_a_workflow_id_is_found_by_its_run_id(database: Database) {
    let (_server, client) = steps(&database).await;
    let request = |input| json!({"workflow": "echo", "workflow_id": "same", "input": input});
    let first = client.start_with(&request(1)).await;
    assert_eq!(first.completed().await, 1);
    let second = client.start_with(&request(2)).await;
    assert_eq!(second.completed().await, 2);
    assert_ne!(first.run_id, second.run_id);

    assert_eq!(first.completed().await, 1);
    assert_eq!(first.describe().await["run_id"], first.run_id.as_str());
    assert_eq!(client.get("runs/same/result").await.ok(200)["result"], 2, "the latest");
    let histories = (comparable(&first.history().await), comparable(&second.history().await));
    assert_eq!(histories.0[0]["attributes"]["input"], 1);
    assert_eq!(histories.1[0]["attributes"]["input"], 2);
    let listed = client.get("runs?workflow_id=same").await.ok(200);
    assert_eq!(listed["runs"][0]["run_id"], second.run_id.as_str());
    assert_eq!(listed["runs"][1]["run_id"], first.run_id.as_str());

    let mut request = request(3);
    request["options"] = json!({"id_reuse_policy": "reject_duplicate"});
    client.post("runs", &request).await.error(409, "workflow_already_started");
    request["options"] = json!({"id_reuse_policy": "allow_duplicate_failed_only"});
    client.post("runs", &request).await.error(409, "workflow_already_started");
}

async fn workflow_ids_may_hold_any_characters(database: Database) {
    let (_server, client) = steps(&database).await;
    let id = "orders/17 ü?#%25'\"; DROP TABLE history_events; --";
    let request = json!({"workflow": "info", "workflow_id": id});
    client.post("runs", &request).await.ok(201);
    let encoded =
        "orders%2F17%20%C3%BC%3F%23%2525%27%22%3B%20DROP%20TABLE%20history_events%3B%20--";
    let result = client.get(&format!("runs/{encoded}/result?wait=30")).await.ok(200);
    assert_eq!(result["result"]["workflow_id"], id, "{result}");
    assert_eq!(result["result"]["namespace"], "default");
    assert_eq!(client.get(&format!("runs/{encoded}")).await.ok(200)["workflow_id"], id);
}

async fn retries_timeouts_and_races_end_as_the_workflow_says(database: Database) {
    let (_server, client) = steps(&database).await;
    let options = json!({"initial_interval_millis": 1});
    let run = client.start("flaky", json!({"succeed_at": 4, "options": options})).await;
    assert_eq!(run.completed().await, 4);

    let options = json!({"initial_interval_millis": 1, "maximum_attempts": 2});
    let run = client.start("flaky", json!({"succeed_at": 4, "options": options})).await;
    let failure = run.failed().await;
    assert_eq!(failure["causes"][0]["message"], "attempt 2 of 4", "{failure}");

    let limited = json!({"limit_millis": 50, "activity_millis": 600_000});
    let failure = client.start("timeout_activity", limited.clone()).await.failed().await;
    assert_eq!(failure["causes"][0]["kind"], "timeout", "{failure}");
    assert_eq!(failure["causes"][0]["type"], "StartToClose");
    assert_eq!(client.start("deadline", limited).await.completed().await, "elapsed");

    let race = client.start("race", json!({"millis": [600_000, 30, 700_000]})).await;
    assert_eq!(race.completed().await, 1);
    let passed = client.start("timers", json!({"millis": [0, 5, 40]})).await.completed().await;
    let passed: Vec<u64> = serde_json::from_value(passed).expect("numbers");
    assert!(passed.iter().zip([0, 5, 40]).all(|(passed, asked)| *passed >= asked), "{passed:?}");
}

async fn a_run_that_continues_as_new_goes_on_as_another_run(database: Database) {
    let (_server, client) = steps(&database).await;
    let request = json!({"workflow": "continue_n", "workflow_id": "c", "input": {"remaining": 3}});
    let first = client.start_with(&request).await;
    let result = first.result().await;
    assert_eq!(result["status"], "continued_as_new", "{result}");
    let second = client.run("c", result["new_run_id"].as_str().expect("a run"));
    let started = second.history().await[0]["attributes"].clone();
    assert_eq!(started["continued_from"], first.run_id.as_str());
    assert_eq!(started["input"], json!({"remaining": 2, "done": 1}));
    eventually("the last run completes", async || {
        let latest = client.get("runs/c/result?wait=30").await.json();
        (latest["status"] == "completed").then(|| assert_eq!(latest["result"], 3))
    })
    .await;
    let listed = client.get("runs?workflow_id=c").await.ok(200);
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(4));
}

async fn checkout(database: &Database, shop: &Shop) -> (Server, Client) {
    let settings = Settings::new(database).argument("--activity-env");
    let server = settings.argument(&format!("SHOP_URL={}", shop.url())).start().await;
    let client = server.client();
    client.upload("checkout", guest("checkout")).await.ok(201);
    (server, client)
}

fn order(card: &str, item: &str) -> Value {
    json!({"order_id": "o-1", "item": item, "quantity": 1, "cents": 1999, "card": card})
}

async fn a_checkout_ships_what_was_paid(database: Database) {
    let shop = Shop::open().await;
    let (_server, client) = checkout(&database, &shop).await;
    let run = client.start("checkout", order("4242424242424242", "lamp")).await;
    assert_eq!(
        run.completed().await,
        json!({
            "order_id": "o-1",
            "reservation_id": "reservations-1",
            "charge_id": "charges-2",
            "shipment_id": "shipments-3",
        })
    );
    assert_eq!(shop.entries(), ["reservations o-1", "charges o-1", "shipments o-1"]);

    let run = client.start("checkout", order("4242424242424242", "piano")).await;
    assert_eq!(run.failed().await["causes"][0]["type"], "TooHeavy");
    let undone = &shop.entries()[3..];
    assert_eq!(
        undone,
        ["reservations o-1", "charges o-1", "refund charges-5", "release reservations-4"],
        "the last step is undone first"
    );
}

async fn a_declined_card_gives_the_stock_back(database: Database) {
    let shop = Shop::open().await;
    let (_server, client) = checkout(&database, &shop).await;
    let run = client.start("checkout", order("4000000000000002", "lamp")).await;
    let failure = run.failed().await;
    assert_eq!(failure["causes"][0]["type"], "CardDeclined", "{failure}");
    assert_eq!(failure["causes"][0]["non_retryable"], true);
    assert_eq!(shop.entries(), ["reservations o-1", "release reservations-1"]);
}
