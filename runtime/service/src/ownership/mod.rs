//! Whose shards they are: taking them, keeping them, and noticing that another node
//! has them.
//!
//! ```text
//!  take ── stands by while the owner lives ──▶ keep ── renews the lease ──▶ release
//!                                               │
//!          confirm (reads), commits, uploads, deletions ──▶ loss: of some, or the node ends
//! ```
//!
//! Leases decide how soon a node takes over, and nothing else: what it may write and
//! answer is decided by the epochs, which the store is asked about each time.

mod confirm;
mod keep;
mod loss;
mod owned;
mod take;

use std::time::Duration;

pub use dacapo_store::shard::NodeId;

pub(crate) use self::confirm::Confirm;
pub(crate) use self::keep::{keep, release};
pub(crate) use self::loss::Loss;
pub(crate) use self::owned::Owned;
pub(crate) use self::take::take;

/// How long a lease goes on without being renewed. Whoever waits for the shards of
/// a node that vanished without ending its session waits so long, and a second.
const LEASE: Duration = Duration::from_secs(10);

/// How often it is renewed: three times, before it is over.
const RENEWAL: Duration = Duration::from_secs(3);

/// How the start of a node comes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It looks whose the shards are.
    Starting,
    /// They are another node's, which is alive.
    StandingBy {
        /// That node.
        owner: NodeId,
    },
    /// They are its own, and it reads the runs.
    Recovering,
}
