//! Uploading and reading modules.

use axum::body::Body;
use axum::http::{Method, header};
use bytes::Bytes;
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use futures::{poll, stream};
use serde_json::json;

use crate::client::{BASE, Node, request};

#[tokio::test]
async fn an_upload_makes_a_version_and_the_same_bytes_make_none() {
    let node = Node::empty(Limits::default()).await;
    let path = format!("{BASE}/modules/checkout");
    let first = node.put(&path, b"echo").await;
    assert_eq!(first.status, 201);
    let version = first.json();
    assert_eq!(version["name"], "checkout");
    assert_eq!(version["version"], 1);
    assert_eq!(version["digest"], ModuleDigest::of(b"echo").to_string());
    assert_eq!(version["size_bytes"], 4);
    assert_eq!(version["workflows"], json!(["echo"]));
    assert_eq!(version["activities"], json!(["greet", "decline"]));
    assert!(version["created_at"].as_str().expect("a time").ends_with('Z'));

    let again = node.put(&path, b"echo").await;
    assert_eq!((again.status.as_u16(), again.json()), (200, version));
    let other = node.put(&path, b"echo\nwait").await;
    assert_eq!((other.status.as_u16(), &other.json()["version"]), (201, &json!(2)));
}

#[tokio::test]
async fn the_list_has_the_newest_versions_and_a_module_all_of_its_own() {
    let node = Node::empty(Limits::default()).await;
    assert_eq!(node.get(&format!("{BASE}/modules")).await.json(), json!({"modules": []}));
    node.put(&format!("{BASE}/modules/a"), b"echo").await;
    let newest = node.put(&format!("{BASE}/modules/a"), b"wait").await.json();
    let b = node.put(&format!("{BASE}/modules/b"), b"fail").await.json();
    let list = node.get(&format!("{BASE}/modules")).await;
    assert_eq!(list.json(), json!({"modules": [newest, b]}));
    let versions = node.get(&format!("{BASE}/modules/a")).await.json();
    let numbers: Vec<_> = versions["versions"].as_array().expect("versions").iter().collect();
    assert_eq!(numbers.len(), 2);
    assert_eq!((&numbers[0]["version"], numbers[1]), (&json!(1), &newest));
}

#[tokio::test]
async fn a_module_is_deleted_version_by_version_or_as_a_whole() {
    let node = Node::empty(Limits::default()).await;
    let path = format!("{BASE}/modules/a");
    for content in [&b"echo"[..], b"wait", b"fail"] {
        node.put(&path, content).await;
    }
    let delete = async |query: &str| {
        node.send(request(Method::DELETE, &format!("{path}{query}"), Body::empty())).await
    };
    let newest = delete("?version=3").await;
    assert_eq!(newest.refused(409, "module_needed")["details"]["version"], "3");
    for deleted in [json!([1]), json!([])] {
        assert_eq!(delete("?version=1").await.json(), json!({"deleted": deleted}));
    }
    delete("?version=first").await.refused(400, "invalid_argument");
    assert_eq!(delete("").await.json(), json!({"deleted": [2, 3]}));
    node.get(&path).await.refused(404, "module_not_found");
    assert_eq!(delete("").await.json(), json!({"deleted": []}));
}

#[tokio::test]
async fn a_module_that_can_t_be_used_is_refused_with_what_is_wrong_with_it() {
    let node = Node::empty(Limits::default()).await;
    let path = format!("{BASE}/modules/bad");
    node.put(&path, b"refuse module_invalid").await.refused(422, "module_invalid");
    node.put(&path, b"refuse module_wrong_world").await.refused(422, "module_wrong_world");
    let refused = node.put(&path, b"refuse module_import_unknown").await;
    let refused = refused.refused(422, "module_import_unknown");
    assert_eq!(refused["details"]["import"], "acme:none/x");
    node.get(&path).await.refused(404, "module_not_found");
}

#[tokio::test]
async fn a_module_over_the_limit_is_refused_before_it_is_read() {
    let limits = Limits { module_bytes_max: 10, ..Limits::default() };
    let node = Node::empty(limits).await;
    let path = format!("{BASE}/modules/large");

    // Announced: nothing is read, or this would wait for ever.
    let never = Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
    let mut announced = request(Method::PUT, &path, never);
    announced.headers_mut().insert(header::CONTENT_LENGTH, 11.into());
    let refused = node.send(announced).await.refused(413, "module_too_large");
    assert_eq!(refused["details"]["bytes_max"], "10");

    // Not announced: read up to the limit, or this would go on for ever.
    let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[0; 64 * 1024]));
    let endless = Body::from_stream(stream::repeat_with(chunk));
    let endless = request(Method::PUT, &path, endless);
    node.send(endless).await.refused(413, "module_too_large");

    assert_eq!(node.put(&path, b"echo\nfail\n").await.status, 201);
}

#[tokio::test]
async fn uploads_that_do_not_go_on_keep_nobody_out() {
    let node = Node::empty(Limits::default()).await;
    let path = format!("{BASE}/modules/m");
    let mut unfinished = Vec::new();
    for _ in 0..100 {
        let never = Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
        let mut upload = Box::pin(node.send(request(Method::PUT, &path, never)));
        assert!(poll!(&mut upload).is_pending());
        unfinished.push(upload);
    }
    assert_eq!(node.put(&path, b"echo").await.status, 201);
}

#[tokio::test]
async fn names_are_checked_and_unknown_ones_are_told_apart() {
    let node = Node::empty(Limits::default()).await;
    let unknown = "/api/v1/namespaces/nowhere/modules";
    node.get(unknown).await.refused(404, "namespace_not_found");
    node.put(&format!("{unknown}/m"), b"echo").await.refused(404, "namespace_not_found");
    node.get(&format!("{BASE}/modules/none")).await.refused(404, "module_not_found");
    let refused = node.put(&format!("{BASE}/modules/a%20b"), b"echo").await;
    let refused = refused.refused(400, "invalid_argument");
    assert!(refused["message"].as_str().expect("a message").contains("module name"), "{refused}");
    node.get(&format!("{BASE}/modules/%ff")).await.refused(400, "invalid_argument");
}
