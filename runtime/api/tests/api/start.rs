//! Starting runs.

use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use dacapo_model::limits::Limits;
use serde_json::json;

use crate::client::{BASE, Node, request};
use crate::scripts;

fn runs() -> String {
    format!("{BASE}/runs")
}

#[tokio::test]
async fn a_start_is_answered_with_the_run_it_made() {
    let node = Node::start().await;
    let answer = node.post(&runs(), r#"{"workflow": "echo", "workflow_id": "order-17"}"#).await;
    assert_eq!(answer.status, 201);
    let started = answer.json();
    assert_eq!(started["workflow_id"], "order-17");
    assert_eq!(started["started"], true);
    assert_eq!(started.as_object().expect("an object").len(), 3, "{started}");

    // Without a workflow id, the run's id is its name.
    let started = node.post(&runs(), r#"{"workflow": "echo"}"#).await.json();
    assert_eq!(started["workflow_id"], started["run_id"]);
}

#[tokio::test]
async fn a_start_that_waits_has_the_result_byte_for_byte() {
    let node = Node::start().await;
    let input = r#"{"b": 1.10, "a": [1e400,  12345678901234567890123], "b": "ü"}"#;
    let body = format!(r#"{{"workflow": "echo", "input":   {input} }}"#);
    let answer = node.post(&format!("{}?wait=60", runs()), body).await;
    assert_eq!(answer.status, 201);
    assert!(answer.text().contains(&format!(r#""result":{input},"#)), "{}", answer.text());
    assert!(answer.text().contains(r#""status":"completed""#), "{}", answer.text());
}

#[tokio::test]
async fn a_start_that_does_not_wait_long_enough_has_the_status() {
    let node = Node::start().await;
    let answer = node.post(&format!("{}?wait=0.01", runs()), r#"{"workflow": "wait"}"#).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (201, &json!("running")));
    assert_eq!(answer.json().get("closed_at"), None);
}

#[tokio::test]
async fn bytes_that_are_not_json_go_in_and_come_out_as_base64() {
    let node = Node::start().await;
    let body = r#"{"workflow": "echo", "input_base64": "/wAB"}"#;
    let answer = node.post(&format!("{}?wait=60", runs()), body).await.json();
    assert_eq!(answer["result_base64"], "/wAB");
    assert_eq!(answer.get("result"), None);
    let both = r#"{"workflow": "echo", "input": 1, "input_base64": "/wAB"}"#;
    node.post(&runs(), both).await.refused(400, "invalid_argument");
}

#[tokio::test]
async fn a_repeat_with_the_same_request_id_finds_the_first_run() {
    let node = Node::start().await;
    let body = r#"{"workflow": "echo", "workflow_id": "w", "request_id": "r-1"}"#;
    let first = node.post(&format!("{}?wait=60", runs()), body).await.json();
    let again = node.post(&runs(), body).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["run_id"], first["run_id"]);
    assert_eq!(again.json()["started"], false);
}

#[tokio::test]
async fn the_policies_say_what_happens_to_a_workflow_id_that_is_in_use() {
    let node = Node::start().await;
    let open = node.start_run("wait", "w").await;
    let start = async |policies: &str| {
        let options = format!(r#""options": {{{policies}}}"#);
        let body = format!(r#"{{"workflow": "wait", "workflow_id": "w", {options}}}"#);
        node.post(&runs(), body).await
    };
    let refused = start("").await;
    let refused = refused.refused(409, "workflow_already_started");
    assert_eq!(refused["details"]["run_id"], open);
    let existing = start(r#""id_conflict_policy": "use_existing""#).await;
    assert_eq!((existing.status.as_u16(), &existing.json()["run_id"]), (200, &json!(open)));
    let replaced = start(r#""id_conflict_policy": "terminate_existing""#).await;
    assert_eq!(replaced.status, 201);
    assert_ne!(replaced.json()["run_id"], open);

    node.post(&format!("{}/w/terminate", runs()), "").await;
    let refused = start(r#""id_reuse_policy": "reject_duplicate""#).await;
    refused.refused(409, "workflow_already_started");
    assert_eq!(start(r#""id_reuse_policy": "allow_duplicate_failed_only""#).await.status, 201);
}

#[tokio::test]
async fn a_type_that_several_modules_define_needs_a_module() {
    let node = Node::start().await;
    node.put(&format!("{BASE}/modules/other"), b"echo").await;
    let start = async |body: &'static str| node.post(&runs(), body).await;
    start(r#"{"workflow": "echo"}"#).await.refused(409, "workflow_type_ambiguous");
    let named = start(r#"{"workflow": "echo", "options": {"module": "other"}}"#).await;
    assert_eq!(named.status, 201);
    let unknown = start(r#"{"workflow": "echo", "options": {"module": "none"}}"#).await;
    unknown.refused(404, "module_not_found");
    start(r#"{"workflow": "no such"}"#).await.refused(404, "workflow_type_not_found");
}

#[tokio::test]
async fn a_body_that_can_t_be_read_is_refused_with_the_place() {
    let node = Node::start().await;
    let refused = node.post(&runs(), "{\"workflow\": \"echo\",\n  oops}").await;
    let refused = refused.refused(400, "invalid_request");
    assert_eq!(
        (&refused["details"]["line"], &refused["details"]["column"]),
        (&json!("2"), &json!("3"))
    );

    let misspelt = node.post(&runs(), r#"{"workflow": "echo", "worklfow_id": "w"}"#).await;
    let misspelt = misspelt.refused(400, "invalid_request");
    assert!(misspelt["message"].as_str().expect("a message").contains("worklfow_id"), "{misspelt}");

    node.post(&runs(), "").await.refused(400, "invalid_request");
    node.post(&runs(), "[]").await.refused(400, "invalid_request");
    node.post(&runs(), vec![b'"', 0xff, b'"']).await.refused(400, "invalid_request");
    node.post(&runs(), r#"{"workflow": ""}"#).await.refused(400, "invalid_argument");
    let nested = "[".repeat(100_000);
    node.post(&runs(), nested).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn a_body_that_is_not_said_to_be_json_is_refused() {
    let node = Node::start().await;
    let typed = |content_type: &'static str| {
        let mut request = request(Method::POST, &runs(), Body::from(r#"{"workflow": "echo"}"#));
        let value = HeaderValue::from_static(content_type);
        request.headers_mut().insert(header::CONTENT_TYPE, value);
        node.send(request)
    };
    typed("application/x-www-form-urlencoded").await.refused(400, "invalid_request");
    assert_eq!(typed("application/json; charset=utf-8").await.status, 201);
    assert_eq!(typed("application/cloudevents+json").await.status, 201);
    let untyped = request(Method::POST, &runs(), Body::from(r#"{"workflow": "echo"}"#));
    let refused = node.send(untyped).await;
    let refused = refused.refused(400, "invalid_request");
    assert!(refused["message"].as_str().expect("a message").contains("--json"), "{refused}");
}

#[tokio::test]
async fn arrays_are_not_taken_for_objects() {
    let node = Node::start().await;
    for body in [
        r#"["echo", "arr-1", "r", {}]"#,
        r#"{"workflow": "echo", "options": ["m"]}"#,
        r#"{"workflow": "echo", "signal": ["approved"]}"#,
        r#"{"workflow": "echo", "update": ["add"]}"#,
        r#"{"workflow": "echo", "options": {"retry_policy": [1.0]}}"#,
    ] {
        let refused = node.post(&runs(), body).await;
        let refused = refused.refused(400, "invalid_request");
        assert!(refused["message"].as_str().expect("a message").contains("an object"), "{refused}");
    }
    node.start_run("wait", "w").await;
    for (path, body) in [
        ("w/cancel", r#"["reason"]"#),
        ("w/signals/s", "[1]"),
        ("w/reset", r#"{"event_id": "first", "module": ["digest"]}"#),
        ("w/activities/1/fail", r#"{"failure": ["application", "E"]}"#),
        ("w/activities/1/fail", r#"{"failure": {"type": "E", "causes": [["application", "E"]]}}"#),
    ] {
        node.post(&format!("{}/{path}", runs()), body).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn ids_that_paths_can_t_hold_are_refused() {
    let node = Node::start().await;
    for id in [".", ".."] {
        let body = json!({"workflow": "echo", "workflow_id": id}).to_string();
        node.post(&runs(), body).await.refused(400, "invalid_argument");
        let signal = json!({"workflow": "echo", "signal": {"name": id}}).to_string();
        node.post(&runs(), signal).await.refused(400, "invalid_argument");
        let update = json!({"workflow": "echo", "update": {"name": "u", "update_id": id}});
        node.post(&runs(), update.to_string()).await.refused(400, "invalid_argument");
        node.put(&format!("{BASE}/modules/{id}"), scripts::ALL)
            .await
            .refused(400, "invalid_argument");
    }
    assert_eq!(node.start_run("echo", "...").await.len(), 36);
}

#[tokio::test]
async fn an_input_over_the_limit_is_refused_and_a_much_larger_body_is_not_even_read() {
    let limits = Limits { payload_bytes_max: 100, ..Limits::default() };
    let node = Node::empty(limits).await;
    node.put(&format!("{BASE}/modules/scripts"), scripts::ALL).await;
    let start = async |bytes: usize| {
        let body = format!(r#"{{"workflow": "echo", "input": "{}"}}"#, "x".repeat(bytes));
        node.post(&runs(), body).await
    };
    assert_eq!(start(98).await.status, 201);
    start(99).await.refused(413, "payload_too_large");
    let refused = start(70_000).await;
    let refused = refused.refused(413, "payload_too_large");
    assert_eq!(refused["details"]["bytes_max"], (3 * 100 + 64 * 1024).to_string());
}

#[tokio::test]
async fn a_wait_outside_its_range_is_refused_before_anything_is_started() {
    let node = Node::start().await;
    for wait in ["-1", "301", "NaN", "soon", "inf"] {
        let body = r#"{"workflow": "echo", "workflow_id": "w"}"#;
        let answer = node.post(&format!("{}?wait={wait}", runs()), body).await;
        let refused = answer.refused(400, "invalid_argument");
        assert!(refused["message"].as_str().expect("a message").contains("wait"), "{refused}");
    }
    node.get(&format!("{}/w", runs())).await.refused(404, "run_not_found");
}

#[tokio::test]
async fn a_workflow_id_may_be_any_text() {
    let node = Node::start().await;
    let body = json!({"workflow": "echo", "workflow_id": "order/17 ü?#%25"});
    let started = node.post(&format!("{}?wait=60", runs()), body.to_string()).await.json();
    let found = node.get(&format!("{}/order%2F17%20%C3%BC%3F%23%2525", runs())).await;
    assert_eq!(found.status, 200, "{}", found.text());
    assert_eq!(found.json()["run_id"], started["run_id"]);
    assert_eq!(found.json()["workflow_id"], "order/17 ü?#%25");
    let control = json!({"workflow": "echo", "workflow_id": "a\nb"});
    node.post(&runs(), control.to_string()).await.refused(400, "invalid_argument");
    node.get(&format!("{}/a%0Ab", runs())).await.refused(400, "invalid_argument");
}

#[tokio::test]
async fn a_memo_is_given_back_byte_for_byte_and_a_search_attribute_is_what_was_meant() {
    let node = Node::empty(Limits::default()).await;
    node.put(&format!("{BASE}/modules/scripts"), scripts::ALL).await;
    let start = |id: &str, options: &str| {
        format!(r#"{{"workflow": "serve", "workflow_id": "{id}", "options": {options}}}"#)
    };
    let memo = r#"{"a":{ "z": 1.10, "b": [12345678901234567890123, 1E400] }}"#;
    let body = start("m", &format!(r#"{{"memo": {memo}}}"#));
    node.post(&format!("{BASE}/runs"), body).await;
    for path in ["runs/m", "runs", "runs/m/history"] {
        let shown = node.get(&format!("{BASE}/{path}")).await;
        let text = String::from_utf8_lossy(&shown.body).into_owned();
        assert!(text.contains(&format!(r#""memo":{memo}"#)), "{path}: {text}");
    }
    let deep = format!(r#"{{"memo": {{"a": {}1{}}}}}"#, "[".repeat(200), "]".repeat(200));
    for options in [
        deep.as_str(),
        r#"{"search_attributes": {"a": 9223372036854775808}}"#,
        r#"{"search_attributes": {"a": {"type": "Text", "value": "a", "valeu": 1}}}"#,
        r#"{"search_attributes": {"a": {"type": "Datetime", "value": "-0001-01-01T00:00:00Z"}}}"#,
        r#"{"search_attributes": {"a": {"type": "Datetime", "value": "9999-12-31T23:59:60Z"}}}"#,
    ] {
        let refused = node.post(&format!("{BASE}/runs"), start("n", options)).await;
        refused.refused(400, "invalid_argument");
    }
}

#[tokio::test]
async fn plain_json_has_the_type_that_is_registered() {
    let node = Node::empty(Limits::default()).await;
    node.put(&format!("{BASE}/modules/scripts"), scripts::ALL).await;
    let path = format!("{BASE}/search-attributes");
    for (name, attribute_type) in [("due", "datetime"), ("amount", "double"), ("note", "text")] {
        let request = format!(r#"{{"name": "{name}", "type": "{attribute_type}"}}"#);
        assert_eq!(node.post(&path, request.clone()).await.status, 201);
        assert_eq!(node.post(&path, request).await.status, 200, "a repeat");
    }
    let start = |id: &str, attributes: &str| {
        let options = format!(r#"{{"search_attributes": {attributes}}}"#);
        format!(r#"{{"workflow": "serve", "workflow_id": "{id}", "options": {options}}}"#)
    };
    let plain = r#"{"due": "2030-01-02T03:04:05Z", "amount": 17, "note": "a b"}"#;
    assert_eq!(node.post(&format!("{BASE}/runs"), start("p", plain)).await.status, 201);
    let shown = node.get(&format!("{BASE}/runs/p")).await.json();
    let shown = &shown["search_attributes"];
    assert_eq!(shown["due"], json!({"type": "Datetime", "value": "2030-01-02T03:04:05.000000Z"}));
    assert_eq!(shown["amount"], json!({"type": "Double", "value": 17.0}));
    assert_eq!(shown["note"], json!({"type": "Text", "value": "a b"}));
    for (attributes, about) in [
        (r#"{"tier": "gold"}"#, "`dacapo search-attribute add tier=keyword`"),
        (r#"{"amount": true}"#, "is registered as double, and its value is bool"),
        (r#"{"due": "tomorrow"}"#, "is registered as datetime"),
        (r#"{"amount": {"type": "Int", "value": 17}}"#, "its value is int"),
    ] {
        let refused = node.post(&format!("{BASE}/runs"), start("q", attributes)).await;
        let told = refused.refused(400, "search_attribute_invalid");
        assert!(told["message"].as_str().is_some_and(|text| text.contains(about)), "{told}");
    }
    node.get(&format!("{BASE}/runs/q")).await.refused(404, "run_not_found");
    let listed = node.get(&path).await.json();
    let names = listed["search_attributes"].as_array().expect("a list").iter();
    let names: Vec<_> = names.map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["amount", "due", "note"]);

    let other = r#"{"name": "amount", "type": "int"}"#;
    node.post(&path, other).await.refused(409, "search_attribute_already_registered");
    for removed in [true, false] {
        let answer = node.delete(&format!("{path}/amount")).await.json();
        assert_eq!(answer, json!({ "removed": removed }));
    }
    assert_eq!(node.post(&path, other).await.status, 201, "it is free");
    for name in ["a-b", "WorkflowId", "TemporalX"] {
        let request = format!(r#"{{"name": "{name}", "type": "int"}}"#);
        node.post(&path, request).await.refused(400, "invalid_argument");
    }
}
