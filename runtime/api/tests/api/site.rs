//! Requests that web pages send.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method};

use crate::client::{Answer, BASE, Node, request};

async fn send(node: &Node, method: Method, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let mut request = request(method, &format!("{BASE}/{path}"), Body::empty());
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("a header");
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    node.send(request).await
}

#[tokio::test]
async fn a_page_of_another_site_can_t_use_a_server_on_this_machine() {
    let node = Node::start().await;
    node.start_run("wait", "w").await;
    let page = [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")];
    let terminate = send(&node, Method::POST, "runs/w/terminate", &page).await;
    let refused = terminate.refused(403, "cross_site_request");
    assert!(refused["message"].as_str().expect("a message").contains("web page"), "{refused}");
    // Older browsers say where a page comes from, and nothing more.
    let older = send(&node, Method::POST, "runs/w/terminate", &page[1..]).await;
    older.refused(403, "cross_site_request");
    send(&node, Method::OPTIONS, "runs", &page).await.refused(403, "cross_site_request");
    send(&node, Method::GET, "runs", &page[..1]).await.refused(403, "cross_site_request");
    assert_eq!(node.get(&format!("{BASE}/runs/w")).await.json()["status"], "running");
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_is_not_served() {
    let node = Node::start().await;
    for path in ["runs", "modules", "nowhere"] {
        let called = send(&node, Method::GET, path, &[("host", "evil.example:7233")]).await;
        let refused = called.refused(403, "host_not_allowed");
        assert_eq!(refused["details"]["host"], "evil.example");
    }
    let upload = send(&node, Method::PUT, "modules/evil", &[("host", "evil.example")]).await;
    upload.refused(403, "host_not_allowed");
    let own = [("host", "localhost:7233"), ("origin", "http://localhost:7233")];
    assert_eq!(send(&node, Method::GET, "runs", &own).await.status, 200);
}
