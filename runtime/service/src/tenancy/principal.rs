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
    /// Somebody with a token of an identity provider.
    Token(Arc<TokenClient>),
    /// Somebody with a certificate that is given roles.
    Certified(Arc<CertifiedClient>),
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

/// Whoever a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClient {
    /// Who has made it.
    pub issuer: String,
    /// What the issuer calls them.
    pub subject: String,
    /// What it permits, if anything.
    pub grants: Option<Grants>,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// Whoever has a certificate with a certain name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedClient {
    /// Which, with its kind in front: `dns=exports.internal`.
    pub name: String,
    /// What it permits.
    pub grants: Grants,
}

impl Principal {
    /// Whether it may do everything, or what it was given permits this.
    fn permits(&self, this: impl Fn(&Grants) -> bool) -> bool {
        match self {
            Self::Local | Self::Run(_) => true,
            Self::Client(client) => this(&client.grants),
            Self::Token(client) => client.grants.as_ref().is_some_and(this),
            Self::Certified(client) => this(&client.grants),
        }
    }

    /// The same as these keys say it is: what was found out when a request came may have
    /// changed. None if its own is not among them any more.
    pub(crate) fn as_of(&self, keys: &[ApiKey], now: Timestamp) -> Option<Self> {
        let client = match self {
            Self::Local | Self::Run(_) | Self::Certified(_) => return Some(self.clone()),
            Self::Token(client) => return (now < client.expires_at).then(|| self.clone()),
            Self::Client(client) => client,
        };
        let key = keys.iter().find(|key| key.id == client.key && !key.is_expired(now))?;
        Some(Self::Client(Arc::new(ApiClient::of(key))))
    }

    /// Whether it may do something in a namespace; without one, in all of them.
    pub fn may(&self, permission: Permission, namespace: Option<&NamespaceName>) -> bool {
        self.permits(|own| own.permit(permission, namespace))
    }

    /// Whether it may do something in any namespace at all.
    pub fn may_somewhere(&self, permission: Permission) -> bool {
        self.permits(|own| own.permit_somewhere(permission))
    }

    /// Whether it may say what somebody with these grants may do.
    pub fn administers(&self, grants: &Grants) -> bool {
        self.permits(|own| own.administer(grants))
    }
}

/// As the log of what was changed names it.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Run(run) => write!(f, "run:{run}"),
            Self::Client(client) => write!(f, "key:{}", client.key),
            Self::Token(client) => write!(f, "oidc:{} of {}", client.subject, client.issuer),
            Self::Certified(client) => write!(f, "certificate:{}", client.name),
        }
    }
}
