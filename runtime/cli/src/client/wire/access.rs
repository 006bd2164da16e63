//! Keys, and the log of what was changed.

use serde::Deserialize;

/// A key that was made.
#[derive(Debug, Deserialize)]
pub struct CreatedKey {
    /// The key itself.
    pub key: String,
    /// What is known of it.
    pub api_key: ApiKey,
}

/// All keys.
#[derive(Debug, Deserialize)]
pub struct ApiKeys {
    /// The oldest first.
    pub api_keys: Vec<ApiKey>,
}

/// A key, without what makes it one.
#[derive(Debug, Deserialize)]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it permits.
    pub grants: Vec<dacapo_model::access::Grant>,
    /// From when on it is refused.
    pub expires_at: Option<String>,
    /// When it was used last.
    pub last_used_at: Option<String>,
}

/// A page of the log.
#[derive(Debug, Deserialize)]
pub struct AuditPage {
    /// The newest first.
    pub entries: Vec<AuditEntry>,
}

/// Something that was asked for.
#[derive(Debug, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: String,
    /// Who.
    pub principal: String,
    /// What.
    pub action: String,
    /// Of what.
    pub target: String,
    /// From where.
    pub address: Option<String>,
}
