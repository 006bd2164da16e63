//! Who calls.

use std::fmt;
use std::sync::Arc;

use dacapo_model::access::{ApiKey, ApiKeyId, Grants, Permission};
use dacapo_model::ids::{NamespaceName, RunKey};
use dacapo_model::time::Timestamp;

/// Who calls. Whoever answers requests makes one of each request; what it says of itself
/// (a key, a token, a certificate) becomes a kind of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Somebody who can reach the server, and need not say more.
    Local,
    /// A run that has something to say to another one of its namespace.
    Run(RunKey),
    /// Somebody with a key.
    Client(Arc<ApiClient>),
}

/// Whoever has a certain key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiClient {
    /// Which.
    pub key: ApiKeyId,
    /// What it permits.
    pub grants: Grants,
}

impl ApiClient {
    /// Whoever has this key.
    pub(crate) fn of(key: &ApiKey) -> Self {
        Self { key: key.id.clone(), grants: key.grants.clone() }
    }
}

impl Principal {
    /// The same as these keys say it is: what was found out when a request came may have
    /// changed. None if its own is not among them any more.
    pub(crate) fn as_of(&self, keys: &[ApiKey], now: Timestamp) -> Option<Self> {
        let Self::Client(client) = self else {
            return Some(self.clone());
        };
        let key = keys.iter().find(|key| key.id == client.key && !key.is_expired(now))?;
        Some(Self::Client(Arc::new(ApiClient::of(key))))
    }

    /// Whether it may do something in a namespace; without one, in all of them.
    pub fn may(&self, permission: Permission, namespace: Option<&NamespaceName>) -> bool {
        match self {
            Self::Local | Self::Run(_) => true,
            Self::Client(client) => client.grants.permit(permission, namespace),
        }
    }

    /// Whether it may do something in any namespace at all.
    pub fn may_somewhere(&self, permission: Permission) -> bool {
        match self {
            Self::Local | Self::Run(_) => true,
            Self::Client(client) => client.grants.permit_somewhere(permission),
        }
    }

    /// Whether it may say what somebody with these grants may do.
    pub fn administers(&self, grants: &Grants) -> bool {
        match self {
            Self::Local | Self::Run(_) => true,
            Self::Client(client) => client.grants.administer(grants),
        }
    }
}

/// As the log of what was changed names it.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Run(run) => write!(f, "run:{run}"),
            Self::Client(client) => write!(f, "key:{}", client.key),
        }
    }
}
