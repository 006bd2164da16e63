//! What a workflow does when it is asked to cancel.
//!
//! The request makes every operation that the run waits for fail with a
//! [cancelled](crate::FailureKind::Cancelled) failure, and every later one at
//! once, so `?` carries it out of the workflow. Clean-up that has to happen
//! anyway goes into a [`shielded`] block.

use std::future::poll_fn;
use std::pin::pin;

use crate::attempt;
use crate::bindings::dacapo::workflow::run_context;
use crate::run::with_run;

/// Runs `future` as if nobody had asked the run to cancel.
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
    let mut future = pin!(future.into_future());
    poll_fn(|cx| {
        let _shield = Shield::enter();
        future.as_mut().poll(cx)
    })
    .await
}

/// True once somebody asked this run to cancel; in an activity, once the activity
/// was asked to.
pub fn is_cancel_requested() -> bool {
    if attempt::is_running() {
        return attempt::attempt_signals().cancel_requested;
    }
    run_context::is_cancel_requested()
}

/// Held while a shielded future is polled, whatever way the poll ends.
struct Shield;

impl Shield {
    fn enter() -> Self {
        with_run(|run| run.enter_shield());
        Self
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        with_run(|run| run.leave_shield());
    }
}
