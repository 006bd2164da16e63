//! Keys of the configuration, and those of runs that follow from them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dacapo_model::ids::RunId;
use dacapo_store::encryption_key::EncryptionKey;
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use uuid::Uuid;

use crate::envelope;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Bytes of a key's name at most: it is in each value.
const ID_BYTES_MAX: usize = 32;

/// Keys at most.
const KEYS_MAX: usize = 100;

/// Separates what is derived here from what others derive from the same key.
const SALT: &[u8] = b"dacapo run key 1";

/// What the check of a key says, encrypted for a run that can't be.
const CHECK: &[u8] = b"dacapo";

/// A key of the configuration. Shown without its value.
#[derive(Clone)]
pub struct Secret(Prk);

impl Secret {
    /// From 32 bytes in base64, as `openssl rand -base64 32` prints them.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| KeyError::Encoding)?;
        if bytes.len() != KEY_BYTES {
            return Err(KeyError::Length { found: bytes.len() });
        }
        Ok(Self(Salt::new(HKDF_SHA256, SALT).extract(&bytes)))
    }

    fn of_run(&self, run_id: RunId) -> LessSafeKey {
        let info = [run_id.0.as_bytes().as_slice()];
        let derived = self.0.expand(&info, &AES_256_GCM).expect("a key of AES-256 can be derived");
        LessSafeKey::new(UnboundKey::from(derived))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why keys can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Not base64.
    #[error("a key is 32 bytes in base64, as `openssl rand -base64 32` prints them; this is none")]
    Encoding,
    /// Too short or too long.
    #[error(
        "a key has {KEY_BYTES} bytes, this one {found}: `openssl rand -base64 {KEY_BYTES}` makes one"
    )]
    Length {
        /// How many it has.
        found: usize,
    },
    /// A name that does not fit.
    #[error(
        "`{id}` is no name of a key: it has 1 to {ID_BYTES_MAX} letters, digits, `-`, `_`, `.`"
    )]
    Id {
        /// The name.
        id: String,
    },
    /// The key to encrypt with is not there.
    #[error("the active key `{id}` is not among the keys")]
    NoActive {
        /// Its name.
        id: String,
    },
    /// Too many.
    #[error("there are more than {KEYS_MAX} keys")]
    TooMany,
}

/// All keys, and the one to encrypt with.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: BTreeMap<String, Secret>,
    active: Option<String>,
    /// Names of keys that are gone, with all that was encrypted with them.
    retired: BTreeSet<String>,
}

impl KeyRing {
    /// Without an active key data are only decrypted.
    pub fn new(keys: BTreeMap<String, Secret>, active: Option<String>) -> Result<Self, KeyError> {
        if keys.len() > KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        if let Some(id) = keys.keys().find(|id| !is_id(id)) {
            return Err(KeyError::Id { id: id.clone() });
        }
        match &active {
            Some(id) if !keys.contains_key(id) => Err(KeyError::NoActive { id: id.clone() }),
            _ => Ok(Self { keys, active, retired: BTreeSet::new() }),
        }
    }

    /// The same, and keys of these names are not missed. What is still encrypted with one can't
    /// be read.
    #[must_use]
    pub fn without(mut self, retired: BTreeSet<String>) -> Self {
        self.retired = retired;
        self
    }

    /// Whether somebody has said that a key of this name is gone.
    pub(crate) fn is_retired(&self, id: &str) -> bool {
        self.retired.contains(id)
    }

    /// True if nothing is encrypted, nor was.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.retired.is_empty()
    }

    /// The active key of a run, with its name.
    pub(crate) fn seal(&self, run_id: RunId) -> Option<(&str, LessSafeKey)> {
        let id = self.active.as_deref()?;
        Some((id, self.keys[id].of_run(run_id)))
    }

    /// The key with this name, of a run.
    pub(crate) fn open(&self, id: &str, run_id: RunId) -> Option<LessSafeKey> {
        self.keys.get(id).map(|secret| secret.of_run(run_id))
    }

    /// By which the active key is recognised later.
    pub(crate) fn check_of_active(&self) -> Option<EncryptionKey> {
        let (id, key) = self.seal(NO_RUN)?;
        Some(EncryptionKey { id: id.to_owned(), check: envelope::seal(id, &key, CHECK) })
    }

    /// Whether the key with this name is the one that made the check; none if there is no
    /// key with this name.
    pub(crate) fn fits(&self, used: &EncryptionKey) -> Option<bool> {
        let key = self.open(&used.id, NO_RUN)?;
        let parts = envelope::parts(&used.check);
        let opened = parts.and_then(|parts| envelope::open(&parts, &key));
        Some(opened.is_some_and(|opened| opened == CHECK))
    }
}

/// No run has this id.
const NO_RUN: RunId = RunId(Uuid::nil());

fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::parse(&STANDARD.encode([byte; KEY_BYTES])).expect("a key")
    }

    #[test]
    fn a_key_that_can_not_be_used_is_refused_and_not_shown() {
        for (text, error) in [
            ("not base64!", KeyError::Encoding),
            ("c2hvcnQ=", KeyError::Length { found: 5 }),
            ("", KeyError::Length { found: 0 }),
        ] {
            assert_eq!(Secret::parse(text).err(), Some(error), "{text}");
        }
        assert_eq!(format!("{:?}", secret(1)), "Secret");
    }

    #[test]
    fn names_of_keys_are_short_and_plain_and_the_active_one_is_there() {
        let keys = |id: &str| [(id.to_owned(), secret(1))].into();
        for id in ["", "a b", "ä", &"x".repeat(ID_BYTES_MAX + 1)] {
            let error = KeyError::Id { id: id.to_owned() };
            assert_eq!(KeyRing::new(keys(id), None).err(), Some(error));
        }
        let error = KeyRing::new(keys("a"), Some("b".to_owned())).err();
        assert_eq!(error, Some(KeyError::NoActive { id: "b".to_owned() }));
        KeyRing::new(keys("2026-11"), Some("2026-11".to_owned())).expect("keys");
    }

    #[test]
    fn a_check_is_that_of_one_key() {
        let ring = |byte| {
            let keys = [("a".to_owned(), secret(byte))].into();
            KeyRing::new(keys, Some("a".to_owned())).expect("keys")
        };
        let check = ring(1).check_of_active().expect("there is an active key");
        assert_eq!(ring(1).fits(&check), Some(true));
        assert_eq!(ring(2).fits(&check), Some(false));
        assert_eq!(KeyRing::default().fits(&check), None);
    }
}
