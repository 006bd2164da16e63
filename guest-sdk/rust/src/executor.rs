//! Drives the future of a workflow or an activity to its end.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::continue_as_new::Continuation;
use crate::failure::Failure;
use crate::run::{Delivery, with_run};
use crate::tasks::{self, ROOT};
use crate::woken::WokenList;
use crate::{queries, updates};

/// How the future of a workflow ended.
pub(crate) enum End<T> {
    /// It returned.
    Returned(T),
    /// It asked to go on as a new run.
    Continued(Continuation),
}

/// Runs a workflow and its tasks. Whenever nothing can go on, waits for the next
/// delivery; that is the only place where a run is suspended.
pub(crate) fn run_workflow<F: Future>(future: F) -> End<F::Output> {
    let woken = with_run(|run| run.tasks().woken());
    let waker = woken.add(ROOT);
    let mut future = pin!(future);
    let end = loop {
        if let Some(end) = go_on(future.as_mut(), &waker, &woken) {
            break end;
        }
        let host = with_run(|run| run.host());
        match host.next() {
            Delivery::Query { id, name, input } => queries::answer(&id, &name, &input),
            Delivery::Update { id, name, input } => updates::decide(id, &name, &input),
            delivery => with_run(|run| run.deliver(delivery)),
        }
    };
    if matches!(end, End::Continued(_)) {
        with_run(|run| run.return_signals());
    }
    tasks::cancel_all();
    end
}

/// Polls what was woken, in that order, until nothing can go on.
fn go_on<F: Future>(
    mut workflow: Pin<&mut F>,
    waker: &Waker,
    woken: &WokenList,
) -> Option<End<F::Output>> {
    loop {
        while let Some(task) = woken.pop() {
            if task != ROOT {
                tasks::poll(task);
            } else if let Poll::Ready(value) =
                workflow.as_mut().poll(&mut Context::from_waker(waker))
            {
                return Some(End::Returned(value));
            }
            if let Some(continuation) = with_run(|run| run.take_continuation()) {
                return Some(End::Continued(continuation));
            }
        }
        if !with_run(|run| run.conditions().look_again()) {
            return None;
        }
    }
}

/// Runs an activity. Nothing outside can wake it, so a future that waits
/// without having arranged for that would wait for ever.
pub fn run_activity<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    while woken.take() {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
    }
    let message = "the activity awaits something that nothing will wake: \
                   activities have no event loop, use blocking calls";
    Err(Failure::application("NeverWoken", message).non_retryable())
}

struct Woken(AtomicBool);

impl Woken {
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
