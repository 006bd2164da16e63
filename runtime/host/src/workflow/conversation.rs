//! The cursor, shared between the guest's host functions and the instance that
//! drives them, and the one way in which a guest waits.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use dacapo_engine::replay::{Answer, Budget, CallError, Cursor};
use dacapo_model::limits::Limits;
use dacapo_model::text::cut;
use parking_lot::{Mutex, MutexGuard};

use crate::trap::Stop;

/// A guest's conversation with its history. Only one thread is in it at a time;
/// the lock is there because the guest's future may move between threads.
pub(crate) struct Conversation {
    cursor: Mutex<Cursor>,
    /// Set by a host function that suspends the guest since nothing more is
    /// recorded. A guest that is suspended without it only yields to others.
    waiting: AtomicBool,
    /// What is said of a guest that waits where nothing will ever come.
    in_vain: Option<&'static str>,
    /// Where in its code the guest is, if someone wants to know.
    trace: Option<Mutex<Position>>,
}

/// Where in its code a guest is.
#[derive(Debug, Clone, Default)]
struct Position {
    /// The functions of the component in which it waited last.
    backtrace: Option<String>,
    /// What it has said itself, in the terms of its language.
    noted: Option<String>,
}

/// Bytes that are kept of what a guest says about where it is.
const POSITION_BYTES_MAX: usize = 8 * 1024;

impl Conversation {
    /// One that has not begun.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            cursor: Mutex::new(Cursor::new(Budget::from(limits))),
            waiting: AtomicBool::new(false),
            in_vain: None,
            trace: None,
        }
    }

    /// One in which nothing is ever delivered: a guest that waits is stopped.
    pub(crate) fn without_history(limits: &Limits, problem: &'static str) -> Self {
        Self { in_vain: Some(problem), ..Self::new(limits) }
    }

    /// One that notes where in its code the guest waits.
    pub(crate) fn traced(limits: &Limits) -> Self {
        Self { trace: Some(Mutex::default()), ..Self::new(limits) }
    }

    /// Whether someone wants to know where the guest waits.
    pub(crate) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// The guest is about to wait there.
    pub(crate) fn waits_at(&self, backtrace: Option<String>) {
        if let Some(trace) = &self.trace {
            trace.lock().backtrace = backtrace;
        }
    }

    /// The guest says where it is.
    pub(crate) fn note_position(&self, mut position: String) {
        if let Some(trace) = &self.trace {
            cut(&mut position, POSITION_BYTES_MAX);
            trace.lock().noted = Some(position).filter(|position| !position.is_empty());
        }
    }

    /// Where it waited last: as it has said itself, or else in which functions.
    pub(crate) fn trace(&self) -> Option<String> {
        let position = self.trace.as_ref()?.lock().clone();
        position.noted.or(position.backtrace)
    }

    /// Where the guest has said that it is.
    pub(crate) fn noted_position(&self) -> Option<String> {
        self.trace.as_ref()?.lock().noted.clone()
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
            Ok(Answer::Blocked) if let Some(problem) = self.in_vain => {
                Poll::Ready(Err(Stop::Misuse(problem.to_owned())))
            }
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
