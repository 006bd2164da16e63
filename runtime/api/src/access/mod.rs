//! Who may ask for what: every request passes here, on a server that asks.
//!
//! ```text
//!  route ──▶ table: what it needs ──▶ key ──▶ principal ──▶ roles ──▶ audit log ──▶ handler
//! ```

mod failures;
mod guard;
mod oidc;
mod replacement;
mod table;

use std::net::IpAddr;
use std::sync::Arc;

use dacapo_service::tenancy::CertifiedClient;

pub(crate) use self::guard::{Guard, guard};
pub use self::oidc::{InvalidOidc, Oidc, OidcConfig, RoleMapping, SignatureAlgorithm};
pub(crate) use self::replacement::check_replacement;
pub(crate) use self::table::rule_of;
pub use self::table::{AccessRule, Audited, Need, access_rules};

/// Whom a server lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Everybody who reaches it. Nothing is asked, nothing is logged.
    #[default]
    Open,
    /// Who brings a key, a token or a certificate, for what it permits.
    Keys,
}

/// The address of the client: whoever accepts connections puts it into the extensions of a
/// request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Who the client is by its certificate, if that is given roles: whoever accepts connections
/// puts it into the extensions of a request.
#[derive(Debug, Clone)]
pub struct ClientCertificate(pub Arc<CertifiedClient>);
