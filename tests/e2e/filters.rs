//! Lists and counts with filters, over HTTP and on the command line.

use dacapo_tests::{Database, Server, dacapo, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases! {
    runs_are_found_by_what_they_are,
    pages_of_every_order_follow_each_other_and_belong_to_it,
    runs_are_counted_by_what_they_have_in_common,
    activities_are_found_by_their_queue,
    a_filter_that_makes_no_sense_is_refused_where_it_is_wrong,
    the_command_line_lists_and_counts_with_filters,
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
