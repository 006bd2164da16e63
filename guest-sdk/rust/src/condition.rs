//! Waiting for the workflow's own state.

use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::failure::Failure;
use crate::run::{if_run, with_run};
use crate::wait::{Place, WaitList};

/// Waits until `condition` holds. It is looked at now, and again whenever the
/// run has taken in what happened and nothing else can go on; so it costs a call
/// for each delivery. Fails if the run is asked to cancel before it holds.
///
/// The condition should ask for the state of the workflow and change nothing.
/// [`timeout`](crate::timeout) gives it a limit.
///
/// ```no_run
/// # use std::cell::Cell;
/// # use std::rc::Rc;
/// # use dacapo::{Failure, signals, spawn, wait_until};
/// # async fn workflow() -> Result<(), Failure> {
/// let votes = Rc::new(Cell::new(0));
/// let counted = Rc::clone(&votes);
/// let counter = spawn(async move {
///     while signals::<String>("vote").recv().await.is_ok() {
///         counted.set(counted.get() + 1);
///     }
/// });
/// wait_until(|| votes.get() >= 3).await?;
/// counter.cancel();
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn wait_until<F: FnMut() -> bool + Unpin>(condition: F) -> WaitUntil<F> {
    wait_for("condition", Location::caller(), condition)
}

/// Waits for a condition that has a name of its own.
pub(crate) fn wait_for<F: FnMut() -> bool + Unpin>(
    what: &'static str,
    place: Place,
    condition: F,
) -> WaitUntil<F> {
    WaitUntil { condition, what, place, ticket: None }
}

/// Waits for a condition; made by [`wait_until`].
#[must_use = "nothing waits until it is awaited"]
#[derive(Debug)]
pub struct WaitUntil<F> {
    condition: F,
    what: &'static str,
    place: Place,
    ticket: Option<u64>,
}

impl<F: FnMut() -> bool + Unpin> Future for WaitUntil<F> {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { condition, what, place, ticket } = &mut *self;
        // Outside of `with_run`: it is the workflow's code.
        let holds = condition();
        with_run(|run| run.poll_condition(holds, ticket, (what, place), cx))
    }
}

impl<F> Drop for WaitUntil<F> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            if_run(|run| run.conditions().waiting.stop_waiting(ticket));
        }
    }
}

/// The conditions of a run that did not hold when they were looked at.
pub(crate) struct Conditions {
    pub(crate) waiting: WaitList,
    /// Something has gone on since all of them were looked at.
    pub(crate) stale: bool,
}

impl Default for Conditions {
    fn default() -> Self {
        Self { waiting: WaitList::default(), stale: true }
    }
}

impl Conditions {
    /// Wakes all who wait, if any of them could find a change. False if not.
    pub(crate) fn look_again(&mut self) -> bool {
        // Whoever finds that its condition holds goes on, and so makes it stale.
        let stale = std::mem::take(&mut self.stale);
        if stale {
            self.waiting.wake_all();
        }
        stale
    }
}
