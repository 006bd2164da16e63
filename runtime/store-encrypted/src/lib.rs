//! A store that gives another one only encrypted data.
//!
//! ```text
//!  service ──plain──▶ EncryptedStore ──encrypted──▶ PostgreSQL | SQLite
//! ```
//!
//! Encrypted is what workflows, activities and their callers say to each other: `data.rs`
//! lists it. What runs are found and scheduled by is not: ids, types, times, statuses,
//! search attributes, tags, options.
//!
//! Each run has a key of its own, derived from the key of the configuration and the run's
//! id. So what is moved from one run to another can't be decrypted, and no key is used
//! for more than one run.

mod commit;
mod data;
mod envelope;
mod key;
mod pass;
mod read;
mod task;

use std::fmt;
use std::sync::Arc;

use dacapo_model::ids::RunKey;
use dacapo_store::Store;
use dacapo_store::error::{Result, StoreError};

use crate::data::{Open, Seal};
pub use crate::key::{KeyError, KeyRing, Secret};

/// Encrypts what is written to another store and decrypts what is read from it.
pub struct EncryptedStore {
    inner: Arc<dyn Store>,
    keys: KeyRing,
}

/// Why data can't be kept encrypted in a store.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Data were encrypted with a key that is not in the configuration.
    #[error(
        "the database has data that were encrypted with the key `{id}`, which is not in the \
         configuration: add it to [encryption.keys]; or, if all runs that have it are gone, name \
         it in `retired` of [encryption]"
    )]
    Missing {
        /// Its name.
        id: String,
    },
    /// Another key had this name.
    #[error(
        "the key `{id}` is not the one that the database has data of: give it the value that it \
         had before, or give the new key another name"
    )]
    Other {
        /// The name of both.
        id: String,
    },
}

impl EncryptedStore {
    /// Wraps a store. Notes in it by which keys it has data, and refuses keys that do not
    /// fit: what can't be decrypted is seen before anything is written.
    pub async fn wrap(
        inner: Arc<dyn Store>,
        keys: KeyRing,
    ) -> std::result::Result<Arc<dyn Store>, EncryptionError> {
        check(inner.as_ref(), &keys).await?;
        if let Some(check) = keys.check_of_active() {
            inner.add_encryption_key(&check).await?;
            // Somebody may have added another of the same name at the same moment.
            self::check(inner.as_ref(), &keys).await?;
        }
        Ok(if keys.is_empty() { inner } else { Arc::new(Self { inner, keys }) })
    }

    fn seal(&self, key: RunKey) -> Option<Seal<'_>> {
        self.keys.seal(key.run_id).map(Seal::new)
    }

    fn open(&self, key: RunKey) -> Open<'_> {
        Open::new(&self.keys, key)
    }
}

async fn check(store: &dyn Store, keys: &KeyRing) -> std::result::Result<(), EncryptionError> {
    for used in store.encryption_keys().await? {
        match keys.fits(&used) {
            Some(true) => {}
            Some(false) => return Err(EncryptionError::Other { id: used.id }),
            None if keys.is_retired(&used.id) => {}
            None => return Err(EncryptionError::Missing { id: used.id }),
        }
    }
    Ok(())
}

impl fmt::Debug for EncryptedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedStore").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// What could not be decrypted, as the stores report a damaged row.
fn corrupt(key: RunKey, reason: String) -> StoreError {
    StoreError::Corrupt {
        table: "history_events",
        column: "payload",
        row: format!("run {}", key.run_id),
        reason,
    }
}

/// Applies to each of several values.
fn each<T>(values: &mut [T], mut apply: impl FnMut(&mut T) -> Result<()>) -> Result<()> {
    values.iter_mut().try_for_each(&mut apply)
}
