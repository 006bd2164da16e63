//! Tokens of an OpenID provider, from a real one on this machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{Method, Request, header};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use dacapo_api::{ClientAddress, OidcConfig, RoleMapping};
use serde_json::{Value, json};

use crate::access::{get, key, with_key};
use crate::audit::entries;
use crate::client::{Answer, BASE, Node, request};
use crate::issuer::{Issuer, Key, message};

fn seconds_from_now(offset: i64) -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a provider has a clock of its own")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later");
    i64::try_from(now.as_secs()).expect("a time") + offset
}

/// What a token says that reads in the namespace of the tests.
fn claims(issuer: &Issuer) -> Value {
    json!({
        "iss": issuer.url, "aud": "dacapo", "sub": "alice", "exp": seconds_from_now(300),
        "permissions": ["default:reader"]
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn config(issuer: &Issuer) -> OidcConfig {
    OidcConfig::new(issuer.url.clone(), "dacapo".to_owned())
}

fn runs(token: &str) -> Request<Body> {
    with_key(request(Method::GET, &format!("{BASE}/runs"), Body::empty()), token)
}

async fn list(node: &Node, token: &str) -> Answer {
    node.send(runs(token)).await
}

async fn is_taken(node: &Node, token: &str) -> bool {
    let answer = list(node, token).await;
    if answer.status.as_u16() != 200 {
        answer.refused(401, "unauthenticated");
    }
    answer.status.as_u16() == 200
}

/// Lets so much time pass, but for that of the network.
async fn later(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_opens_what_its_claims_say_whatever_it_is_signed_with() {
    let keys = [Key::curve("c"), Key::edwards("e"), Key::rsa("r")];
    let issuer = Issuer::start(&[&keys[0], &keys[1], &keys[2]]).await;
    let node = Node::with_tokens(config(&issuer)).await;
    for key in &keys {
        let token = key.sign(&claims(&issuer));
        assert!(is_taken(&node, &token).await, "{}", key.id);
        let terminate = format!("{BASE}/runs/w/terminate");
        let answer = node.send(with_key(request(Method::POST, &terminate, Body::empty()), &token));
        answer.await.refused(403, "permission_denied");
    }
    let pss = keys[2].sign_as(&json!({"alg": "PS256", "kid": "r"}), &claims(&issuer));
    assert!(is_taken(&node, &pss).await);
    assert_eq!(issuer.requests(), 2, "its keys were read once");
    let none = keys[0].sign(&with(claims(&issuer), "permissions", json!(["read:messages"])));
    list(&node, &none).await.refused(403, "permission_denied");
    // Those who have a key go on as before.
    let reader = key(&node, &["reader"]).await;
    assert_eq!(get(&node, &reader, &format!("{BASE}/runs")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn groups_of_the_provider_are_mapped_to_roles_and_the_log_names_whoever_acts() {
    let signer = Key::curve("c");
    let issuer = Issuer::start(&[&signer]).await;
    let mapping = RoleMapping {
        claim: "/realm_access/roles".to_owned(),
        value: "shop-ops".to_owned(),
        roles: vec!["operator@default".parse().expect("a grant")],
    };
    let node = Node::with_tokens(OidcConfig { mappings: vec![mapping], ..config(&issuer) }).await;
    let claims = with(claims(&issuer), "realm_access", json!({"roles": ["shop-ops"]}));
    let path = format!("{BASE}/runs/nobody/terminate");
    let terminate = with_key(request(Method::POST, &path, Body::empty()), &signer.sign(&claims));
    node.send(terminate).await.refused(404, "run_not_found");
    let entry = entries(&node).await.remove(0);
    assert_eq!(entry.action, "terminate_run");
    assert_eq!(entry.principal, format!("oidc:alice of {}", issuer.url));
}

#[tokio::test]
async fn a_token_that_the_provider_has_not_signed_is_refused() {
    let (signer, other) = (Key::rsa("r"), Key::curve("r"));
    let issuer = Issuer::start(&[&signer]).await;
    let node = Node::with_tokens(config(&issuer)).await;
    let claims = claims(&issuer);
    assert!(is_taken(&node, &signer.sign(&claims)).await);

    let unsigned =
        |algorithm: &str| format!("{}.", message(&json!({"alg": algorithm, "kid": "r"}), &claims));
    for algorithm in ["none", "None", "nOnE", ""] {
        assert!(!is_taken(&node, &unsigned(algorithm)).await, "{algorithm}");
    }
    // With what everybody can see as a shared secret.
    let public = signer.public();
    let modulus = BASE64.decode(public["n"].as_str().expect("text")).expect("base64");
    for secret in [public.to_string().into_bytes(), modulus] {
        let message = message(&json!({"alg": "HS256", "kid": "r"}), &claims);
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let signature = BASE64.encode(ring::hmac::sign(&secret, message.as_bytes()));
        assert!(!is_taken(&node, &format!("{message}.{signature}")).await);
    }
    assert!(!is_taken(&node, &other.sign(&claims)).await, "another key of the same id");
    let as_rsa = other.sign_as(&json!({"alg": "RS256", "kid": "r"}), &claims);
    assert!(!is_taken(&node, &as_rsa).await);

    let token = signer.sign(&claims);
    let mut parts: Vec<&str> = token.split('.').collect();
    let changed = BASE64.encode(with(claims.clone(), "sub", json!("root")).to_string());
    parts[1] = &changed;
    assert!(!is_taken(&node, &parts.join(".")).await, "its claims were changed");
    let cut = token.trim_end_matches(|_: char| true).to_owned();
    for wrong in [cut.as_str(), "a.b.c", "..", &token[..token.len() - 4], &format!("{token}.x")] {
        assert!(!is_taken(&node, wrong).await, "{wrong}");
    }
    let critical = json!({"alg": "RS256", "kid": "r", "crit": ["x"], "x": 1});
    assert!(!is_taken(&node, &signer.sign_as(&critical, &claims)).await);
}

#[tokio::test]
async fn only_algorithms_that_are_set_are_taken() {
    let (rsa, curve) = (Key::rsa("r"), Key::curve("c"));
    let issuer = Issuer::start(&[&rsa, &curve]).await;
    let algorithms = vec!["ES256".parse().expect("one")];
    let node = Node::with_tokens(OidcConfig { algorithms, ..config(&issuer) }).await;
    assert!(is_taken(&node, &curve.sign(&claims(&issuer))).await);
    assert!(!is_taken(&node, &rsa.sign(&claims(&issuer))).await);
}

#[tokio::test]
async fn a_key_is_good_for_nothing_but_what_the_provider_says() {
    let signer = Key::rsa("r");
    let issuer = Issuer::start(&[&signer]).await;
    let mut public = signer.public();
    public["alg"] = json!("PS256");
    issuer.answers.lock().keys = json!({"keys": [{"kty": "strange"}, public]});
    let node = Node::with_tokens(config(&issuer)).await;
    let pss = signer.sign_as(&json!({"alg": "PS256", "kid": "r"}), &claims(&issuer));
    assert!(is_taken(&node, &pss).await);
    assert!(!is_taken(&node, &signer.sign(&claims(&issuer))).await);
    public["alg"] = json!("RSA-OAEP");
    public["use"] = json!("enc");
    issuer.answers.lock().keys = json!({"keys": [public]});
    let node = Node::with_tokens(config(&issuer)).await;
    assert!(!is_taken(&node, &pss).await);
}

#[tokio::test]
async fn a_token_holds_for_its_time_and_a_minute_around_it() {
    let signer = Key::curve("c");
    let issuer = Issuer::start(&[&signer]).await;
    let node = Node::with_tokens(config(&issuer)).await;
    let claims = claims(&issuer);
    let token = |name: &str, value: Value| signer.sign(&with(claims.clone(), name, value));
    let expired = list(&node, &token("exp", json!(seconds_from_now(-90)))).await;
    let said = expired.refused(401, "unauthenticated");
    assert!(said["message"].as_str().expect("text").contains("expired"), "{said}");
    assert!(is_taken(&node, &token("exp", json!(seconds_from_now(-30)))).await);
    let early = list(&node, &token("nbf", json!(seconds_from_now(90)))).await;
    let said = early.refused(401, "unauthenticated");
    assert!(said["message"].as_str().expect("text").contains("not valid yet"), "{said}");
    assert!(is_taken(&node, &token("nbf", json!(seconds_from_now(30)))).await);
    let times = [Value::Null, json!("4102444800"), json!({}), json!(-1)];
    for time in times {
        assert!(!is_taken(&node, &token("exp", time.clone())).await, "{time}");
    }
    assert!(!is_taken(&node, &token("nbf", json!("0"))).await);
    assert!(is_taken(&node, &token("exp", json!(1e18))).await, "for as long as there are times");
}

#[tokio::test]
async fn a_token_for_another_server_or_of_another_provider_is_refused() {
    let signer = Key::curve("c");
    let issuer = Issuer::start(&[&signer]).await;
    let node = Node::with_tokens(config(&issuer)).await;
    let claims = claims(&issuer);
    let token = |name: &str, value: Value| signer.sign(&with(claims.clone(), name, value));
    assert!(is_taken(&node, &token("aud", json!(["other", "dacapo"]))).await);
    for audience in [json!("other"), json!(["other"]), json!([]), Value::Null, json!(7)] {
        let answer = list(&node, &token("aud", audience)).await;
        let said = answer.refused(401, "unauthenticated");
        assert!(!said.to_string().contains("other"), "whoever asks is told nothing: {said}");
    }
    for name in ["https://evil.example", "", &format!("{}/", issuer.url)] {
        assert!(!is_taken(&node, &token("iss", json!(name))).await, "{name}");
    }
    assert!(!is_taken(&node, &token("iss", Value::Null)).await);
    for subject in [Value::Null, json!(""), json!("a\nb"), json!("x".repeat(256)), json!(7)] {
        assert!(!is_taken(&node, &token("sub", subject.clone())).await, "{subject}");
    }
    let many: Vec<_> = (0..101).map(|number| format!("n{number}:reader")).collect();
    assert!(!is_taken(&node, &token("permissions", json!(many))).await);
}

#[tokio::test]
async fn a_new_key_is_found_and_one_that_was_withdrawn_ends() {
    let (old, new) = (Key::curve("old"), Key::curve("new"));
    let issuer = Issuer::start(&[&old]).await;
    let node = Node::with_tokens(config(&issuer)).await;
    let (with_old, with_new) = (old.sign(&claims(&issuer)), new.sign(&claims(&issuer)));
    assert!(is_taken(&node, &with_old).await);
    issuer.has(&[&old, &new]);
    assert!(!is_taken(&node, &with_new).await, "they were read just now");
    later(Duration::from_secs(10)).await;
    assert!(is_taken(&node, &with_new).await);
    issuer.has(&[&new]);
    assert!(is_taken(&node, &with_old).await, "nobody has asked since");
    later(Duration::from_secs(300)).await;
    // The first that comes then has it looked at in the background.
    while is_taken(&node, &with_old).await {
        tokio::task::yield_now().await;
    }
    assert!(is_taken(&node, &with_new).await);
}

#[tokio::test]
async fn whoever_makes_up_keys_can_t_make_the_server_ask_for_them() {
    let signer = Key::curve("c");
    let issuer = Issuer::start(&[&signer]).await;
    let node = Node::with_tokens(config(&issuer)).await;
    let claims = claims(&issuer);
    for number in 0..200_u8 {
        let header = json!({"alg": "ES256", "kid": format!("made up {number}")});
        let mut request = runs(&signer.sign_as(&header, &claims));
        request.extensions_mut().insert(ClientAddress([10, 0, 0, number].into()));
        node.send(request).await.refused(401, "unauthenticated");
    }
    assert_eq!(issuer.requests(), 2);
    assert!(is_taken(&node, &signer.sign(&claims)).await);
    // Without an id it is the only one that there is.
    let header = json!({"alg": "ES256"});
    assert!(is_taken(&node, &signer.sign_as(&header, &claims)).await);
}

#[tokio::test]
async fn a_server_starts_without_the_provider_and_goes_on_without_it() {
    let (signer, other) = (Key::curve("c"), Key::curve("d"));
    let mut issuer = Issuer::absent(&[&signer]).await;
    let node = Node::with_tokens(config(&issuer)).await;
    let token = signer.sign(&claims(&issuer));
    list(&node, &token).await.refused(503, "unavailable");
    let reader = key(&node, &["reader"]).await;
    assert_eq!(get(&node, &reader, &format!("{BASE}/runs")).await.status.as_u16(), 200);
    issuer.come_up().await;
    list(&node, &token).await.refused(503, "unavailable");
    later(Duration::from_secs(10)).await;
    assert!(is_taken(&node, &token).await);
    issuer.go_down().await;
    later(Duration::from_secs(3_000)).await;
    for _ in 0..3 {
        assert!(is_taken(&node, &token).await, "its key is known");
        assert!(!is_taken(&node, &other.sign(&claims(&issuer))).await);
    }
}

#[tokio::test]
async fn a_provider_that_is_not_what_it_says_is_not_believed() {
    let signer = Key::curve("c");
    let wrong: [fn(&mut Value, &mut Value); 4] = [
        |description, _| description["issuer"] = json!("https://evil.example"),
        |description, _| description["jwks_uri"] = json!("http://192.0.2.1/keys"),
        |description, _| description["jwks_uri"] = json!("file:///etc/passwd"),
        |_, keys| keys["padding"] = json!("x".repeat(300_000)),
    ];
    for spoil in wrong {
        let issuer = Issuer::start(&[&signer]).await;
        {
            let mut answers = issuer.answers.lock();
            let answers = &mut *answers;
            spoil(&mut answers.description, &mut answers.keys);
        }
        let node = Node::with_tokens(config(&issuer)).await;
        list(&node, &signer.sign(&claims(&issuer))).await.refused(503, "unavailable");
    }
}

#[tokio::test]
async fn a_huge_token_is_not_looked_at_and_whoever_fails_often_is_not_either() {
    let signer = Key::curve("c");
    let issuer = Issuer::start(&[&signer]).await;
    let node = Node::with_tokens(config(&issuer)).await;
    let huge = signer.sign(&with(claims(&issuer), "padding", json!("x".repeat(16 * 1024))));
    for _ in 0..30 {
        assert!(!is_taken(&node, &huge).await);
    }
    assert_eq!(issuer.requests(), 0);
    let refused = list(&node, &huge).await;
    refused.refused(429, "too_many_failed_authentications");
    assert_eq!(refused.headers[header::RETRY_AFTER], "60");
    assert!(is_taken(&node, &signer.sign(&claims(&issuer))).await, "of the same address");
}

#[tokio::test]
async fn whoever_administers_by_a_token_makes_keys() {
    let signer = Key::curve("c");
    let issuer = Issuer::start(&[&signer]).await;
    let node = Node::with_tokens(config(&issuer)).await;
    let token = signer.sign(&with(claims(&issuer), "permissions", json!(["default:admin"])));
    let make = async |grants: Value| {
        let body = Body::from(json!({"name": "k", "grants": grants}).to_string());
        let mut request = with_key(request(Method::POST, "/api/v1/api-keys", body), &token);
        let kind = "application/json".parse().expect("valid");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        node.send(request).await
    };
    let made = make(json!([{"role": "worker", "namespace": "default"}])).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text());
    make(json!([{"role": "reader"}])).await.refused(403, "permission_denied");
}
