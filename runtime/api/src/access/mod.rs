//! Who may ask for what: every request passes here, on a server that asks.
//!
//! ```text
//!  route ──▶ table: what it needs ──▶ key ──▶ principal ──▶ roles ──▶ audit log ──▶ handler
//! ```

mod failures;
mod guard;
mod replacement;
mod table;

use std::net::IpAddr;

pub(crate) use self::guard::{Guard, guard};
pub(crate) use self::replacement::check_replacement;
pub(crate) use self::table::rule_of;
pub use self::table::{AccessRule, Audited, Need, access_rules};

/// Whom a server lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Everybody who reaches it. Nothing is asked, nothing is logged.
    #[default]
    Open,
    /// Who brings a key, for what it permits.
    Keys,
}

/// The address of the client: whoever accepts connections puts it into the extensions of a
/// request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);
