//! Durable timers and time limits.

use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::cancellation::shielded;
use crate::failure::Failure;
use crate::run::{self, Command, OnCancel, Progress};
use crate::wait::Place;

/// Waits for `duration`, which may be years: nothing is held in memory
/// meanwhile that the run would miss after a crash. Fails only if the run is
/// asked to cancel.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    sleep_at(duration, Location::caller())
}

/// A timer that some place in the workflow's code has asked for.
pub(crate) fn sleep_at(duration: Duration, place: Place) -> Sleep {
    Sleep { progress: Progress::Planned(Box::new(Command::Timer(duration))), place }
}

/// A timer, made by [`sleep`]. The first poll starts it; dropping it cancels
/// it.
#[must_use = "a timer does nothing until it is awaited"]
pub struct Sleep {
    progress: Progress,
    place: Place,
}

impl Future for Sleep {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { progress, place } = &mut *self;
        run::with_run(|run| run.poll(progress, &mut OnCancel::GiveUp, place, cx))
            .map(|outcome| outcome.map(|_| ()))
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        run::abandon(&self.progress, OnCancel::GiveUp);
    }
}

/// Gives `future` at most `limit`. What has not ended by then is dropped, and
/// so cancelled. [`with_timeout`](crate::with_timeout) asks it to end, and waits.
///
/// The limit also holds while a run is being cancelled, and inside
/// [`shielded`] blocks.
#[track_caller]
pub fn timeout<F: IntoFuture>(
    limit: Duration,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    let timer = sleep_at(limit, Location::caller());
    async move {
        let mut future = pin!(future.into_future());
        let mut timer = pin!(shielded(timer));
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            timer.as_mut().poll(cx).map(|_| Err(Elapsed(limit)))
        })
        .await
    }
}

/// The time limit of [`timeout`] or [`with_timeout`](crate::with_timeout) ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed(pub(crate) Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not done within {:?}", self.0)
    }
}

impl std::error::Error for Elapsed {}
