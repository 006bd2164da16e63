//! Queues between tasks, in order, with any number of senders and receivers.
//!
//! ```no_run
//! # use dacapo::{Failure, spawn, sync::channel};
//! # async fn page(n: u32) -> Result<Vec<u32>, Failure> { Ok(vec![n]) }
//! # async fn import(row: u32) -> Result<(), Failure> { Ok(()) }
//! # async fn workflow() -> Result<(), Failure> {
//! let (sender, rows) = channel::bounded(100);
//! let reader = spawn(async move {
//!     for n in 0..10 {
//!         for row in page(n).await? {
//!             sender.send(row).await?; // waits while 100 rows are on their way
//!         }
//!     }
//!     Ok::<_, Failure>(())
//! });
//! while let Some(row) = rows.recv().await {
//!     import(row).await?;
//! }
//! reader.await
//! # }
//! ```

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::rc::Rc;

use super::semaphore::Semaphore;

/// A channel that holds at most `capacity` values (at least one): senders wait
/// for room.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    new(Some(Semaphore::new(capacity.max(1))))
}

/// A channel that holds any number of values: sending never waits.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    new(None)
}

fn new<T>(room: Option<Semaphore>) -> (Sender<T>, Receiver<T>) {
    let channel = Rc::new(Channel {
        values: RefCell::default(),
        room,
        filled: Semaphore::new(0),
        senders: Cell::new(1),
        receivers: Cell::new(1),
    });
    (Sender(Rc::clone(&channel)), Receiver(channel))
}

struct Channel<T> {
    values: RefCell<VecDeque<T>>,
    /// A permit for each value that there is room for.
    room: Option<Semaphore>,
    /// A permit for each value that nobody was promised.
    filled: Semaphore,
    senders: Cell<usize>,
    receivers: Cell<usize>,
}

impl<T> Channel<T> {
    fn push(&self, value: T) {
        self.values.borrow_mut().push_back(value);
        self.filled.add(1);
    }

    fn pop(&self) -> Option<T> {
        let value = self.values.borrow_mut().pop_front()?;
        if let Some(room) = &self.room {
            room.add(1);
        }
        Some(value)
    }
}

/// The sending side. The channel ends when all senders are dropped and its
/// values are taken.
pub struct Sender<T>(Rc<Channel<T>>);

impl<T> Sender<T> {
    /// Sends a value, once there is room. Those who waited before come first.
    /// Fails if there is no receiver any more.
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        if let Some(room) = &self.0.room
            && room.wait_for(1).await.is_err()
        {
            return Err(SendError(value));
        }
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.0.push(value);
        Ok(())
    }

    /// Sends a value, if there is room and a receiver.
    pub fn try_send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() || self.0.room.as_ref().is_some_and(|room| !room.try_take()) {
            return Err(SendError(value));
        }
        self.0.push(value);
        Ok(())
    }

    /// True if there is no receiver any more.
    pub fn is_closed(&self) -> bool {
        self.0.receivers.get() == 0
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
            self.0.filled.close();
        }
    }
}

/// The receiving side. A clone takes from the same channel: each value goes to
/// one receiver, the one that has waited longest.
pub struct Receiver<T>(Rc<Channel<T>>);

impl<T> Receiver<T> {
    /// The next value, once there is one; `None` when all senders are gone and
    /// nothing is left.
    pub async fn recv(&self) -> Option<T> {
        self.0.filled.wait_for(1).await.ok()?;
        self.0.pop()
    }

    /// The next value, if it is there and nobody waits for it.
    pub fn try_recv(&self) -> Option<T> {
        if self.0.filled.try_take() { self.0.pop() } else { None }
    }

    /// How many values nobody has taken.
    pub fn len(&self) -> usize {
        self.0.values.borrow().len()
    }

    /// True if there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.receivers.set(self.0.receivers.get() + 1);
        Self(Rc::clone(&self.0))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.receivers.set(self.0.receivers.get() - 1);
        if self.0.receivers.get() == 0 {
            if let Some(room) = &self.0.room {
                room.close();
            }
            // Values may hold senders of this channel: dropped outside of the borrow.
            let values = self.0.values.take();
            drop(values);
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A value that could not be sent, given back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is full, or nobody receives from it any more")
    }
}

impl<T> Error for SendError<T> {}
