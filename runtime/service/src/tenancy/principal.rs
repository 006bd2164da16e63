//! Who calls.

use dacapo_model::ids::RunKey;

/// Who calls. Whoever answers requests makes one of each request; what it says of itself
/// (a key, a token, a certificate) becomes a kind of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Somebody who can reach the server, and need not say more.
    Local,
    /// A run that has something to say to another one of its namespace.
    Run(RunKey),
}
