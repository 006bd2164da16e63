//! The one place where the library reads a clock.

use tokio::time::Instant;

/// A clock that never goes back.
pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "leases are counted from when something is sent")]
    Instant::now()
}
