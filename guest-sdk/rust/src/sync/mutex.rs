//! A value that one task at a time works with, also across its waits.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::semaphore::{Acquire, Permit, Semaphore};

/// A value that one task at a time works with. Within one step of a workflow
/// `Cell` and `RefCell` do; this is for work that waits in between.
///
/// ```no_run
/// # use dacapo::{Failure, sync::Mutex};
/// # async fn withdraw(from: u64) -> Result<u64, Failure> { Ok(from) }
/// # async fn workflow(balance: Mutex<u64>) -> Result<(), Failure> {
/// let mut balance = balance.lock().await;
/// *balance = withdraw(*balance).await?; // the others wait for their turn
/// # Ok(())
/// # }
/// ```
pub struct Mutex<T> {
    turn: Semaphore,
    /// Away while somebody works with it.
    value: Rc<RefCell<Option<T>>>,
}

impl<T> Mutex<T> {
    /// A mutex that nobody has locked.
    pub fn new(value: T) -> Self {
        Self { turn: Semaphore::new(1), value: Rc::new(RefCell::new(Some(value))) }
    }

    /// Waits for its turn: those who asked before come first.
    pub fn lock(&self) -> Lock<T> {
        Lock { turn: self.turn.acquire(), value: Rc::clone(&self.value) }
    }

    /// The value, if nobody works with it or waits for it.
    pub fn try_lock(&self) -> Option<MutexGuard<T>> {
        self.turn.try_acquire().map(|turn| MutexGuard::new(turn, &self.value))
    }
}

impl<T> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Self { turn: self.turn.clone(), value: Rc::clone(&self.value) }
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locked = self.value.borrow().is_none();
        f.debug_struct("Mutex").field("locked", &locked).finish_non_exhaustive()
    }
}

/// Waits for a [`Mutex`]; made by [`Mutex::lock`].
#[must_use = "nothing is locked until it is awaited"]
pub struct Lock<T> {
    turn: Acquire,
    value: Rc<RefCell<Option<T>>>,
}

impl<T> Future for Lock<T> {
    type Output = MutexGuard<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.turn).poll(cx).map(|turn| MutexGuard::new(turn, &self.value))
    }
}

/// The value of a [`Mutex`], which is free again when this is dropped.
#[must_use = "the mutex is free again at once if nothing holds the guard"]
pub struct MutexGuard<T> {
    /// There until the guard is dropped.
    value: Option<T>,
    home: Rc<RefCell<Option<T>>>,
    /// Dropped after the value went home.
    _turn: Permit,
}

impl<T> MutexGuard<T> {
    fn new(turn: Permit, home: &Rc<RefCell<Option<T>>>) -> Self {
        Self { value: home.take(), home: Rc::clone(home), _turn: turn }
    }
}

impl<T> Deref for MutexGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard holds the value")
    }
}

impl<T> DerefMut for MutexGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard holds the value")
    }
}

impl<T> Drop for MutexGuard<T> {
    fn drop(&mut self) {
        self.home.replace(self.value.take());
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
