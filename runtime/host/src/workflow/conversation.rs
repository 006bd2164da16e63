//! The cursor, shared between the guest's host functions and the instance that
//! drives them, and the one way in which a guest waits.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use dacapo_engine::replay::{Answer, Budget, CallError, Cursor};
use dacapo_model::limits::Limits;
use parking_lot::{Mutex, MutexGuard};

use crate::trap::Stop;

/// A guest's conversation with its history. Only one thread is in it at a time;
/// the lock is there because the guest's future may move between threads.
pub(crate) struct Conversation {
    cursor: Mutex<Cursor>,
    /// Set by a host function that suspends the guest since nothing more is
    /// recorded. A guest that is suspended without it only yields to others.
    waiting: AtomicBool,
    /// Where in its code the guest waits, if someone wants to know.
    trace: Option<Mutex<Option<String>>>,
}

impl Conversation {
    /// One that has not begun.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            cursor: Mutex::new(Cursor::new(Budget::from(limits))),
            waiting: AtomicBool::new(false),
            trace: None,
        }
    }

    /// One that notes where in its code the guest waits.
    pub(crate) fn traced(limits: &Limits) -> Self {
        Self { trace: Some(Mutex::new(None)), ..Self::new(limits) }
    }

    /// Whether someone wants to know where the guest waits.
    pub(crate) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// The guest is about to wait there.
    pub(crate) fn waits_at(&self, backtrace: Option<String>) {
        if let Some(trace) = &self.trace {
            *trace.lock() = backtrace;
        }
    }

    /// Where it waited last.
    pub(crate) fn trace(&self) -> Option<String> {
        self.trace.as_ref()?.lock().clone()
    }

    /// The cursor, for a call that answers at once.
    pub(crate) fn cursor(&self) -> MutexGuard<'_, Cursor> {
        self.cursor.lock()
    }

    /// Answers a call that may wait: at once while something is recorded.
    pub(crate) async fn answer<T>(
        &self,
        ask: impl Fn(&mut Cursor) -> Result<Answer<T>, CallError>,
    ) -> Result<T, Stop> {
        poll_fn(|_| match ask(&mut self.cursor.lock()) {
            Ok(Answer::Ready(answer)) => Poll::Ready(Ok(answer)),
            // No waker: it is polled again when more has been recorded.
            Ok(Answer::Blocked) => {
                self.waiting.store(true, Ordering::Relaxed);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(Stop::Call(error))),
        })
        .await
    }

    /// Runs a guest until it ends, or waits for what is not recorded (none).
    pub(crate) async fn run_until_wait<F: Future + ?Sized>(
        &self,
        mut guest: Pin<&mut F>,
    ) -> Option<F::Output> {
        poll_fn(|context| {
            self.waiting.store(false, Ordering::Relaxed);
            match guest.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if self.waiting.load(Ordering::Relaxed) => Poll::Ready(None),
                // It made way, and has woken this task already.
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}
