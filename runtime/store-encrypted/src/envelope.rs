//! How an encrypted value is written.
//!
//! ```text
//!  magic (8) | length of the key's name (1) | name | nonce (12) | encrypted, with tag (16)
//! ```
//!
//! Nonces are random. They need not repeat within a run, which writes far fewer values than
//! there are nonces.

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use ring::rand::{SecureRandom as _, SystemRandom};

/// No text begins with it, and no value of a serialiser that we know.
pub(crate) const MAGIC: &[u8; 8] = b"\x00\xffDACA1\xff";

/// The parts of an encrypted value.
pub(crate) struct Parts<'a> {
    /// The name of the key.
    pub(crate) key_id: &'a str,
    nonce: [u8; NONCE_LEN],
    encrypted: &'a [u8],
}

/// Encrypts.
pub(crate) fn seal(key_id: &str, key: &LessSafeKey, plain: &[u8]) -> Vec<u8> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).expect("the system has random bytes");
    let mut encrypted = plain.to_vec();
    let header = header(key_id);
    let (nonce_used, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(&header));
    key.seal_in_place_append_tag(nonce_used, aad, &mut encrypted).expect("it is short enough");
    [header.as_slice(), &nonce, &encrypted].concat()
}

/// The parts of a value, if it is an encrypted one.
pub(crate) fn parts(value: &[u8]) -> Option<Parts<'_>> {
    let rest = value.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first()?;
    let (key_id, rest) = rest.split_at_checked(usize::from(*length))?;
    let (nonce, encrypted) = rest.split_first_chunk()?;
    Some(Parts { key_id: std::str::from_utf8(key_id).ok()?, nonce: *nonce, encrypted })
}

/// Decrypts; none if it was not encrypted with this key, or was changed since.
pub(crate) fn open(parts: &Parts<'_>, key: &LessSafeKey) -> Option<Vec<u8>> {
    let mut bytes = parts.encrypted.to_vec();
    let nonce = Nonce::assume_unique_for_key(parts.nonce);
    let length = key.open_in_place(nonce, Aad::from(header(parts.key_id)), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

fn header(key_id: &str) -> Vec<u8> {
    let length = u8::try_from(key_id.len()).expect("names of keys are short");
    [MAGIC.as_slice(), &[length], key_id.as_bytes()].concat()
}
