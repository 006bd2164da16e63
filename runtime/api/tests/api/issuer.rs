//! A provider of tokens on this machine, with keys that are made for the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// `ring` makes no RSA keys. This one is of use nowhere else.
const RSA_KEY: &str = include_str!("rsa_key.json");

enum Private {
    Curve(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
    Rsa(RsaKeyPair, Value),
}

/// A key of the provider.
pub(crate) struct Key {
    pub(crate) id: String,
    private: Private,
}

impl Key {
    /// ES256.
    pub(crate) fn curve(id: &str) -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let made = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random).expect("a key");
        Self { id: id.to_owned(), private: Private::Curve(key) }
    }

    /// `EdDSA`.
    pub(crate) fn edwards(id: &str) -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let key = Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key");
        Self { id: id.to_owned(), private: Private::Edwards(key) }
    }

    /// RS256 and PS256.
    pub(crate) fn rsa(id: &str) -> Self {
        let jwk: Value = serde_json::from_str(RSA_KEY).expect("JSON");
        let part = |name: &str| BASE64.decode(jwk[name].as_str().expect("text")).expect("base64");
        let key = RsaKeyPair::from_components(&ring::rsa::KeyPairComponents {
            public_key: ring::rsa::PublicKeyComponents { n: part("n"), e: part("e") },
            d: part("d"),
            p: part("p"),
            q: part("q"),
            dP: part("dp"),
            dQ: part("dq"),
            qInv: part("qi"),
        });
        let public = json!({"kty": "RSA", "n": jwk["n"], "e": jwk["e"]});
        Self { id: id.to_owned(), private: Private::Rsa(key.expect("a key"), public) }
    }

    /// As the provider shows it.
    pub(crate) fn public(&self) -> Value {
        let mut jwk = match &self.private {
            Private::Curve(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": BASE64.encode(x), "y": BASE64.encode(y)})
            }
            Private::Edwards(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(key.public_key())})
            }
            Private::Rsa(_, public) => public.clone(),
        };
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let algorithm = match &self.private {
            Private::Curve(_) => "ES256",
            Private::Edwards(_) => "EdDSA",
            Private::Rsa(..) => "RS256",
        };
        self.sign_as(&json!({"alg": algorithm, "kid": self.id, "typ": "JWT"}), claims)
    }

    /// The same with another header, whatever that says.
    pub(crate) fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = match &self.private {
            Private::Curve(key) => {
                let signed = key.sign(&SystemRandom::new(), message.as_bytes());
                signed.expect("signs").as_ref().to_vec()
            }
            Private::Edwards(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
            Private::Rsa(key, _) => {
                let is_pss = header["alg"] == "PS256";
                let padding: &dyn ring::signature::RsaEncoding =
                    if is_pss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; key.public().modulus_len()];
                let random = SystemRandom::new();
                key.sign(padding, &random, message.as_bytes(), &mut signature).expect("signs");
                signature
            }
        };
        format!("{message}.{}", BASE64.encode(signature))
    }
}

/// What is signed.
pub(crate) fn message(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| BASE64.encode(json.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// What a provider answers.
pub(crate) struct Answers {
    pub(crate) description: Value,
    pub(crate) keys: Value,
}

type Shared = (Arc<Mutex<Answers>>, Arc<AtomicUsize>);

/// A provider that answers on this machine until it is stopped.
pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) answers: Arc<Mutex<Answers>>,
    requests: Arc<AtomicUsize>,
    server: Option<JoinHandle<()>>,
}

impl Issuer {
    /// One that is not there yet.
    pub(crate) async fn absent(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}/realms/shop", listener.local_addr().expect("an address"));
        let description = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
        let answers = Answers { description, keys: shown(keys) };
        let (answers, requests) = (Arc::new(Mutex::new(answers)), Arc::default());
        Self { url, answers, requests, server: None }
    }

    pub(crate) async fn start(keys: &[&Key]) -> Self {
        let mut issuer = Self::absent(keys).await;
        issuer.come_up().await;
        issuer
    }

    /// It answers from now on.
    pub(crate) async fn come_up(&mut self) {
        let address = self.url.trim_start_matches("http://").trim_end_matches("/realms/shop");
        let listener = TcpListener::bind(address).await.expect("its port is free");
        let router = Router::new()
            .route("/realms/shop/.well-known/openid-configuration", get(description))
            .route("/realms/shop/keys", get(keys))
            .with_state((self.answers.clone(), self.requests.clone()));
        let server = async move { axum::serve(listener, router).await.expect("serves") };
        self.server = Some(tokio::spawn(server));
    }

    /// Nothing listens there any more, and what is still connected is told nothing.
    pub(crate) async fn go_down(&mut self) {
        let server = self.server.take().expect("it was up");
        server.abort();
        let _ = server.await;
        self.answers.lock().description = Value::Null;
    }

    /// Has these keys and no other from now on.
    pub(crate) fn has(&self, keys: &[&Key]) {
        self.answers.lock().keys = shown(keys);
    }

    /// How often it was asked for anything.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn shown(keys: &[&Key]) -> Value {
    json!({"keys": keys.iter().map(|key| key.public()).collect::<Vec<_>>()})
}

async fn description(State((answers, requests)): State<Shared>) -> Json<Value> {
    requests.fetch_add(1, Ordering::SeqCst);
    Json(answers.lock().description.clone())
}

async fn keys(State((answers, requests)): State<Shared>) -> Json<Value> {
    requests.fetch_add(1, Ordering::SeqCst);
    Json(answers.lock().keys.clone())
}
