//! One value from one task to another.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::Closed;

/// A channel for one value.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = Rc::new(RefCell::new(State { value: None, waker: None, closed: false }));
    (Sender(Rc::clone(&state)), Receiver(state))
}

struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
    /// One of the two sides is gone.
    closed: bool,
}

/// The sending side.
pub struct Sender<T>(Rc<RefCell<State<T>>>);

impl<T> Sender<T> {
    /// Sends the value; gives it back if nobody waits for it any more.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut state = self.0.borrow_mut();
        if state.closed {
            return Err(value);
        }
        state.value = Some(value);
        Ok(())
    }

    /// True if nobody waits for the value any more.
    pub fn is_closed(&self) -> bool {
        self.0.borrow().closed
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        state.closed = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

/// The receiving side. Awaiting it gives the value, or [`Closed`] if the sender
/// was dropped without sending one.
#[must_use = "nothing is received until it is awaited"]
pub struct Receiver<T>(Rc<RefCell<State<T>>>);

impl<T> Future for Receiver<T> {
    type Output = Result<T, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.borrow_mut();
        if let Some(value) = state.value.take() {
            return Poll::Ready(Ok(value));
        }
        if state.closed {
            return Poll::Ready(Err(Closed));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let unread = {
            let mut state = self.0.borrow_mut();
            state.closed = true;
            state.value.take()
        };
        drop(unread);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = self.0.borrow().value.is_some();
        f.debug_struct("Receiver").field("sent", &sent).finish_non_exhaustive()
    }
}
