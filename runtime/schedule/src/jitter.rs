//! Moves times a little, so that not everything happens in one second.

use sha2::{Digest as _, Sha256};

/// The part of `micros` by which a time is moved: the same whenever it is asked for.
pub(crate) fn part(id: &str, nominal: i64, micros: u64) -> u64 {
    let mut hash = Sha256::new();
    hash.update(id.as_bytes());
    hash.update(nominal.to_be_bytes());
    let bytes = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    let scaled = u128::from(u64::from_be_bytes(first)) * u128::from(micros);
    // Less than `micros`.
    u64::try_from(scaled >> 64).unwrap_or(0)
}
