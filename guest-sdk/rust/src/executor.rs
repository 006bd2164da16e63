//! Drives the future of a workflow or an activity to its end.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::failure::Failure;
use crate::run::with_run;

/// How the future of a workflow ended.
pub(crate) enum End<T> {
    /// It returned.
    Returned(T),
    /// It asked to go on as a new run with this input.
    Continued(Vec<u8>),
}

/// Runs a workflow. Whenever nothing can go on, waits for the next delivery;
/// that is the only place where a run is suspended.
pub(crate) fn run_workflow<F: Future>(future: F) -> End<F::Output> {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        while woken.take() {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return End::Returned(value);
            }
            if let Some(input) = with_run(|run| run.take_continuation()) {
                with_run(|run| run.return_signals());
                return End::Continued(input);
            }
        }
        let host = with_run(|run| run.host());
        let delivery = host.next();
        with_run(|run| run.deliver(delivery));
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
