//! What a workflow does when it is asked to cancel.
//!
//! The request makes every operation that the run waits for fail with a
//! [cancelled](crate::FailureKind::Cancelled) failure, and every later one at
//! once, so `?` carries it out of the workflow. Clean-up that has to happen
//! anyway goes into a [`shielded`] block.

use std::panic::Location;

use crate::attempt;
use crate::bindings::dacapo::workflow::run_context;
use crate::condition::wait_for;
use crate::failure::Failure;
use crate::run::if_run;
use crate::scope::{Frame, within};

/// Runs `future` as if nobody had asked the run to cancel, nor cancelled a
/// [scope](crate::CancellationScope) around it.
///
/// ```no_run
/// # use dacapo::{Failure, sleep, shielded};
/// # use std::time::Duration;
/// # async fn rent() -> Result<(), Failure> { Ok(()) }
/// # async fn give_back() -> Result<(), Failure> { Ok(()) }
/// # async fn workflow() -> Result<(), Failure> {
/// rent().await?;
/// let outcome = sleep(Duration::from_secs(86_400)).await;
/// shielded(give_back()).await?;
/// outcome
/// # }
/// ```
pub async fn shielded<F: IntoFuture>(future: F) -> F::Output {
    within([Frame::Shield], future).await
}

/// True once somebody asked this run to cancel, also in a [`shielded`] block, or
/// once the code that asks is cancelled by a [scope](crate::CancellationScope); in
/// an activity, once the activity was asked to.
pub fn is_cancel_requested() -> bool {
    if attempt::is_running() {
        return attempt::attempt_signals().cancel_requested;
    }
    if_run(|run| run.cancellation().is_some()) == Some(true) || run_context::is_cancel_requested()
}

/// Waits until somebody asks this run to cancel, or a
/// [scope](crate::CancellationScope) around the wait is cancelled, and says why. In
/// a [`shielded`] block, only a scope inside of it counts.
#[track_caller]
pub fn cancelled() -> impl Future<Output = Failure> {
    let place = Location::caller();
    async move {
        loop {
            if let Err(failure) = wait_for("cancellation", place, || false).await {
                return failure;
            }
        }
    }
}
