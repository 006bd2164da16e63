//! The public keys of the issuer, in memory.
//!
//! Keys change. One that is not known is looked for at the issuer, but not more often than
//! [`READS_APART`]: whoever makes tokens up can't make this server hammer it. Those that are
//! known stay while the issuer does not answer.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use parking_lot::RwLock;
use reqwest::{Client, Url, header, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::config::{InvalidOidc, is_loopback, is_trustworthy};
use super::token::Rejection;
use crate::access::guard::now;

/// Between two reads of the keys, at least.
const READS_APART: Duration = Duration::from_secs(10);

/// How long keys are used before they are read again: one that the issuer has withdrawn is
/// taken no longer than that, if the issuer answers.
const FRESH: Duration = Duration::from_secs(300);

/// For each of the two requests of a read.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Keys that are kept, of those that the issuer names.
const KEYS_MAX: usize = 100;

/// A key of the issuer.
pub(super) struct PublicKey {
    id: Option<String>,
    /// What alone it is for, if the issuer says so.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) key: DecodingKey,
}

/// What is known of the keys.
pub(super) struct Keys(Arc<Issuer>);

struct Issuer {
    http: Client,
    name: String,
    url: Url,
    known: RwLock<Option<Known>>,
    /// When they were asked for last.
    asked_at: tokio::sync::Mutex<Option<Instant>>,
}

struct Known {
    keys: Vec<Arc<PublicKey>>,
    read_at: Instant,
}

impl Known {
    /// Without an id the issuer has to have one key only.
    fn find(&self, id: Option<&str>) -> Option<Arc<PublicKey>> {
        match (id, self.keys.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)).cloned(),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        }
    }
}

/// The part of the description of a provider that matters here.
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("the answer of {url} has more than {ANSWER_BYTES_MAX} bytes")]
    TooLong { url: Url },
    #[error("the answer of {url} can't be read: {error}")]
    Format { url: Url, error: serde_json::Error },
    #[error("the issuer describes itself as {0:?}")]
    Issuer(String),
    #[error("the issuer keeps its keys at {0:?}, which is not safe")]
    Place(String),
}

impl Keys {
    pub(super) fn of(name: &str, url: Url) -> Result<Self, InvalidOidc> {
        let mut http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // Whoever is asked answers, and sends nobody elsewhere.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("dacapo/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&url) {
            http = http.no_proxy();
        }
        if url.scheme() == "http" {
            // A machine without certificates can do without them.
            http = http.tls_certs_only([]);
        }
        let http = http.build();
        let http = http.map_err(|error| InvalidOidc(format!("no HTTP client: {error}")))?;
        let (name, known) = (name.to_owned(), RwLock::default());
        Ok(Self(Arc::new(Issuer { http, name, url, known, asked_at: Default::default() })))
    }

    /// The key of this id.
    pub(super) async fn find(&self, id: Option<&str>) -> Result<Arc<PublicKey>, Rejection> {
        if let Some((key, is_fresh)) = self.known(id) {
            if !is_fresh && self.0.is_due() {
                drop(self.read());
            }
            return Ok(key);
        }
        // What panics there has said so.
        let _ = self.read().await;
        match self.known(id) {
            Some((key, _)) => Ok(key),
            None if self.0.known.read().is_none() => Err(Rejection::Unavailable),
            None => Err(Rejection::Invalid("its key is none of the issuer's".to_owned())),
        }
    }

    /// A key, and whether what is known is fresh.
    fn known(&self, id: Option<&str>) -> Option<(Arc<PublicKey>, bool)> {
        let known = self.0.known.read();
        let known = known.as_ref()?;
        Some((known.find(id)?, now().duration_since(known.read_at) < FRESH))
    }

    /// In a task of its own: a client that goes away must not keep others from new keys.
    fn read(&self) -> tokio::task::JoinHandle<()> {
        let issuer = self.0.clone();
        tokio::spawn(async move { issuer.read_in_turn().await })
    }
}

impl Issuer {
    /// Whether nobody reads the keys, or just has. Else a task for each request would wait for
    /// an issuer that does not answer.
    fn is_due(&self) -> bool {
        self.asked_at.try_lock().is_ok_and(|asked_at| may_ask(*asked_at))
    }

    /// Those who come while a read is under way wait for it, and make no other.
    async fn read_in_turn(&self) {
        let mut asked_at = self.asked_at.lock().await;
        if !may_ask(*asked_at) {
            return;
        }
        let began = now();
        match self.read().await {
            Ok(keys) => *self.known.write() = Some(Known { keys, read_at: began }),
            Err(error) => {
                let issuer = &self.name;
                tracing::warn!(issuer, %error, "the keys of the identity provider can't be read");
            }
        }
        *asked_at = Some(now());
    }

    async fn read(&self) -> Result<Vec<Arc<PublicKey>>, ReadError> {
        let mut place = self.url.clone();
        let path = place.path().trim_end_matches('/').to_owned();
        place.set_path(&format!("{path}/.well-known/openid-configuration"));
        let described: Description = self.get(place).await?;
        if described.issuer != self.name {
            return Err(ReadError::Issuer(described.issuer));
        }
        // A provider elsewhere must not send this server to its neighbours.
        let is_safe =
            |url: &Url| is_trustworthy(url) && (is_loopback(&self.url) || !is_loopback(url));
        let Some(place) = Url::parse(&described.jwks_uri).ok().filter(is_safe) else {
            return Err(ReadError::Place(described.jwks_uri));
        };
        let set: KeySet = self.get(place).await?;
        // Keys of a kind that is not known here are for others.
        Ok(set.keys.into_iter().filter_map(public_key).take(KEYS_MAX).map(Arc::new).collect())
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, ReadError> {
        let request = self.http.get(url.clone()).header(header::ACCEPT, "application/json");
        let mut response = request.send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(ReadError::TooLong { url });
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| ReadError::Format { url, error })
    }
}

fn may_ask(asked_at: Option<Instant>) -> bool {
    asked_at.is_none_or(|at| now().duration_since(at) >= READS_APART)
}

/// One for signatures that only the issuer makes.
fn public_key(value: serde_json::Value) -> Option<PublicKey> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let algorithm = match jwk.common.key_algorithm {
        Some(algorithm) => Some(Algorithm::try_from(algorithm).ok()?),
        None => None,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    if key.family() == AlgorithmFamily::Hmac {
        return None;
    }
    Some(PublicKey { id: jwk.common.key_id, algorithm, key })
}
