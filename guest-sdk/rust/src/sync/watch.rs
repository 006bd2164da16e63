//! A value that some tasks change and others follow. They see the latest value;
//! what it was in between is not kept.

use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::Closed;
use crate::waiters::Waiters;

/// A value to follow. The receiver has seen the one that it begins with.
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        value: RefCell::new(value),
        version: Cell::new(0),
        senders: Cell::new(1),
        waiting: RefCell::default(),
    });
    (Sender(Rc::clone(&shared)), Receiver { shared, seen: 0 })
}

struct Shared<T> {
    value: RefCell<T>,
    version: Cell<u64>,
    senders: Cell<usize>,
    waiting: RefCell<Waiters>,
}

/// The side that changes the value.
pub struct Sender<T>(Rc<Shared<T>>);

impl<T> Sender<T> {
    /// Sets the value and gives back the old one.
    pub fn send(&self, value: T) -> T {
        let old = self.0.value.replace(value);
        self.changed();
        old
    }

    /// Changes the value in place.
    pub fn modify(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.0.value.borrow_mut());
        self.changed();
    }

    /// The value now. Not to be held across an `await`.
    pub fn borrow(&self) -> Ref<'_, T> {
        self.0.value.borrow()
    }

    /// Another receiver, which has seen the value of now.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver { shared: Rc::clone(&self.0), seen: self.0.version.get() }
    }

    fn changed(&self) {
        self.0.version.set(self.0.version.get() + 1);
        self.0.waiting.borrow().wake_all();
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.set(self.0.senders.get() + 1);
        Self(Rc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.senders.set(self.0.senders.get() - 1);
        if self.0.senders.get() == 0 {
            self.0.waiting.borrow().wake_all();
        }
    }
}

/// A side that follows the value.
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    seen: u64,
}

impl<T> Receiver<T> {
    /// The value now. Not to be held across an `await`.
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.value.borrow()
    }

    /// Waits until the value is another than the one that was there when this
    /// returned last. Fails when nobody is left who could change it.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        let mut waiting = Waiting { shared: &self.shared, ticket: None };
        let seen = self.seen;
        let version = poll_fn(|cx| {
            let version = waiting.shared.version.get();
            if version != seen {
                return Poll::Ready(Ok(version));
            }
            if waiting.shared.senders.get() == 0 {
                return Poll::Ready(Err(Closed));
            }
            waiting.shared.waiting.borrow_mut().wait(&mut waiting.ticket, cx.waker());
            Poll::Pending
        })
        .await?;
        drop(waiting);
        self.seen = version;
        Ok(())
    }

    /// Waits until the value fulfils a condition, and returns it. Fails when
    /// nobody is left who could change it.
    pub async fn wait_for(
        &mut self,
        mut condition: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, Closed> {
        while !condition(&self.shared.value.borrow()) {
            self.changed().await?;
        }
        Ok(self.shared.value.borrow())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared), seen: self.seen }
    }
}

struct Waiting<'a, T> {
    shared: &'a Shared<T>,
    ticket: Option<u64>,
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        self.shared.waiting.borrow_mut().stop_waiting(&mut self.ticket);
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.0.value).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.shared.value).finish()
    }
}
