//! Children and other runs: each child starts once, its parent hears once, and
//! nothing is left behind, whatever becomes of the server.

use dacapo_tests::{Client, Database, Run, Server, Settings, eventually, on_both_databases};
use serde_json::{Value, json};

on_both_databases! {
    a_parent_gets_what_its_children_return,
    a_child_shows_its_parent_and_a_parent_its_children,
    a_child_that_can_not_start_is_a_failure_with_a_type,
    children_of_children_are_a_hundred_generations_at_most,
    parents_that_close_leave_their_children_as_the_policy_says,
    a_cancelled_parent_passes_the_request_on,
    a_child_has_the_options_that_its_parent_gave_it_and_no_others,
    a_child_that_fails_is_tried_again_and_its_parent_hears_of_the_last_attempt,
    a_child_that_runs_out_of_its_time_is_a_failure_with_a_type,
    a_child_with_options_starts_as_asked_when_its_server_was_killed,
    other_runs_are_told_things,
    a_killed_server_goes_on_with_parents_and_children,
    a_crash_before_or_after_any_commit_neither_loses_nor_doubles_a_child,
    a_server_that_dies_when_a_parent_has_ended_leaves_its_child_to_the_next,
}

async fn server(database: &Database) -> (Server, Client) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    (server, client)
}

fn count(history: &[Value], event_type: &str) -> usize {
    history.iter().filter(|event| event["event_type"] == event_type).count()
}

/// Waits until the latest run of a workflow id stands there.
async fn until_status(client: &Client, workflow_id: &str, status: &str) -> Value {
    eventually(&format!("{workflow_id} is {status}"), async || {
        let answer = client.get(&format!("runs/{workflow_id}")).await;
        (answer.status == 200).then(|| answer.json()).filter(|run| run["status"] == status)
    })
    .await
}

/// All runs of a type, in no order.
async fn runs_of(client: &Client, workflow: &str) -> Vec<Value> {
    let list = client.get(&format!("runs?limit=1000&workflow_type={workflow}")).await.ok(200);
    list["runs"].as_array().expect("runs").clone()
}

async fn family(client: &Client, input: Value) -> Run {
    client.start("family", input).await
}

async fn a_parent_gets_what_its_children_return(database: Database) {
    let (_server, client) = server(&database).await;
    let run = client.start("sum_of_squares", json!(300)).await;
    assert_eq!(run.completed().await, json!(9_045_050));
    let history = run.history().await;
    for event_type in [
        "StartChildWorkflowExecutionInitiated",
        "ChildWorkflowExecutionStarted",
        "ChildWorkflowExecutionCompleted",
    ] {
        assert_eq!(count(&history, event_type), 300, "{event_type}");
    }
    assert_eq!(runs_of(&client, "square").await.len(), 300);
    let nudged = client.start("nudge", json!("hello")).await;
    assert_eq!(nudged.completed().await, json!("hello"));
}

async fn a_child_shows_its_parent_and_a_parent_its_children(database: Database) {
    let (_server, client) = server(&database).await;
    let parent = family(&client, json!({"workflow": "linger", "workflow_id": "child"})).await;
    let child = until_status(&client, "child", "running").await;
    assert_eq!(child["parent"]["workflow_id"], parent.workflow_id);
    assert_eq!(child["parent"]["run_id"], parent.run_id);
    assert_eq!(child["parent"]["root_run_id"], parent.run_id);
    let pending = eventually("the parent knows that it has started", async || {
        let parent = parent.describe().await;
        let pending = parent["pending_children"][0].clone();
        (pending["started"] == true).then_some(pending)
    })
    .await;
    assert_eq!(pending["workflow_id"], "child");
    assert_eq!(pending["run_id"], child["run_id"]);
    client.post("runs/child/signals/go", &json!({"input": 7})).await.ok(202);
    assert_eq!(parent.completed().await, json!(7));
    let listed = runs_of(&client, "linger").await;
    // What only the history knows is not in lists.
    let mut named = child["parent"].clone();
    for detail in ["initiated_event_id", "parent_close_policy"] {
        assert!(named.as_object_mut().expect("an object").remove(detail).is_some(), "{child}");
    }
    assert_eq!(listed[0]["parent"], named);
    let closed = until_status(&client, "child", "completed").await;
    assert_eq!(closed["parent"], child["parent"]);
    let listed = client.get("runs?workflow_id=child").await.ok(200)["runs"][0].clone();
    for field in ["history_length", "history_bytes", "execution_time", "closed_at"] {
        assert_eq!(listed[field], closed[field], "{field}");
    }
    let events = client.run("child", listed["run_id"].as_str().expect("a run")).history().await;
    assert_eq!(listed["history_length"], events.len());
    assert_eq!(parent.describe().await["pending_children"], json!([]));
}

