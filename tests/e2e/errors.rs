//! Every wrong request is answered in the same shape, with a stable code and a
//! message that helps.

use dacapo_tests::{Answer, Client, Database, Server, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases! {
    a_body_that_can_not_be_read_is_refused_with_its_line_and_column,
    what_does_not_exist_is_named,
    arguments_that_break_a_rule_are_named_with_the_rule,
    too_much_is_refused_with_the_limit,
}

async fn start(database: &Database) -> (Server, Client) {
    let server = Server::start(database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    (server, client)
}

fn message_has(error: &Value, words: &[&str]) {
    let message = error["message"].as_str().unwrap_or_default();
    for word in words {
        assert!(message.contains(word), "`{word}` is missing: {message}");
    }
    assert_eq!(error["retryable"], false, "{error}");
}

async fn a_body_that_can_not_be_read_is_refused_with_its_line_and_column(database: Database) {
    let (_server, client) = start(&database).await;
    let post =
        async |body: &'static str| -> Answer { client.send(client.post_text("runs", body)).await };
    let invalid = async |body, words: &[&str]| {
        let error = post(body).await.error(400, "invalid_request");
        message_has(&error, words);
        error
    };
    let error = invalid("{\n  \"workflow\": ,\n}", &["line 2 column 15"]).await;
    assert_eq!(
        (&error["details"]["line"], &error["details"]["column"]),
        (&json!("2"), &json!("15"))
    );
    invalid("", &["empty"]).await;
    invalid("[]", &["line 1"]).await;
    invalid("{}", &["`workflow`"]).await;
    invalid(r#"{"workflow": 7}"#, &["integer `7`", "string"]).await;
    invalid(r#"{"workflow": "echo", "inptu": 1}"#, &["`inptu`", "`input`"]).await;
    invalid(r#"{"workflow": "echo", "options": {"modul": 1}}"#, &["`modul`", "`module`"]).await;
    invalid(
        r#"{"workflow": "echo", "options": {"id_reuse_policy": "maybe"}}"#,
        &["`maybe`", "`allow_duplicate`"],
    )
    .await;
    let request = client.request(Method::POST, "runs").header("content-type", "text/plain");
    let error = client.send(request.body("workflow=echo")).await.error(400, "invalid_request");
    message_has(&error, &["text/plain", "application/json"]);
    let request = client.request(Method::POST, "runs").body(r#"{"workflow": "echo"}"#);
    let error = client.send(request).await.error(400, "invalid_request");
    message_has(&error, &["no content type", "application/json"]);
    let request = client.post_text("runs/x/cancel", "{\"raeson\": 1}");
    message_has(&client.send(request).await.error(400, "invalid_request"), &["`raeson`"]);
}

async fn what_does_not_exist_is_named(database: Database) {
    let (_server, client) = start(&database).await;
    let error = client.post("runs", &json!({"workflow": "nothing"})).await;
    message_has(&error.error(404, "workflow_type_not_found"), &["nothing"]);
    let request = json!({"workflow": "echo", "options": {"module": "nothing"}});
    message_has(&client.post("runs", &request).await.error(404, "module_not_found"), &["nothing"]);
    message_has(&client.get("modules/nothing").await.error(404, "module_not_found"), &["nothing"]);

    for path in ["runs/nobody", "runs/nobody/result", "runs/nobody/history"] {
        message_has(&client.get(path).await.error(404, "run_not_found"), &["nobody"]);
    }
    for verb in ["cancel", "terminate", "retry"] {
        let error = client.post(&format!("runs/nobody/{verb}"), &json!({})).await;
        message_has(&error.error(404, "run_not_found"), &["nobody"]);
    }
    let run = client.start("echo", json!(1)).await;
    let other = "00000000-0000-7000-8000-000000000000";
    let error = client.get(&format!("runs/{}?run_id={other}", run.workflow_id)).await;
    message_has(&error.error(404, "run_not_found"), &[other, &run.workflow_id]);

    for (method, path) in [
        (Method::GET, "/api/v1/namespaces/elsewhere/runs"),
        (Method::GET, "/api/v1/namespaces/elsewhere/modules"),
        (Method::GET, "/api/v1/namespaces/elsewhere/runs/x"),
    ] {
        let error = client.send(client.request(method, path)).await;
        message_has(&error.error(404, "namespace_not_found"), &["elsewhere"]);
    }
    for path in ["/", "/api/v1/nothing", "/api/v2/namespaces/default/runs", "/health"] {
        message_has(&client.get(path).await.error(404, "route_not_found"), &[path, "openapi.json"]);
    }
    let wrong = client.send(client.request(Method::DELETE, "runs")).await;
    message_has(&wrong.error(405, "method_not_allowed"), &["DELETE"]);
    let allowed = wrong.headers["allow"].to_str().expect("text");
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    let wrong = client.get("runs/x/cancel").await;
    message_has(&wrong.error(405, "method_not_allowed"), &["GET"]);
}

async fn arguments_that_break_a_rule_are_named_with_the_rule(database: Database) {
    let (_server, client) = start(&database).await;
    let long = "x".repeat(256);
    let starts = [
        (json!({"workflow": "echo", "workflow_id": ""}), ["workflow id", "empty"]),
        (json!({"workflow": "echo", "workflow_id": long}), ["256 bytes", "255"]),
        (json!({"workflow": "echo", "workflow_id": "a\u{7}"}), ["workflow id", "control"]),
        (json!({"workflow": "echo", "workflow_id": ".."}), ["workflow id", "path"]),
        (json!({"workflow": "", "workflow_id": "a"}), ["type name", "empty"]),
        (json!({"workflow": "echo", "request_id": "r"}), ["request_id", "workflow_id"]),
        (json!({"workflow": "echo", "input_base64": "?"}), ["input_base64", "base64"]),
        (json!({"workflow": "echo", "options": {"module": "a b"}}), ["module name", "letters"]),
    ];
    for (request, words) in starts {
        let error = client.post("runs", &request).await;
        assert_eq!(error.status, 400, "{request}: {error:?}");
        let code = error.json()["code"].clone();
        assert!(code == "invalid_argument" || code == "invalid_request", "{code}");
        message_has(&error.error(400, code.as_str().expect("a code")), &words);
    }
    let both = json!({"workflow": "echo", "input": 1, "input_base64": "AA=="});
    let both = client.post("runs", &both).await.error(400, "invalid_argument");
    message_has(&both, &["input", "input_base64"]);

    let run = client.start("echo", json!(1)).await.workflow_id;
    for (path, word) in [
        ("runs?limit=0", "limit"),
        ("runs?limit=1001", "1000"),
        ("runs?limit=ten", "limit"),
        ("runs?status=sleeping", "sleeping"),
        ("runs?statsu=running", "statsu"),
        ("runs?page_token=abc", "page token"),
        ("runs?started_from=yesterday", "yesterday"),
        (&format!("runs/{run}?run_id=17"), "run_id"),
        (&format!("runs/{run}/result?wait=301"), "300"),
        (&format!("runs/{run}/result?wait=-1"), "wait"),
        (&format!("runs/{run}/result?wait=NaN"), "wait"),
        (&format!("runs/{run}/history?from=0"), "from"),
        (&format!("runs/{run}/history?limit=5000"), "1000"),
        ("runs/%00", "control"),
        ("/api/v1/namespaces/a%20b/runs", "namespace"),
    ] {
        message_has(&client.get(path).await.error(400, "invalid_argument"), &[word]);
    }
    let request = client.request(Method::GET, &format!("runs/{run}/history?follow=true"));
    let error = client.send(request.header("last-event-id", "seven")).await;
    message_has(&error.error(400, "invalid_argument"), &["Last-Event-ID"]);
    let upload = client.upload("a%20b", bytes::Bytes::new()).await;
    message_has(&upload.error(400, "invalid_argument"), &["module name"]);
}

async fn too_much_is_refused_with_the_limit(database: Database) {
    let (_server, client) = start(&database).await;
    let limit = 2 * 1024 * 1024;
    // A text has its two quotes besides.
    let fits = client.start("echo", json!("x".repeat(limit - 2))).await;
    assert_eq!(fits.completed().await.as_str().map(str::len), Some(limit - 2));
    let request = json!({"workflow": "echo", "input": "x".repeat(limit - 1)});
    let error = client.post("runs", &request).await.error(413, "payload_too_large");
    message_has(&error, &["2097153 bytes", "2097152"]);
    let request = json!({"workflow": "echo", "input": "x".repeat(5 * limit)});
    let error = client.post("runs", &request).await.error(413, "payload_too_large");
    message_has(&error, &["reference"]);
    let environment = json!({"BIG": "x".repeat(limit)});
    let request = json!({"workflow": "echo", "options": {"environment": environment}});
    let error = client.post("runs", &request).await.error(400, "invalid_argument");
    message_has(&error, &["environment"]);

    // An activity's result is refused as well, and says where to change that.
    let run = client.start("call", json!({"activity": "big_result", "input": limit})).await;
    let failure = run.failed().await;
    assert_eq!(failure["causes"][0]["type"], "PayloadTooLarge", "{failure}");
}
