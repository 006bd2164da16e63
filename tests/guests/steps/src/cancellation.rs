//! What workflows do when they are asked to cancel.

use std::time::Duration;

use dacapo::{Failure, shielded, sleep};
use serde::Deserialize;

use crate::activities::{Post, noop, post};

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[derive(Default, Deserialize)]
pub(crate) struct CleanUp {
    /// Where the clean-up is reported, if a test wants to see it.
    url: Option<String>,
}

/// `{"url": "http://.."}` or `null`: sleeps for a day. When it is asked to
/// cancel, runs a clean-up activity and ends as cancelled.
#[dacapo::workflow]
pub(crate) async fn cancellable(input: Option<CleanUp>) -> Result<(), Failure> {
    let Err(cancelled) = sleep(DAY).await else { return Ok(()) };
    // Nothing new can be started outside of a shield any more.
    if noop().await.is_ok() {
        return Err(Failure::application("NotCancelled", "an activity ran after cancellation"));
    }
    shielded(clean_up(input.unwrap_or_default())).await?;
    Err(cancelled)
}

async fn clean_up(input: CleanUp) -> Result<(), Failure> {
    match input.url {
        Some(url) => {
            post(Post { url, effect: "clean_up".to_owned(), succeed_at: 0 }).await?;
        }
        None => noop().await?,
    }
    Ok(())
}

/// A number of milliseconds: sleeps for so long in a shield, and completes with
/// whether it was asked to cancel meanwhile.
#[dacapo::workflow]
pub(crate) async fn ignores_cancellation(millis: u64) -> Result<bool, Failure> {
    shielded(sleep(Duration::from_millis(millis))).await?;
    Ok(dacapo::is_cancel_requested())
}
