//! Keys, what they permit, and the log of what was done with them.

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, header};
use dacapo_api::{ClientAddress, Need, access_rules};
use dacapo_model::access::{ApiKeySecret, Grants, Permission, Role};
use dacapo_model::time::Timestamp;
use dacapo_service::access::{Caller, NewApiKey};
use serde_json::{Value, json};

use crate::audit::{actions, entries};
use crate::client::{Answer, BASE, Node, request};

/// A key of a server, made at its database.
pub(crate) async fn key(node: &Node, grants: &[&str]) -> ApiKeySecret {
    key_until(node, grants, None).await
}

pub(crate) async fn key_until(
    node: &Node,
    grants: &[&str],
    expires_at: Option<Timestamp>,
) -> ApiKeySecret {
    let grants = Grants::new(grants.iter().map(|text| text.parse().expect("a grant")));
    let new = NewApiKey { name: "a key".to_owned(), grants: grants.expect("valid"), expires_at };
    let made = node.runtime.create_api_key(&Caller::at_the_database(), new).await;
    made.expect("there is room").0
}

pub(crate) fn with_key(mut request: Request<Body>, key: &str) -> Request<Body> {
    let value = HeaderValue::from_str(&format!("Bearer {key}")).expect("a header");
    request.headers_mut().insert(header::AUTHORIZATION, value);
    request
}

pub(crate) async fn get(node: &Node, key: &ApiKeySecret, path: &str) -> Answer {
    send(node, key, Method::GET, path, None).await
}

pub(crate) async fn send(
    node: &Node,
    key: &ApiKeySecret,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let mut request = with_key(request(method, path, body), key.expose());
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    node.send(request).await
}

/// Every route of the description: its method, its path with something for each parameter,
/// and its name.
pub(crate) fn routes() -> Vec<(Method, String, String)> {
    let document = serde_json::to_value(dacapo_api::openapi()).expect("JSON");
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let path = path.replace("{namespace}", "default").replace("{operation_id}", "7");
        let path: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        for (method, operation) in operations.as_object().expect("operations") {
            if let Ok(method) = method.to_uppercase().parse::<Method>()
                && let Some(name) = operation["operationId"].as_str()
            {
                routes.push((method, path.join("/"), name.to_owned()));
            }
        }
    }
    assert!(routes.len() > 60, "{}", routes.len());
    routes
}

fn need_of(operation: &str) -> Need {
    access_rules().iter().find(|rule| rule.operation == operation).expect("a row").need
}

/// Whether a request was let through, whatever became of it then.
fn is_let_through(answer: &Answer) -> bool {
    match answer.status.as_u16() {
        401 | 429 => false,
        403 => answer.json()["code"] != "permission_denied",
        _ => true,
    }
}

#[tokio::test]
async fn every_route_is_open_to_the_roles_that_its_row_names_and_to_no_other() {
    let node = Node::guarded().await;
    node.make_namespace("elsewhere").await;
    for role in Role::ALL {
        // In this namespace, in another, in all of them.
        let here = key(&node, &[&format!("{role}@default")]).await;
        let elsewhere = key(&node, &[&format!("{role}@elsewhere")]).await;
        let everywhere = key(&node, &[role.as_str()]).await;
        for (method, path, operation) in routes() {
            let expected = match need_of(&operation) {
                Need::Nothing | Need::Key => [true, true, true],
                Need::Namespace(it) => [role.permits(it), false, role.permits(it)],
                Need::Anywhere(it) => [role.permits(it); 3],
                Need::Everywhere(it) => [false, false, role.permits(it)],
            };
            for (key, expected) in [&here, &elsewhere, &everywhere].into_iter().zip(expected) {
                let answer = send(&node, key, method.clone(), &path, None).await;
                let is_open = is_let_through(&answer);
                assert_eq!(is_open, expected, "{role} {method} {path}: {}", answer.text());
                if !expected {
                    answer.refused(403, "permission_denied");
                }
            }
        }
    }
}

