//! Lists and counts with filters, over HTTP and on the command line.

use dacapo_tests::{Database, Server, dacapo, eventually, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases! {
    runs_are_found_by_what_they_are,
    pages_of_every_order_follow_each_other_and_belong_to_it,
    runs_are_counted_by_what_they_have_in_common,
    activities_are_found_by_their_queue,
    a_filter_that_makes_no_sense_is_refused_where_it_is_wrong,
    the_command_line_lists_and_counts_with_filters,
    runs_are_found_by_the_search_attributes_that_are_registered,
    runs_of_a_schedule_have_search_attributes_that_are_registered,
    a_workflow_that_sets_what_is_not_registered_goes_on_once_it_is,
    runs_are_found_by_their_tags,
}

/// With three runs that have completed, one that has failed and one that waits.
async fn server(database: &Database) -> Server {
    let server = Server::start(database).await;
    server.client().upload_guests(&["steps"]).await;
    for id in ["order-1", "order-2", "other"] {
        let request =
            json!({"workflow": "await_signals", "input": {"count": 0}, "workflow_id": id});
        server.client().start_with(&request).await.completed().await;
    }
    let input = json!({"type": "Broke", "message": "no funds"});
    let request = json!({"workflow": "fails", "input": input, "workflow_id": "order-3"});
    server.client().start_with(&request).await.failed().await;
    let request =
        json!({"workflow": "await_signals", "input": {"count": 1}, "workflow_id": "order-4"});
    server.client().start_with(&request).await;
    server
}

async fn get(server: &Server, path: &str, query: &[(&str, &str)]) -> dacapo_tests::Answer {
    let client = server.client();
    client.send(client.request(Method::GET, path).query(query)).await
}

fn ids(page: &Value) -> String {
    let runs = page["runs"].as_array().expect("runs");
    let ids: Vec<_> = runs.iter().map(|run| run["workflow_id"].as_str().expect("an id")).collect();
    ids.join(" ")
}

async fn runs_are_found_by_what_they_are(database: Database) {
    let server = server(&database).await;
    let found =
        async |filter: &str| ids(&get(&server, "runs", &[("filter", filter)]).await.ok(200));
    assert_eq!(found("ORDER BY StartTime DESC").await, "order-4 order-3 other order-2 order-1");
    assert_eq!(found("ExecutionStatus = 'Running'").await, "order-4");
    assert_eq!(found("ExecutionStatus != 'completed'").await, "order-4 order-3");
    assert_eq!(
        found("WorkflowId STARTS_WITH 'order-' AND CloseTime IS NOT NULL").await,
        "order-3 order-2 order-1"
    );
    assert_eq!(
        found("NOT (WorkflowType = 'fails' OR WorkflowId = \"other\")").await,
        "order-4 order-2 order-1"
    );
    assert_eq!(
        found("WorkflowId IN ('order-2', 'nobody') or WorkflowType = 'fails'").await,
        "order-3 order-2"
    );
    assert_eq!(
        found("ModuleName = 'steps' AND ModuleVersion = 1 AND WorkflowType = 'fails'").await,
        "order-3"
    );
    assert_eq!(found("ModuleName != 'steps'").await, "");
    assert_eq!(
        found("ExecutionDuration < '1h' AND StartTime > '2020-01-01T00:00:00Z'").await,
        "order-3 other order-2 order-1"
    );
    assert_eq!(
        found("HistoryLength > 1 AND HistorySizeBytes > 0").await,
        "order-3 other order-2 order-1"
    );
    assert_eq!(found("ParentWorkflowId IS NULL AND RootWorkflowId = 'other'").await, "other");
    assert_eq!(found("Tags IS NOT NULL OR TaskQueue IS NOT NULL").await, "");
    // Beside the conditions that have parameters of their own.
    let both = [("filter", "WorkflowId STARTS_WITH 'order-'"), ("status", "failed")];
    assert_eq!(ids(&get(&server, "runs", &both).await.ok(200)), "order-3");
}

async fn pages_of_every_order_follow_each_other_and_belong_to_it(database: Database) {
    let server = server(&database).await;
    for (filter, expected) in [
        ("ORDER BY WorkflowId", "order-1 order-2 order-3 order-4 other"),
        ("WorkflowId != 'other' ORDER BY WorkflowId DESC", "order-4 order-3 order-2 order-1"),
        ("ORDER BY StartTime", "order-1 order-2 other order-3 order-4"),
        ("ORDER BY CloseTime DESC", "order-3 other order-2 order-1"),
        ("ORDER BY CloseTime", "order-1 order-2 other order-3"),
    ] {
        let mut seen = Vec::new();
        let mut token = None;
        loop {
            let mut query = vec![("filter", filter), ("limit", "2")];
            query.extend(token.as_deref().map(|token| ("page_token", token)));
            let page = get(&server, "runs", &query).await.ok(200);
            seen.push(ids(&page));
            token = page["next_page_token"].as_str().map(str::to_owned);
            let Some(token) = &token else { break };
            let other = [
                ("filter", "ORDER BY StartTime DESC"),
                ("limit", "2"),
                ("page_token", token.as_str()),
            ];
            get(&server, "runs", &other).await.error(400, "invalid_argument");
        }
        assert_eq!(seen.join(" "), expected, "{filter}");
    }
}

async fn runs_are_counted_by_what_they_have_in_common(database: Database) {
    let server = server(&database).await;
    let count = async |query: &[(&str, &str)]| get(&server, "run-count", query).await.ok(200);
    assert_eq!(count(&[]).await, json!({"count": 5}));
    let completed = [("filter", "ExecutionStatus = 'Completed'")];
    assert_eq!(count(&completed).await, json!({"count": 3}));
    assert_eq!(
        count(&[("group_by", "ExecutionStatus")]).await,
        json!({"count": 5, "groups": [
            {"value": "completed", "count": 3},
            {"value": "failed", "count": 1},
            {"value": "running", "count": 1},
        ]})
    );
    let by_type = [("group_by", "WorkflowType"), ("filter", "WorkflowId STARTS_WITH 'order-'")];
    assert_eq!(
        count(&by_type).await,
        json!({"count": 4, "groups": [
            {"value": "await_signals", "count": 3},
            {"value": "fails", "count": 1},
        ]})
    );
    let by_module = count(&[("group_by", "ModuleName")]).await;
    assert_eq!(by_module["groups"][0]["modules"], json!(["steps@1"]), "{by_module}");
    let by_day = count(&[("group_by", "StartTime")]).await;
    let days = by_day["groups"].as_array().expect("groups");
    let total: u64 = days.iter().filter_map(|day| day["count"].as_u64()).sum();
    assert_eq!(total, 5, "{by_day}");
    let run = server.client().get("runs/other").await.ok(200);
    let started = run["started_at"].as_str().expect("a time");
    assert!(days.iter().any(|day| started.starts_with(day["value"].as_str().expect("a day"))));
    get(&server, "run-count", &[("filter", "ORDER BY StartTime")])
        .await
        .error(400, "invalid_argument");
    get(&server, "run-count", &[("group_by", "RunId")]).await.error(400, "invalid_argument");
}

async fn activities_are_found_by_their_queue(database: Database) {
    let server = Server::start(&database).await;
    for (id, queue) in [("a", "emails"), ("b", "invoices"), ("c", "emails")] {
        let request =
            json!({"activity": "send", "activity_id": id, "task_queue": queue, "input": null});
        let answer = server.client().post("activities", &request).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    }
    let found = get(&server, "activities", &[("filter", "TaskQueue = 'emails'")]).await.ok(200);
    let found = found["activities"].as_array().expect("activities");
    let ids: Vec<_> = found.iter().map(|activity| &activity["activity_id"]).collect();
    assert_eq!(ids, [&json!("c"), &json!("a")]);
    assert_eq!(get(&server, "run-count", &[]).await.ok(200), json!({"count": 0}));
}

async fn a_filter_that_makes_no_sense_is_refused_where_it_is_wrong(database: Database) {
    let server = Server::start(&database).await;
    for path in ["runs", "activities", "run-count"] {
        let filter = [("filter", "Wrokflow = 'a'")];
        let refused = get(&server, path, &filter).await.error(400, "filter_invalid");
        let message = refused["message"].as_str().expect("a message");
        assert!(
            message.contains("column 1: `Wrokflow` is no field; did you mean `WorkflowId`?"),
            "{message}"
        );
        assert_eq!(refused["details"]["column"], "1", "{refused}");
    }
}

async fn the_command_line_lists_and_counts_with_filters(database: Database) {
    let server = server(&database).await;
    let filter = "WorkflowId STARTS_WITH 'order-' ORDER BY WorkflowId";
    let listed = dacapo(&server, &["run", "list", "--filter", filter, "-o", "json"]).await.json();
    assert_eq!(ids(&listed[0]), "order-1 order-2 order-3 order-4");
    let counted = dacapo(&server, &["run", "count", "--group-by", "status"]).await;
    assert_eq!(counted.exit(0), "3  completed\n1  failed\n1  running\n5  all\n");
    let counted = dacapo(&server, &["run", "count", "--filter", "CloseTime IS NULL"]).await;
    assert_eq!(counted.exit(0), "1\n");
    let wrong = dacapo(&server, &["run", "count", "--filter", "CloseTime IS"]).await;
    assert!(wrong.exit(1).is_empty() && wrong.stderr.contains("column 13"), "{}", wrong.stderr);
}

async fn runs_are_found_by_the_search_attributes_that_are_registered(database: Database) {
    let first = Server::start(&database).await;
    first.client().upload_guests(&["steps"]).await;
    let start = |id: &str, attributes: Value| {
        let input = json!({"count": 1});
        let options = json!({ "search_attributes": attributes });
        json!({"workflow": "await_signals", "workflow_id": id, "input": input, "options": options})
    };
    let refused = first.client().post("runs", &start("early", json!({"Tier": "gold"}))).await;
    refused.error(400, "search_attribute_invalid");
    first.client().get("runs/early").await.error(404, "run_not_found");
    let types =
        ["Tier=keyword", "Amount=double", "Due=datetime", "Labels=keyword_list", "Paid=bool"];
    let add = [&["search-attribute", "add"], &types[..]].concat();
    dacapo(&first, &add).await.exit(0);
    first.kill().await;

    let server = Server::start(&database).await;
    let client = server.client();
    for (id, attributes) in [
        ("a", json!({"Tier": "gold", "Amount": 5, "Due": "2030-01-02T03:04:05Z", "Paid": true})),
        ("b", json!({"Tier": "gold", "Amount": 20.5, "Labels": ["x", "y"]})),
        ("c", json!({"Tier": "silver", "Amount": 7, "Labels": "y", "Paid": false})),
        ("d", json!({})),
    ] {
        client.start_with(&start(id, attributes)).await;
    }
    let wrong = client.post("runs", &start("e", json!({"Amount": "much"}))).await;
    let wrong = wrong.error(400, "search_attribute_invalid");
    let message = wrong["message"].as_str().expect("a message");
    assert!(message.contains("`Amount` is registered as double"), "{message}");

    for (filter, expected) in [
        ("Tier = 'gold'", "a b"),
        ("Tier = 'gold' AND Amount > 10", "b"),
        ("Amount BETWEEN 5 AND 7", "a c"),
        ("Due < '2031-01-01T00:00:00Z'", "a"),
        ("Labels = 'y'", "b c"),
        ("Paid = false", "c"),
        ("Tier IS NULL", "d"),
        ("Tier STARTS_WITH 'sil' OR Paid = true", "a c"),
    ] {
        let ordered = format!("{filter} ORDER BY WorkflowId");
        let found = get(&server, "runs", &[("filter", &ordered)]).await.ok(200);
        assert_eq!(ids(&found), expected, "{filter}");
        let counted = get(&server, "run-count", &[("filter", filter)]).await.ok(200);
        assert_eq!(counted["count"], expected.split(' ').count(), "{filter}");
    }
    let tier = [("filter", "Tier = 'gold'")];
    dacapo(&server, &["search-attribute", "remove", "Tier"]).await.exit(0);
    get(&server, "runs", &tier).await.error(400, "filter_invalid");
    assert_eq!(client.get("runs/a").await.ok(200)["search_attributes"]["Tier"]["value"], "gold");
    client.register(&[("Tier", "int")]).await;
    let other_type = [("filter", "Tier IS NOT NULL")];
    assert_eq!(ids(&get(&server, "runs", &other_type).await.ok(200)), "");
    let listed = dacapo(&server, &["search-attribute", "list"]).await;
    assert!(listed.exit(0).contains("Labels  keyword_list"), "{listed:?}");
}

async fn runs_of_a_schedule_have_search_attributes_that_are_registered(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let options = json!({"search_attributes": {"Amount": 99}});
    let action = json!({"workflow": "await_signals", "input": {"count": 0}, "options": options});
    let schedule = json!({"schedule_id": "nightly", "action": action});
    client.post("schedules", &schedule).await.error(400, "search_attribute_invalid");
    client.get("schedules/nightly").await.error(404, "schedule_not_found");
    client.register(&[("Amount", "double")]).await;
    client.post("schedules", &schedule).await.ok(201);
    let asked = client.post("schedules/nightly/trigger", &json!({})).await.ok(200);
    assert_eq!(asked["started"], 1);
    let amount = [("filter", "Amount = 99")];
    eventually("its run is found", async || {
        let found = get(&server, "run-count", &amount).await.ok(200);
        (found["count"] == 1).then_some(())
    })
    .await;
}

async fn a_workflow_that_sets_what_is_not_registered_goes_on_once_it_is(database: Database) {
    let first = Server::start(&database).await;
    let client = first.client();
    client.upload_guests(&["steps"]).await;
    client.register(&[("title", "text")]).await;
    let request = json!({"workflow": "chapters", "input": {"remaining": 0}});
    let run = client.start_with(&request).await;
    let blocked = eventually("it is blocked", async || {
        Some(run.describe().await).filter(|run| run["status"] == "blocked")
    })
    .await;
    assert_eq!(blocked["blocked"]["code"], "search_attribute_invalid", "{blocked}");
    let message = blocked["blocked"]["message"].as_str().expect("a message");
    first.kill().await;

    let second = Server::start(&database).await;
    let run = run.on(&second);
    let command = message.split('`').find_map(|it| it.strip_prefix("dacapo ")).expect("a command");
    let command: Vec<_> = command.split(' ').collect();
    assert_eq!(command, ["search-attribute", "add", "chapter=int"]);
    dacapo(&second, &command).await.exit(0);
    run.act("retry", &json!({})).await.ok(202);
    run.completed().await;
    let found = get(&second, "runs", &[("filter", "chapter = 0")]).await.ok(200);
    assert_eq!(ids(&found), run.workflow_id);
}

async fn runs_are_found_by_their_tags(database: Database) {
    let first = Server::start(&database).await;
    let client = first.client();
    client.upload_guests(&["steps"]).await;
    let input = r#"{"count": 1}"#;
    for (id, tags) in [("a", &["--tag", "new", "--tag", "it's 100%"][..]), ("b", &[])] {
        let start = ["run", "start", "await_signals", "--workflow-id", id, "--input", input];
        dacapo(&first, &[&start, tags].concat()).await.exit(0);
    }
    let options = json!({"tags": ["new", "new"]});
    let action = json!({"workflow": "await_signals", "input": {"count": 0}, "options": options});
    let schedule = json!({"schedule_id": "nightly", "action": action});
    client.post("schedules", &schedule).await.ok(201);
    client.post("schedules/nightly/trigger", &json!({})).await.ok(200);
    let new = [("filter", "Tags = 'new'")];
    eventually("the run of the schedule is found", async || {
        let found = get(&first, "run-count", &new).await.ok(200);
        (found["count"] == 2).then_some(())
    })
    .await;
    dacapo(&first, &["run", "tag", "a", "--add", "late", "--remove", "new"]).await.exit(0);
    first.kill().await;

    let server = Server::start(&database).await;
    let client = server.client();
    let many: Vec<_> = (0..33).map(|number| format!("t{number}")).collect();
    for wrong in [json!({}), json!({"add": [" x"]}), json!({"add": many}), json!({"tag": ["x"]})] {
        let refused = client.post("runs/a/tags", &wrong).await;
        assert_eq!(refused.status, 400, "{refused:?}");
    }
    let run = client.get("runs/a").await.ok(200);
    assert_eq!(run["tags"], json!(["it's 100%", "late"]), "{run}");
    for (filter, expected) in [
        ("Tags = 'late'", "a"),
        ("Tags IN ('none', 'it''s 100%')", "a"),
        ("Tags != 'new'", "a"),
        ("Tags = 'Late'", ""),
        ("Tags IS NULL AND WorkflowType = 'await_signals'", "b"),
    ] {
        let found = get(&server, "runs", &[("filter", filter)]).await.ok(200);
        assert_eq!(ids(&found), expected, "{filter}");
    }
    let history = client.get("runs/a/history").await.ok(200);
    let events = history["events"].as_array().expect("events");
    let changed = events.iter().find(|it| it["event_type"] == "WorkflowExecutionTagsUpdated");
    let changed = &changed.expect("it is recorded")["attributes"];
    assert_eq!(*changed, json!({"added": ["late"], "removed": ["new"]}));

    let batch = ["batch", "start", "tag", "--add", "seen", "--remove", "late", "--batch-id", "b"];
    let which = ["--filter", "ExecutionStatus = 'Running'", "--yes"];
    dacapo(&server, &[&batch[..], &which].concat()).await.exit(0);
    eventually("the batch ends", async || {
        let batch = client.get("batches/b").await.ok(200);
        (batch["status"] != "running").then_some(())
    })
    .await;
    for (id, tags) in [("a", json!(["it's 100%", "seen"])), ("b", json!(["seen"]))] {
        assert_eq!(client.get(&format!("runs/{id}")).await.ok(200)["tags"], tags);
    }
    dacapo(&server, &["run", "terminate", "b"]).await.exit(0);
    client.post("runs/b/tags", &json!({"add": ["x"]})).await.error(409, "run_closed");
    let shown = dacapo(&server, &["run", "show", "b"]).await;
    assert!(shown.exit(0).contains("seen"), "{shown:?}");
}
