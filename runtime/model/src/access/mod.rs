//! Who may do what: roles, what they permit, and keys.

mod key;
mod role;

pub use self::key::{ApiKeyHash, ApiKeyId, ApiKeySecret, InvalidApiKey};
pub use self::role::{Grant, Grants, InvalidGrants, Permission, Role, UnknownRole};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Keys that there may be at a time. All of them are in the memory of each server.
pub const API_KEYS_MAX: usize = 1000;

/// Of those, keys that may have a role in one namespace: whoever administers it alone must not
/// take the room of the others.
pub const NAMESPACE_API_KEYS_MAX: usize = 100;

/// Bytes of the name of a key.
pub const API_KEY_NAME_BYTES_MAX: usize = 128;

/// A key as it is stored: everything but the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// By what it is named. Follows from its hash.
    pub id: ApiKeyId,
    /// By what it is recognised when somebody uses it.
    pub hash: ApiKeyHash,
    /// What people call it.
    pub name: String,
    /// What its bearer may do.
    pub grants: Grants,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused; none if it stays.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to about a minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// Something that was asked for, for those who look later who did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When it was asked for.
    pub at: Timestamp,
    /// Who asked, such as `key:3f2a...`, or `local` for somebody at the database.
    pub principal: String,
    /// What for: the name of the operation in the description of the API.
    pub action: String,
    /// In which namespace, if in one.
    pub namespace: Option<String>,
    /// Of what: the path of the request, or what there is to say of a key.
    pub target: String,
    /// The address of the client, if it came over the network.
    pub address: Option<String>,
    /// The id of the HTTP request, if it was one: the log of the server has it, too.
    pub request_id: Option<String>,
}