#[tokio::test]
async fn whoever_does_not_say_who_they_are_is_asked_to() {
    let node = Node::guarded().await;
    for (number, (method, path, operation)) in routes().into_iter().enumerate() {
        let mut request = request(method, &path, Body::empty());
        // Each from another address, as nobody may fail often.
        let last = u8::try_from(number).expect("few");
        request.extensions_mut().insert(ClientAddress([10, 0, 0, last].into()));
        let answer = node.send(request).await;
        if need_of(&operation) == Need::Nothing {
            assert!(is_let_through(&answer), "{path}");
        } else {
            answer.refused(401, "unauthenticated");
            assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"dacapo\"");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_not_shown() {
    let node = Node::guarded().await;
    let path = format!("{BASE}/runs");
    let unknown = ApiKeySecret::new([7; 32]);
    let valid = key(&node, &["reader"]).await;
    let cut = &valid.expose()[..67];
    for wrong in [unknown.expose(), cut, "", "dcp_", &"x".repeat(20_000)] {
        let answer = node.send(with_key(request(Method::GET, &path, Body::empty()), wrong)).await;
        answer.refused(401, "unauthenticated");
        assert!(wrong.len() < 10 || !answer.text().contains(wrong), "{}", answer.text());
    }
    let mut basic = request(Method::GET, &path, Body::empty());
    let value = format!("Basic {}", valid.expose()).parse().expect("a header");
    basic.headers_mut().insert(header::AUTHORIZATION, value);
    let answer = node.send(basic).await;
    answer.refused(401, "unauthenticated");
    assert!(!answer.text().contains(valid.expose()));
    let mut twice = with_key(request(Method::GET, &path, Body::empty()), valid.expose());
    let value = format!("Bearer {}", unknown.expose()).parse().expect("a header");
    twice.headers_mut().append(header::AUTHORIZATION, value);
    node.send(twice).await.refused(401, "unauthenticated");
    assert_eq!(get(&node, &valid, &path).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_revoked_key_is_refused_from_the_answer_on() {
    let node = Node::guarded().await;
    let (admin, reader) = (key(&node, &["admin"]).await, key(&node, &["reader"]).await);
    let path = format!("{BASE}/runs");
    assert_eq!(get(&node, &reader, &path).await.status.as_u16(), 200);
    let id = reader.hash().id();
    let revoke = format!("/api/v1/api-keys/{id}");
    let answer = send(&node, &admin, Method::DELETE, &revoke, None).await;
    assert_eq!(answer.json(), json!({"id": id.as_str()}));
    get(&node, &reader, &path).await.refused(401, "unauthenticated");
    send(&node, &admin, Method::DELETE, &revoke, None).await.refused(404, "api_key_not_found");
    // Whoever mistakes the key for its id has given it away, and is told so without it.
    let given_away = format!("/api/v1/api-keys/{}", reader.expose());
    let answer = send(&node, &admin, Method::DELETE, &given_away, None).await;
    answer.refused(400, "invalid_argument");
    assert!(!answer.text().contains(reader.expose()));
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let node = Node::guarded().await;
    let soon = node.now().after(std::time::Duration::from_millis(300));
    let reader = key_until(&node, &["reader"], Some(soon)).await;
    let path = format!("{BASE}/runs");
    while node.now() < soon {
        if get(&node, &reader, &path).await.status.as_u16() != 200 {
            assert!(node.now() >= soon, "it was refused before its time was over");
        }
    }
    get(&node, &reader, &path).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_key_is_made_shown_once_and_does_what_it_permits() {
    let node = Node::guarded().await;
    let admin = key(&node, &["admin"]).await;
    let body =
        json!({"name": "of a worker", "grants": [{"role": "worker", "namespace": "default"}]});
    let made = send(&node, &admin, Method::POST, "/api/v1/api-keys", Some(body)).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text());
    assert_eq!(made.headers[header::CACHE_CONTROL], "no-store");
    let made = made.json();
    let worker: ApiKeySecret = made["key"].as_str().expect("a key").parse().expect("valid");
    let answer = get(&node, &worker, &format!("{BASE}/runs")).await;
    let refused = answer.refused(403, "permission_denied");
    assert_eq!(refused["details"]["permission"], "read");
    let poll = format!("{BASE}/task-queues/q/poll");
    let polled = send(&node, &worker, Method::POST, &poll, Some(json!({}))).await;
    assert!(is_let_through(&polled), "{}", polled.text());
    let listed = get(&node, &admin, "/api/v1/api-keys").await;
    assert!(!listed.text().contains(worker.expose()), "it is shown once");
    let listed = listed.json();
    assert_eq!(listed["api_keys"][1]["id"], made["api_key"]["id"]);
    assert_eq!(
        listed["api_keys"][1]["grants"],
        json!([{"namespace": "default", "role": "worker"}])
    );
}

#[tokio::test]
async fn whoever_administers_one_namespace_rules_over_its_keys_alone() {
    let node = Node::guarded().await;
    let of_all = key(&node, &["admin"]).await;
    let here = key(&node, &["admin@default"]).await;
    let make = async |grants: Value| {
        let body = json!({"name": "k", "grants": grants});
        send(&node, &here, Method::POST, "/api/v1/api-keys", Some(body)).await
    };
    make(json!([{"role": "reader"}])).await.refused(403, "permission_denied");
    make(json!([{"role": "reader", "namespace": "other"}])).await.refused(403, "permission_denied");
    let made = make(json!([{"role": "admin", "namespace": "default"}])).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text());
    let listed = get(&node, &here, "/api/v1/api-keys").await.json();
    assert_eq!(listed["api_keys"].as_array().expect("a list").len(), 2, "{listed}");
    let revoke = format!("/api/v1/api-keys/{}", of_all.hash().id());
    send(&node, &here, Method::DELETE, &revoke, None).await.refused(404, "api_key_not_found");
    get(&node, &here, "/api/v1/audit").await.refused(403, "permission_denied");
}

#[tokio::test]
async fn what_is_wrong_with_a_key_to_make_is_said() {
    let node = Node::guarded().await;
    let admin = key(&node, &["admin"]).await;
    let reader = json!([{"role": "reader"}]);
    for (body, code) in [
        (json!({"name": "", "grants": reader}), "invalid_argument"),
        (json!({"name": "x".repeat(129), "grants": reader}), "invalid_argument"),
        (json!({"name": "a\u{0}b", "grants": reader}), "invalid_argument"),
        (json!({"name": "k", "grants": []}), "invalid_argument"),
        (
            json!({"name": "k", "grants": reader, "expires_at": "2001-01-01T00:00:00Z"}),
            "invalid_argument",
        ),
        (json!({"name": "k", "grants": [{"role": "owner"}]}), "invalid_request"),
        (json!({"name": "k", "grants": reader, "key": "mine"}), "invalid_request"),
    ] {
        let answer = send(&node, &admin, Method::POST, "/api/v1/api-keys", Some(body)).await;
        answer.refused(400, code);
    }
}

#[tokio::test]
async fn who_fails_often_is_not_looked_at_and_whoever_has_a_key_is() {
    let node = Node::guarded().await;
    let reader = key(&node, &["reader"]).await;
    let path = format!("{BASE}/runs");
    let unknown = ApiKeySecret::new([9; 32]);
    for _ in 0..30 {
        get(&node, &unknown, &path).await.refused(401, "unauthenticated");
    }
    let refused = get(&node, &unknown, &path).await;
    refused.refused(429, "too_many_failed_authentications");
    assert_eq!(refused.headers[header::RETRY_AFTER], "60");
    assert_eq!(get(&node, &reader, &path).await.status.as_u16(), 200, "of the same address");
}

#[tokio::test]
async fn the_use_of_a_key_is_noted() {
    let node = Node::guarded().await;
    let admin = key(&node, &["admin"]).await;
    loop {
        let listed = get(&node, &admin, "/api/v1/api-keys").await.json();
        if listed["api_keys"][0]["last_used_at"].is_string() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_open_server_asks_nobody_and_logs_nothing() {
    let node = Node::start().await;
    for _ in 0..3 {
        assert_eq!(node.get(&format!("{BASE}/modules")).await.status.as_u16(), 200);
    }
    node.delete(&format!("{BASE}/modules/none")).await;
    let with_key =
        with_key(request(Method::GET, &format!("{BASE}/modules"), Body::empty()), "dcp_");
    assert_eq!(node.send(with_key).await.status.as_u16(), 200);
    assert!(!node.has_looked_for_keys());
    assert_eq!(node.get("/api/v1/audit").await.json(), json!({"entries": []}));
}

#[test]
fn each_permission_opens_something() {
    for permission in Permission::ALL {
        let opens = |need| match need {
            Need::Nothing | Need::Key => false,
            Need::Namespace(it) | Need::Anywhere(it) | Need::Everywhere(it) => it == permission,
        };
        assert!(access_rules().iter().any(|rule| opens(rule.need)), "{permission:?}");
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_have_is_refused_with_those_that_it_has() {
    let node = Node::guarded().await;
    let worker = key(&node, &["worker@default"]).await;
    let mut paths: Vec<String> = routes().into_iter().map(|(_, path, _)| path).collect();
    paths.dedup();
    for path in paths {
        let has: Vec<Method> = routes()
            .into_iter()
            .filter(|(_, other, _)| *other == path)
            .map(|(method, ..)| method)
            .collect();
        let all = [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE];
        for method in all.into_iter().filter(|it| !has.contains(it)).chain([Method::OPTIONS]) {
            let answer = send(&node, &worker, method.clone(), &path, None).await;
            answer.refused(405, "method_not_allowed");
            let allowed = answer.headers[header::ALLOW].to_str().expect("text");
            let allowed: Vec<&str> = allowed.split(',').filter(|it| *it != "HEAD").collect();
            assert_eq!(allowed.len(), has.len(), "{method} {path}: {allowed:?}");
            assert!(has.iter().all(|it| allowed.contains(&it.as_str())), "{path}: {allowed:?}");
        }
    }
    assert_eq!(actions(&node).await, ["create_api_key"], "nothing was asked for");
    node.delete(&format!("{BASE}/runs")).await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_start_that_takes_the_place_of_an_open_run_needs_what_terminating_it_needs() {
    let node = Node::guarded().await;
    let developer = key(&node, &["developer@default"]).await;
    let operator = key(&node, &["operator@default"]).await;
    let options = json!({"id_conflict_policy": "terminate_existing"});
    let run = json!({"workflow": "none", "workflow_id": "order-17", "options": options});
    let activity = json!({
        "activity": "none", "task_queue": "q", "activity_id": "job-1", "options": options
    });
    let bodies = [("runs", &run, "terminate_run"), ("activities", &activity, "terminate_activity")];
    for (place, body, action) in bodies {
        let path = format!("{BASE}/{place}");
        let start = async |key, body: &Value| {
            send(&node, key, Method::POST, &path, Some(body.clone())).await
        };
        let refused = start(&developer, body).await;
        assert_eq!(refused.refused(403, "permission_denied")["details"]["permission"], "operate");
        let before = actions(&node).await.len();
        let mut harmless = body.clone();
        harmless["options"] = json!({});
        assert!(is_let_through(&start(&developer, &harmless).await), "it terminates nothing");
        assert_eq!(actions(&node).await.len(), before);
        assert!(is_let_through(&start(&operator, body).await));
        let entry = &entries(&node).await[0];
        assert_eq!(entry.action, action);
        assert_eq!(entry.principal, format!("key:{}", operator.hash().id()));
        assert_eq!(entry.namespace.as_deref(), Some("default"));
        let id = if place == "runs" { "order-17" } else { "job-1" };
        assert_eq!(entry.target, format!("to be replaced by a start: {id}"));
    }
}
