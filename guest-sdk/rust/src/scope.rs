//! Parts of a workflow that can be cancelled by its own code.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::cancellation::shielded;
use crate::failure::Failure;
use crate::run::with_run;
use crate::timers::{Elapsed, Sleep, sleep_at};
use crate::wait::{Wait, Waits};

/// A part of a workflow that can be cancelled as the whole run can: what is awaited
/// in it fails as [cancelled](Failure::is_cancelled), each operation in its own way,
/// while everything beside it goes on.
///
/// Scopes nest. A scope is cancelled with the scope or the run around it, and a
/// [`shielded`] block in it is not. Tasks that are spawned in it belong to it.
///
/// Dropping a future also cancels what it waits for, but at once: use a scope
/// where what was started is to be asked, and its end waited for.
///
/// ```no_run
/// # use dacapo::{CancellationScope, Failure, join, signals, shielded};
/// # async fn render() -> Result<u32, Failure> { Ok(0) }
/// # async fn clean_up() -> Result<(), Failure> { Ok(()) }
/// # async fn workflow() -> Result<Option<u32>, Failure> {
/// let scope = CancellationScope::new();
/// let work = scope.run(async {
///     let rendered = render().await;
///     if rendered.is_err() {
///         shielded(clean_up()).await?;
///     }
///     rendered
/// });
/// let stop = scope.run(async {
///     signals::<String>("stop").recv().await.inspect(|why| scope.cancel(why))
/// });
/// let done = async { work.await.inspect(|_| scope.cancel("it is done")) };
/// let (rendered, _) = join!(done, stop);
/// # Ok(rendered.ok())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct CancellationScope {
    reason: Rc<RefCell<Option<String>>>,
    /// What it would end. To be told one by one: others are none of its business,
    /// and there may be very many.
    waits: Rc<Waits>,
}

impl CancellationScope {
    /// A scope that nothing runs in yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `future` in this scope, and so in the one where it is awaited. Any
    /// number of futures may run in a scope.
    pub fn run<F: IntoFuture>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        within([Frame::Scope(self.clone())], future)
    }

    /// Cancels what runs in this scope, now and later. The first reason counts.
    pub fn cancel(&self, reason: impl Into<String>) {
        let first = self.reason.borrow().is_none();
        if first {
            self.reason.replace(Some(reason.into()));
            self.waits.wake_all();
            // Some may ask whether it is cancelled.
            with_run(|run| run.conditions().stale = true);
        }
    }

    /// True once [`cancel`](Self::cancel) was called. What is around it may be
    /// cancelled nevertheless: see [`is_cancel_requested`](crate::is_cancel_requested).
    pub fn is_cancelled(&self) -> bool {
        self.reason.borrow().is_some()
    }
}

impl fmt::Debug for CancellationScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationScope").field("cancelled", &self.reason.borrow()).finish()
    }
}

/// Gives `future` at most `limit`, and then asks it to end: what it waits for is
/// cancelled, as in a [`CancellationScope`], and its end is waited for. Activities
/// and children end as they were called to; [`shielded`] blocks in it run to
/// their end. What it succeeded in nevertheless counts.
///
/// Fails as [`Elapsed`] if the limit is what ended it. The limit also holds while
/// the run is being cancelled, and inside [`shielded`] blocks.
/// [`timeout`](crate::timeout) does not wait: it drops what takes too long.
///
/// ```no_run
/// # use std::time::Duration;
/// # use dacapo::{ActivityOptions, CancellationType, Failure, with_timeout};
/// # #[dacapo::activity] fn transcode(film: String) -> Result<String, Failure> { Ok(film) }
/// # async fn workflow(film: String) -> Result<Option<String>, Failure> {
/// let wait = ActivityOptions::new().cancellation(CancellationType::WaitCancellationCompleted);
/// match with_timeout(Duration::from_secs(3_600), transcode(film).options(wait)).await {
///     Err(failure) if failure.is_type("Elapsed") => Ok(None), // and it has cleaned up
///     transcoded => transcoded.map(Some),
/// }
/// # }
/// # fn main() {}
/// ```
#[track_caller]
pub fn with_timeout<F, T, E>(limit: Duration, future: F) -> impl Future<Output = Result<T, Failure>>
where
    F: IntoFuture<Output = Result<T, E>>,
    E: Into<Failure>,
{
    within_time(limit, sleep_at(limit, Location::caller()), future)
}

async fn within_time<F, T, E>(limit: Duration, timer: Sleep, future: F) -> Result<T, Failure>
where
    F: IntoFuture<Output = Result<T, E>>,
    E: Into<Failure>,
{
    let scope = CancellationScope::new();
    let mut future = pin!(scope.run(future));
    let mut timer = pin!(shielded(timer));
    let outcome = poll_fn(|cx| {
        let first = future.as_mut().poll(cx);
        if first.is_ready() || scope.is_cancelled() || timer.as_mut().poll(cx).is_pending() {
            return first;
        }
        scope.cancel(Elapsed(limit).to_string());
        future.as_mut().poll(cx)
    })
    .await;
    outcome.map_err(|error| {
        let failure: Failure = error.into();
        let cancelled_besides = with_run(|run| run.cancellation().is_some());
        if scope.is_cancelled() && failure.is_cancelled() && !cancelled_besides {
            Failure::from(Elapsed(limit)).caused_by(failure)
        } else {
            failure
        }
    })
}

/// One thing around the code that goes on now.
#[derive(Clone)]
pub(crate) enum Frame {
    /// Nothing outside of it cancels what is inside.
    Shield,
    Scope(CancellationScope),
}

/// What is around the code that goes on now, from the outside in.
#[derive(Default)]
pub(crate) struct Frames(Vec<Frame>);

impl Frames {
    /// Why the code that goes on now is cancelled; `run` is why the run is.
    pub(crate) fn cancellation(&self, run: Option<&String>) -> Option<Failure> {
        for frame in self.0.iter().rev() {
            match frame {
                Frame::Shield => return None,
                Frame::Scope(scope) => {
                    if let Some(reason) = &*scope.reason.borrow() {
                        return Some(Failure::cancelled(reason));
                    }
                }
            }
        }
        run.map(Failure::cancelled)
    }

    /// Lets the scopes around the code that goes on now end this wait.
    pub(crate) fn enclose(&self, wait: &Rc<Wait>) {
        let scopes = self.0.iter().rev().map_while(|frame| match frame {
            Frame::Shield => None,
            Frame::Scope(scope) => Some(&scope.waits),
        });
        wait.within(scopes);
    }

    /// What is around a task that is spawned here.
    pub(crate) fn inherited(&self) -> Vec<Frame> {
        let shield = self.0.iter().rposition(|frame| matches!(frame, Frame::Shield));
        self.0[shield.unwrap_or(0)..].to_vec()
    }
}

/// Runs `future` with these around it.
pub(crate) async fn within<F: IntoFuture>(frames: impl AsRef<[Frame]>, future: F) -> F::Output {
    let mut future = pin!(future.into_future());
    poll_fn(|cx| -> Poll<F::Output> {
        let _entered = Entered::new(frames.as_ref());
        future.as_mut().poll(cx)
    })
    .await
}

/// Held while a future is polled, whatever way the poll ends.
struct Entered {
    outside: usize,
}

impl Entered {
    fn new(frames: &[Frame]) -> Self {
        with_run(|run| {
            let around = &mut run.frames().0;
            let outside = around.len();
            around.extend_from_slice(frames);
            Self { outside }
        })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        with_run(|run| run.frames().0.truncate(self.outside));
    }
}