async fn a_child_that_can_not_start_is_a_failure_with_a_type(database: Database) {
    let (_server, client) = server(&database).await;
    let input = json!({"workflow": "linger", "workflow_id": "taken"});
    client.start_with(&json!({"workflow": "linger", "workflow_id": "taken"})).await;
    let taken = family(&client, input).await.completed().await;
    assert_eq!(taken, json!(["ChildWorkflowFailure", "WorkflowAlreadyStarted"]));
    let unknown = family(&client, json!({"workflow": "unheard_of"})).await.completed().await;
    assert_eq!(unknown, json!(["ChildWorkflowFailure", "WorkflowTypeNotFound"]));
}

async fn children_of_children_are_a_hundred_generations_at_most(database: Database) {
    let (_server, client) = server(&database).await;
    assert_eq!(client.start("descend", json!(100)).await.completed().await, json!("the last"));
    let refused = client.start("descend", json!(101)).await.completed().await;
    assert_eq!(refused, json!(["ChildWorkflowFailure", "RunLimitExceeded"]));
}

async fn parents_that_close_leave_their_children_as_the_policy_says(database: Database) {
    let (_server, client) = server(&database).await;
    for (policy, status) in
        [("terminate", "terminated"), ("request_cancel", "canceled"), ("abandon", "running")]
    {
        let input = json!({
            "workflow": "linger", "workflow_id": policy, "policy": policy, "leave": true,
        });
        let left = family(&client, input).await.completed().await;
        assert_eq!(left["workflow_id"], policy);
        let child = until_status(&client, policy, status).await;
        assert_eq!(child["run_id"], left["run_id"]);
    }
}

async fn a_cancelled_parent_passes_the_request_on(database: Database) {
    let (_server, client) = server(&database).await;
    let closed = json!(["ChildWorkflowFailure", "Cancelled"]);
    for (cancellation, parent, child) in [
        ("completed", closed.clone(), "canceled"),
        ("requested", json!(["Cancelled"]), "canceled"),
        ("try", json!(["Cancelled"]), "canceled"),
        ("abandon", json!(["Cancelled"]), "running"),
    ] {
        let input = json!({
            "workflow": "linger", "workflow_id": cancellation, "cancellation": cancellation,
            "policy": "abandon",
        });
        let run = family(&client, input).await;
        until_status(&client, cancellation, "running").await;
        run.act("cancel", &json!({})).await.ok(202);
        let heard = run.completed().await;
        // That it was asked and that it has ended are heard in either order.
        let ended_first = cancellation == "requested" && heard == closed;
        assert!(heard == parent || ended_first, "{cancellation}: {heard}");
        until_status(&client, cancellation, child).await;
    }
}

