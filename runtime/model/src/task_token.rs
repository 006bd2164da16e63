//! Names an attempt that is completed from outside, or that a worker has from a queue.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::ids::{EventId, RunId, RunKey, WorkflowHash};

/// The first byte of the token of an attempt that is completed from outside.
const OUTSIDE: u8 = 1;

/// The first byte of the token of an attempt that a worker has from a queue.
const LEASED: u8 = 2;

/// Version, hash, run, event and secret.
const OUTSIDE_BYTES: usize = 1 + 4 + 16 + 8 + 16;

/// The same with the attempt before the secret.
const LEASED_BYTES: usize = OUTSIDE_BYTES + 4;

/// Whoever holds it may say how the attempt ended. As text it fits into a URL.
/// It says where the attempt is found, and a secret that nobody can guess: of
/// that, the history holds a digest only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskToken {
    /// The run that asked for the activity.
    pub key: RunKey,
    /// Its `ActivityTaskScheduled`.
    pub scheduled_event_id: EventId,
    /// The attempt, among all there ever were, if a worker has it from a queue.
    pub attempt: Option<u32>,
    /// Another one for each attempt that is completed from outside, and for each poll.
    pub secret: Uuid,
}

impl TaskToken {
    /// What the history holds of the secret.
    pub fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.digest_bytes())
    }

    /// What the row of a lease holds of the secret.
    pub fn digest_bytes(&self) -> [u8; 16] {
        Self::digest_of(self.secret)
    }

    /// What is held of a secret.
    pub fn digest_of(secret: Uuid) -> [u8; 16] {
        let digest = Sha256::digest(secret.as_bytes());
        digest.first_chunk().copied().unwrap_or_default()
    }
}

impl fmt::Display for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(LEASED_BYTES);
        bytes.push(self.attempt.map_or(OUTSIDE, |_| LEASED));
        bytes.extend(self.key.hash.0.to_be_bytes());
        bytes.extend(self.key.run_id.0.as_bytes());
        bytes.extend(self.scheduled_event_id.0.to_be_bytes());
        bytes.extend(self.attempt.into_iter().flat_map(u32::to_be_bytes));
        bytes.extend(self.secret.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// The text is not a task token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a task token: an activity gets one when it says that it is completed later, and \
     a worker gets one with each task"
)]
pub struct InvalidToken;

impl FromStr for TaskToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidToken)?;
        let (version, bytes) = bytes.split_first().ok_or(InvalidToken)?;
        let is_leased = match (*version, 1 + bytes.len()) {
            (OUTSIDE, OUTSIDE_BYTES) => false,
            (LEASED, LEASED_BYTES) => true,
            _ => return Err(InvalidToken),
        };
        let (hash, bytes) = bytes.split_first_chunk().ok_or(InvalidToken)?;
        let (run_id, bytes) = bytes.split_first_chunk().ok_or(InvalidToken)?;
        let (event_id, bytes) = bytes.split_first_chunk().ok_or(InvalidToken)?;
        let (attempt, secret) = match is_leased {
            true => {
                let (attempt, secret) = bytes.split_first_chunk().ok_or(InvalidToken)?;
                (Some(u32::from_be_bytes(*attempt)), secret)
            }
            false => (None, bytes),
        };
        Ok(Self {
            key: RunKey {
                hash: WorkflowHash(i32::from_be_bytes(*hash)),
                run_id: RunId(Uuid::from_bytes(*run_id)),
            },
            scheduled_event_id: EventId(u64::from_be_bytes(*event_id)),
            attempt,
            secret: Uuid::from_slice(secret).map_err(|_| InvalidToken)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> TaskToken {
        TaskToken {
            key: RunKey { hash: WorkflowHash(-5), run_id: RunId(Uuid::from_u128(7)) },
            scheduled_event_id: EventId(u64::MAX),
            attempt: None,
            secret: Uuid::from_u128(9),
        }
    }

    #[test]
    fn a_token_is_read_back_from_a_text_that_fits_into_a_url() {
        for token in [token(), TaskToken { attempt: Some(7), ..token() }] {
            let text = token.to_string();
            assert_eq!(text.parse(), Ok(token));
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let text = token().to_string();
        for wrong in ["", "x", &text[1..], &format!("{text}AA"), &text.replace('A', "!")] {
            assert_eq!(wrong.parse::<TaskToken>(), Err(InvalidToken), "{wrong}");
        }
    }

    #[test]
    fn the_digest_tells_secrets_apart_and_does_not_hold_them() {
        let other = TaskToken { secret: Uuid::from_u128(10), ..token() };
        assert_ne!(token().digest(), other.digest());
        assert!(!token().to_string().contains(&token().digest()));
    }
}
