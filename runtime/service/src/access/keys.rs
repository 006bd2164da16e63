//! The keys that there are, in memory: so a request that brings one reads no table.
//!
//! Other servers make and revoke keys, too. So once a second, while requests come, one of
//! them asks the store whether anything has changed. Without an answer nobody is let in: a
//! key that was revoked must not work because the database does not answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dacapo_model::access::{ApiKey, ApiKeyHash, ApiKeyId};
use dacapo_model::time::Timestamp;
use dacapo_store::Store;
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use crate::error::Result;
use crate::health::now as instant;
use crate::shared_read::SharedRead;
use crate::tenancy::ApiClient;

/// How long a key that was revoked elsewhere may still work.
const FRESH: Duration = Duration::from_secs(1);

/// How exactly it is known when a key was used last.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct ApiKeys {
    store: Arc<dyn Store>,
    known: RwLock<Known>,
    read: SharedRead,
    /// What was noted last of the use of each key.
    noted: Mutex<HashMap<ApiKeyId, Timestamp>>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<ApiKeyHash, (ApiKey, Arc<ApiClient>)>,
    /// How often they had changed in the store when they were read; none before that.
    changes: Option<u64>,
    /// When the store was asked last.
    asked_at: Option<Instant>,
}

impl ApiKeys {
    /// Nothing is read before a key is to be recognised.
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let known = RwLock::default();
        Self { store, known, read: SharedRead::new(), noted: Mutex::default() }
    }

    /// Whose key it is; none if it is nobody's, or its time is over.
    pub(crate) async fn recognise(
        &self,
        hash: ApiKeyHash,
        now: Timestamp,
    ) -> Result<Option<Arc<ApiClient>>> {
        let is_fresh = self.known.read().asked_at.is_some_and(|at| at.elapsed() < FRESH);
        if !is_fresh {
            self.catch_up().await?;
        }
        if let Some(client) = self.find(hash, now) {
            return Ok(Some(client));
        }
        if is_fresh {
            // It may have been made a moment ago.
            self.catch_up().await?;
        }
        Ok(self.find(hash, now))
    }

    fn find(&self, hash: ApiKeyHash, now: Timestamp) -> Option<Arc<ApiClient>> {
        let known = self.known.read();
        let (key, client) = known.keys.get(&hash)?;
        (!key.is_expired(now)).then(|| client.clone())
    }

    /// Takes in what has changed in the store.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        let read = async || {
            let asked_at = instant();
            // Before the keys: what comes between is read again the next time.
            let changes = self.store.api_key_changes().await?;
            if self.known.read().changes == Some(changes) {
                self.known.write().asked_at = Some(asked_at);
                return Ok(());
            }
            let keys: HashMap<_, _> =
                self.store.api_keys().await?.into_iter().map(with_client).collect();
            self.noted.lock().retain(|id, _| keys.values().any(|(key, _)| key.id == *id));
            *self.known.write() = Known { keys, changes: Some(changes), asked_at: Some(asked_at) };
            Ok(())
        };
        self.read.after_now(read).await
    }

    /// The same if any key was ever asked for: a server that lets everybody in knows none.
    pub(crate) async fn catch_up_if_known(&self) -> Result<()> {
        let is_known = self.known.read().changes.is_some();
        if is_known { self.catch_up().await } else { Ok(()) }
    }

    /// Whether the use of a key is to be noted now: at most once a minute.
    pub(crate) fn notes_use(&self, id: &ApiKeyId, now: Timestamp) -> bool {
        let mut noted = self.noted.lock();
        let is_noted = noted.get(id).is_some_and(|at| now.since(*at) < USE_NOTED_EVERY);
        if !is_noted {
            noted.insert(id.clone(), now);
        }
        !is_noted
    }
}

fn with_client(key: ApiKey) -> (ApiKeyHash, (ApiKey, Arc<ApiClient>)) {
    let client = Arc::new(ApiClient::of(&key));
    (key.hash, (key, client))
}