async fn other_runs_are_told_things(database: Database) {
    let (_server, client) = server(&database).await;
    let inbox = json!({
        "workflow": "await_signals", "workflow_id": "inbox", "input": {"count": 2},
    });
    let inbox = client.start_with(&inbox).await;
    client.start_with(&json!({"workflow": "linger", "workflow_id": "other"})).await;
    let messages = json!([
        {"to": "inbox", "word": 1}, {"to": "inbox", "word": {"a": 2}}, {"to": "other"},
        {"to": "nobody", "word": 3}, {"to": "nobody"}, {"to": "inbox", "word": 4},
    ]);
    let teller = client.start("tell", messages).await;
    let told = teller.completed().await;
    let (none, closed) = (json!(["RunNotFound"]), json!(["RunClosed"]));
    assert_eq!(told, json!([null, null, null, none.clone(), none, closed]));
    assert_eq!(inbox.completed().await, json!([1, {"a": 2}]));
    until_status(&client, "other", "canceled").await;
}

/// Children that are starting, running and ending when the server dies.
async fn a_killed_server_goes_on_with_parents_and_children(database: Database) {
    let (first, client) = server(&database).await;
    let squares = client.start("sum_of_squares", json!(100)).await;
    let parent = family(&client, json!({"workflow": "linger", "workflow_id": "child"})).await;
    until_status(&client, "child", "running").await;
    first.kill().await;

    let second = Server::start(&database).await;
    let client = second.client();
    assert_eq!(squares.on(&second).completed().await, json!(338_350));
    assert_eq!(runs_of(&client, "square").await.len(), 100, "each child once");
    client.post("runs/child/signals/go", &json!({"input": 1})).await.ok(202);
    assert_eq!(parent.on(&second).completed().await, json!(1));
}

