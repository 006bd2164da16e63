//! Uploaded modules: named, versioned, content-addressed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::{ModuleName, NamespaceName, TypeName};
use crate::time::Timestamp;

/// SHA-256 of a component. Written as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleDigest(pub [u8; 32]);

impl ModuleDigest {
    /// Digests the bytes of a component.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for ModuleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModuleDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a module digest is 64 hex digits")]
pub struct InvalidDigest;

impl FromStr for ModuleDigest {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(InvalidDigest);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|_| InvalidDigest)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for ModuleDigest {
    type Error = InvalidDigest;
    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<ModuleDigest> for String {
    fn from(digest: ModuleDigest) -> Self {
        digest.to_string()
    }
}

/// What a module says it defines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModuleDefinitions {
    /// Workflow types.
    pub workflows: Vec<TypeName>,
    /// Activity types.
    pub activities: Vec<TypeName>,
}

/// One version of a module in a namespace, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleVersion {
    /// Where it was uploaded.
    pub namespace: NamespaceName,
    /// Its name there.
    pub name: ModuleName,
    /// Counted from 1 under that name.
    pub version: u32,
    /// Which component it is.
    pub digest: ModuleDigest,
    /// Bytes of the component.
    pub size_bytes: u64,
    /// What it defines.
    pub definitions: ModuleDefinitions,
    /// When it was uploaded.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_text_round_trips_and_refuses_garbage() {
        let digest = ModuleDigest::of(b"module");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!("abc".parse::<ModuleDigest>(), Err(InvalidDigest));
        assert_eq!("zz".repeat(32).parse::<ModuleDigest>(), Err(InvalidDigest));
        assert_eq!("é".repeat(32).parse::<ModuleDigest>(), Err(InvalidDigest));
    }
}
