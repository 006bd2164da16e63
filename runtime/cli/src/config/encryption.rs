//! Keys that data are encrypted with before they go to the database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Result, bail};
use dacapo_store_encrypted::{KeyRing, Secret};
use serde::Deserialize;

use super::read_text;
use crate::exit::UsageError;

/// `[encryption]`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileEncryption {
    /// The key to encrypt with; none to decrypt only.
    active: Option<String>,
    /// Keys that are not missed, although there were data that had them.
    retired: BTreeSet<String>,
    keys: BTreeMap<String, FileKey>,
}

/// Where the value of a key is: in one of these places.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FileKey {
    value: Option<String>,
    file: Option<PathBuf>,
    env: Option<String>,
}

impl FileEncryption {
    /// Whether the file itself has a key.
    pub(super) fn has_values(&self) -> bool {
        self.keys.values().any(|key| key.value.is_some())
    }

    /// Reads the keys.
    pub(super) fn keys(&self, environment: &BTreeMap<String, String>) -> Result<KeyRing> {
        let mut secrets = BTreeMap::new();
        for (id, key) in &self.keys {
            let value = key.read(id, environment)?;
            let secret = Secret::parse(&value);
            let secret = secret
                .map_err(|error| UsageError(format!("[encryption.keys], `{id}`: {error}")))?;
            secrets.insert(id.clone(), secret);
        }
        let keys = KeyRing::new(secrets, self.active.clone());
        let keys = keys.map_err(|error| UsageError(format!("[encryption]: {error}")))?;
        Ok(keys.without(self.retired.clone()))
    }
}

impl FileKey {
    fn read(&self, id: &str, environment: &BTreeMap<String, String>) -> Result<String> {
        match self {
            Self { value: Some(value), file: None, env: None } => Ok(value.clone()),
            Self { value: None, file: Some(path), env: None } => read_text(path),
            Self { value: None, file: None, env: Some(name) } => match environment.get(name) {
                Some(value) => Ok(value.clone()),
                None => bail!(UsageError(format!(
                    "[encryption.keys], `{id}`: the environment variable {name} is not set"
                ))),
            },
            _ => bail!(UsageError(format!(
                "[encryption.keys], `{id}`: give one of `file`, `env` and `value`"
            ))),
        }
    }
}

impl std::fmt::Debug for FileEncryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}
