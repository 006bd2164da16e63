//! API keys: what they look like, and what is kept of one.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// What every key begins with, so that people and scanners for secrets recognise one.
const PREFIX: &str = "dcp_";

/// Random bytes of a key.
const SECRET_BYTES: usize = 32;

/// Bytes of the hash by which a key is named.
const ID_BYTES: usize = 8;

/// A text that is no key. Says nothing of the text: it may be most of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an API key is `dcp_` and 64 digits and letters from a to f")]
pub struct InvalidApiKey;

/// A key, as its bearer has it. Shown once, when it is made, and never stored: it has no
/// `Display`, and `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeySecret(String);

impl ApiKeySecret {
    /// Of bytes that nobody can guess.
    pub fn new(random: [u8; SECRET_BYTES]) -> Self {
        let mut text = String::with_capacity(PREFIX.len() + 2 * SECRET_BYTES);
        text.push_str(PREFIX);
        push_hex(&mut text, &random);
        Self(text)
    }

    /// The key itself, for its bearer.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it. One round of SHA-256 without salt is enough: slow hashes make
    /// up for what people choose, and nobody guesses 256 random bits. It costs a request
    /// less than a microsecond.
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl ApiKeySecret {
    /// Whether a text is one, or was meant to be: a token of somebody else begins otherwise.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }
}

impl FromStr for ApiKeySecret {
    type Err = InvalidApiKey;

    fn from_str(text: &str) -> Result<Self, InvalidApiKey> {
        let digits = text.strip_prefix(PREFIX).ok_or(InvalidApiKey)?;
        let is_hex = digits.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() != 2 * SECRET_BYTES || !is_hex {
            return Err(InvalidApiKey);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dcp_...")
    }
}

/// The SHA-256 of a key: recognises it, and does not give it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApiKeyHash(pub [u8; 32]);

impl ApiKeyHash {
    /// By what the key is named: the beginning of its hash.
    pub fn id(&self) -> ApiKeyId {
        let mut text = String::with_capacity(2 * ID_BYTES);
        push_hex(&mut text, &self.0[..ID_BYTES]);
        ApiKeyId(text)
    }
}

/// Names a key, and is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiKeyId(String);

impl ApiKeyId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ApiKeyId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with(PREFIX) {
            return Err("this is the key itself, not its id: whoever reads the log of a proxy \
                        has it now. `dacapo key list` shows the ids"
                .to_owned());
        }
        let is_hex = text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 2 * ID_BYTES || !is_hex {
            return Err("the id of a key has 16 digits and letters from a to f".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_nothing_else_is() {
        let key = ApiKeySecret::new([0xa7; 32]);
        let text = key.expose().to_owned();
        assert_eq!(text, format!("dcp_{}", "a7".repeat(32)));
        assert_eq!(text.parse(), Ok(key));
        let long = format!("{text}0");
        for wrong in ["", "dcp_", &text[4..], &text[..67], &long, &text.to_uppercase()] {
            assert_eq!(wrong.parse::<ApiKeySecret>(), Err(InvalidApiKey), "{wrong}");
        }
    }

    #[test]
    fn nothing_but_expose_shows_a_key() {
        let key = ApiKeySecret::new([0xa7; 32]);
        let shown = format!("{key:?} {:?} {}", key.hash(), key.hash().id());
        assert!(!shown.contains("a7a7"), "{shown}");
    }

    #[test]
    fn the_id_follows_from_the_key_and_a_key_is_no_id() {
        let key = ApiKeySecret::new([1; 32]);
        let id = key.hash().id();
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        assert_ne!(ApiKeySecret::new([2; 32]).hash().id(), id);
        let refused = key.expose().parse::<ApiKeyId>().expect_err("a key");
        assert!(refused.contains("not its id") && !refused.contains("0101"), "{refused}");
    }
}
