//! Tasks: parts of a workflow that go on by themselves.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::run::with_run;
use crate::scope::within;
use crate::tasks;

/// Starts `future` as a task of the run, which goes on whenever the workflow
/// waits, whether or not anybody awaits the task.
///
/// The task belongs to its handle: dropping the handle cancels it, as dropping
/// any future does, and [`detach`](Task::detach) lets it go on without one. All
/// tasks end with the run. A task that is spawned inside a
/// [`shielded`](crate::shielded) block is shielded as well, and one that is
/// spawned in a [scope](crate::CancellationScope) is cancelled with it.
///
/// ```no_run
/// # use dacapo::{Failure, sleep, spawn};
/// # use std::time::Duration;
/// # async fn report(text: &'static str) -> Result<(), Failure> { Ok(()) }
/// # async fn workflow() -> Result<(), Failure> {
/// let reminder = spawn(async {
///     sleep(Duration::from_secs(86_400)).await?;
///     report("still waiting").await
/// });
/// report("begun").await?;
/// reminder.await
/// # }
/// ```
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: IntoFuture<IntoFuture: 'static, Output: 'static>,
{
    let future = future.into_future();
    let outcome = Rc::new(RefCell::new(Outcome::Open(None)));
    let end = Rc::clone(&outcome);
    let frames = with_run(|run| run.frames().inherited());
    let whole = async move {
        let output = within(frames, future).await;
        if let Outcome::Open(Some(waker)) = end.replace(Outcome::Done(output)) {
            waker.wake();
        }
    };
    let id = with_run(|run| run.tasks().add(Box::pin(whole)));
    Task { id, outcome, detached: false }
}

/// A part of a workflow that goes on by itself, made by [`spawn`]. Awaiting it
/// gives its output.
#[must_use = "dropping a task cancels it; `detach` lets it go on"]
pub struct Task<T> {
    id: usize,
    outcome: Rc<RefCell<Outcome<T>>>,
    detached: bool,
}

enum Outcome<T> {
    /// Still going on; who awaits it.
    Open(Option<Waker>),
    Done(T),
    Taken,
}

impl<T> Task<T> {
    /// Lets the task go on without its handle, at most as long as the run.
    pub fn detach(mut self) {
        self.detached = true;
    }

    /// Cancels the task: what it waits for is given up. The same as dropping it.
    pub fn cancel(self) {}

    /// True once the task has an output.
    pub fn is_finished(&self) -> bool {
        !matches!(*self.outcome.borrow(), Outcome::Open(_))
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut outcome = self.outcome.borrow_mut();
        match &mut *outcome {
            Outcome::Open(waiting) => {
                *waiting = Some(cx.waker().clone());
                Poll::Pending
            }
            Outcome::Done(_) => match std::mem::replace(&mut *outcome, Outcome::Taken) {
                Outcome::Done(output) => Poll::Ready(output),
                Outcome::Open(_) | Outcome::Taken => Poll::Pending,
            },
            Outcome::Taken => panic!("a task was awaited again after its end"),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if !self.detached {
            tasks::cancel(self.id);
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