async fn a_crash_before_or_after_any_commit_neither_loses_nor_doubles_a_child(database: Database) {
    // The parent's start, the child's, that it has started, and that it has ended.
    for number in 1..=5 {
        for after in [false, true] {
            let database = database.another().await;
            let settings = match after {
                false => Settings::crashing_before_commit(&database, number),
                true => Settings::crashing_after_commit(&database, number),
            };
            let at = format!("commit {number}, after it: {after}");
            let mut server = settings.start().await;
            let mut client = server.client();
            client.upload_guests(&["steps"]).await;
            let start = json!({
                "workflow": "sum_of_squares", "workflow_id": "parent", "request_id": "the-start",
                "input": 1,
            });
            let body = |client: &Client| client.request(reqwest::Method::POST, "runs").json(&start);
            let path = "runs/parent/result?wait=30";
            let result = |client: &Client| client.request(reqwest::Method::GET, path);
            // Whether or not it dies on the way.
            let answer = async |client: &Client| {
                client.try_send(body(client)).await.ok()?;
                client.try_send(result(client)).await.ok().map(|answer| answer.json())
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
            assert_eq!(answered["result"], 1, "{at}: {answered}");
            assert_eq!(runs_of(&client, "square").await.len(), 1, "{at}");
            let run = client.get("runs/parent").await.ok(200);
            let run_id = run["run_id"].as_str().expect("a run");
            let history = client.run("parent", run_id).history().await;
            assert_eq!(count(&history, "ChildWorkflowExecutionCompleted"), 1, "{at}");
        }
    }
}

async fn a_server_that_dies_when_a_parent_has_ended_leaves_its_child_to_the_next(
    database: Database,
) {
    // The parent's start, the child's, and the parent's end.
    let mut server = Settings::crashing_after_commit(&database, 3).start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let input = json!({"workflow": "linger", "workflow_id": "child", "leave": true});
    let parent = family(&client, input).await;
    assert!(!server.ended().await.success());
    let next = Server::start(&database).await;
    parent.on(&next).completed().await;
    until_status(&next.client(), "child", "terminated").await;
}

async fn a_child_has_the_options_that_its_parent_gave_it_and_no_others(database: Database) {
    let (_server, client) = server(&database).await;
    client.register(&[("label", "keyword")]).await;
    let family = async |input: Value| {
        let parent = json!({
            "workflow": "family",
            "input": input,
            "options": {"run_timeout_seconds": 3_600, "memo": {"note": "the parent's"}},
        });
        client.start_with(&parent).await
    };
    let plain = family(json!({"workflow": "tries", "input": 1, "workflow_id": "plain"})).await;
    let told = plain.completed().await;
    for name in ["run_timeout", "execution_timeout", "note", "continued_failure"] {
        assert_eq!(told[name], Value::Null, "{name} is not inherited");
    }
    let initiated = plain.history().await[1]["attributes"].clone();
    assert_eq!(initiated.get("options"), None, "{initiated}");

    let options = json!({
        "workflow": "tries", "input": 1, "workflow_id": "child",
        "run_timeout_millis": 60_000, "attempts": 2, "note": "mine",
    });
    let parent = family(options).await;
    let told = parent.completed().await;
    assert_eq!((&told["run_timeout"], &told["note"]), (&json!(60), &json!("mine")));
    let child = until_status(&client, "child", "completed").await;
    assert_eq!(child["memo"], json!({"note": "mine"}));
    let label = json!({"type": "Keyword", "value": "mine"});
    assert_eq!(child["search_attributes"], json!({"label": label}));
    let options = parent.history().await[1]["attributes"]["options"].clone();
    assert_eq!(options["run_timeout_seconds"], 60.0, "{options}");
    assert_eq!(options["retry_policy"]["maximum_attempts"], 2);
    assert_eq!(options["memo"], child["memo"]);
    assert_eq!(options["search_attributes"], child["search_attributes"]);
}

async fn a_child_that_fails_is_tried_again_and_its_parent_hears_of_the_last_attempt(
    database: Database,
) {
    let (_server, client) = server(&database).await;
    let parent = family(&client, json!({"workflow": "tries", "input": 3, "attempts": 3})).await;
    let told = parent.completed().await;
    assert_eq!((&told["attempt"], &told["continued_failure"]), (&json!(3), &json!("NotYet")));
    assert_eq!(runs_of(&client, "tries").await.len(), 3);
    let history = parent.history().await;
    assert_eq!(count(&history, "ChildWorkflowExecutionCompleted"), 1);
    assert_eq!(count(&history, "ChildWorkflowExecutionFailed"), 0);

    let parent = family(&client, json!({"workflow": "tries", "input": 9, "attempts": 2})).await;
    assert_eq!(parent.completed().await, json!(["ChildWorkflowFailure", "NotYet"]));
    assert_eq!(runs_of(&client, "tries").await.len(), 5);
}

async fn a_child_that_runs_out_of_its_time_is_a_failure_with_a_type(database: Database) {
    let (_server, client) = server(&database).await;
    let parent = family(&client, json!({"workflow": "linger", "run_timeout_millis": 200})).await;
    assert_eq!(parent.completed().await, json!(["ChildWorkflowFailure", "WorkflowTimeout"]));
    assert_eq!(count(&parent.history().await, "ChildWorkflowExecutionTimedOut"), 1);
}

/// The child has started, and waits before its code runs.
async fn a_child_with_options_starts_as_asked_when_its_server_was_killed(database: Database) {
    let (first, client) = server(&database).await;
    client.register(&[("label", "keyword")]).await;
    let input = json!({
        "workflow": "tries", "input": 2, "workflow_id": "child",
        "attempts": 2, "start_delay_millis": 1_500, "note": "mine",
    });
    let parent = family(&client, input).await;
    eventually("the child has started", async || {
        let history = parent.history().await;
        (count(&history, "ChildWorkflowExecutionStarted") == 1).then_some(())
    })
    .await;
    first.kill().await;

    let second = Server::start(&database).await;
    let told = parent.on(&second).completed().await;
    assert_eq!((&told["attempt"], &told["note"]), (&json!(2), &json!("mine")));
    assert_eq!(runs_of(&second.client(), "tries").await.len(), 2, "each attempt once");
}
