//! Keeping the shards, and noticing that they are lost also while there is nothing
//! to commit.

use std::sync::Arc;
use std::time::Duration;

use dacapo_store::error::Result;
use tokio_util::sync::CancellationToken;

use super::{LEASE, RENEWAL};
use crate::config::Tenure;
use crate::health::now;
use crate::hold::Hold;

/// How often a node without a lease looks whether it still has its shards.
const LOOK: Duration = Duration::from_secs(10);

/// How often a node looks whether the session of its lease is still there. Another
/// takes the shards if it is gone for [`DOUBT`](mod@super::take): by then the lease has to
/// be renewed on a new one.
const LOOK_AT_SESSION: Duration = Duration::from_millis(150);

/// Wait before a renewal that failed is tried again, for the same reason.
const AGAIN: Duration = Duration::from_millis(100);

/// Time to give a lease back. One that is not is over soon.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(2);

/// Runs until the node has let go of everything, or its work has ended. A node that is
/// stopping keeps its lease: attempts that it waits for are still its own.
pub(crate) async fn keep(hold: Arc<Hold>, halted: CancellationToken) {
    let every = match hold.tenure {
        Tenure::Alone => LOOK,
        Tenure::Leased { .. } => RENEWAL,
    };
    let (mut pause, mut answers) = (every, true);
    loop {
        tokio::select! {
            () = halted.cancelled() => return,
            () = hold.loss.of_any_kind() => return,
            () = until_due(&hold, pause) => {}
        }
        pause = match once(&hold).await {
            Ok(()) => {
                answers = true;
                every
            }
            Err(error) => {
                // Whoever needs the store next says so, too.
                if std::mem::take(&mut answers) {
                    tracing::warn!(error = ?error, "the database does not answer for the lease");
                }
                AGAIN.min(every)
            }
        };
    }
}

/// Waits so long, or until the session of the lease has ended.
async fn until_due(hold: &Hold, pause: Duration) {
    let due = now() + pause;
    loop {
        tokio::time::sleep_until(due.min(now() + LOOK_AT_SESSION)).await;
        if now() >= due {
            return;
        }
        let is_leased = hold.tenure != Tenure::Alone;
        if is_leased && !hold.store.lease_session_lives().await {
            return;
        }
    }
}

async fn once(hold: &Hold) -> Result<()> {
    if hold.tenure == Tenure::Alone {
        return hold.loss.look().await;
    }
    let kept = hold.store.renew_lease(&hold.owned.current(), LEASE).await;
    if let Err(error) = &kept {
        hold.loss.note(error).await;
    }
    kept
}

/// Gives the lease back: this node does nothing more.
pub(crate) async fn release(hold: &Hold) {
    if hold.tenure == Tenure::Alone {
        return;
    }
    let released = hold.store.release_lease(hold.owned.node());
    match tokio::time::timeout(RELEASE_TIME_MAX, released).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(error = ?error, "the lease was not given back"),
        Err(_) => tracing::debug!("the database did not take the lease back in time"),
    }
}
