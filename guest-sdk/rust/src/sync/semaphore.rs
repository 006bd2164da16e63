//! Permits, given out in the order in which they were asked for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::Closed;

/// Lets a limited number of tasks do something at a time.
///
/// ```no_run
/// # use dacapo::{Failure, join_all, sync::Semaphore};
/// # async fn call(n: u32) -> Result<u32, Failure> { Ok(n) }
/// # async fn workflow() {
/// let three_at_a_time = Semaphore::new(3);
/// join_all((0..100).map(async |n| {
///     let _permit = three_at_a_time.acquire().await;
///     call(n).await
/// }))
/// .await;
/// # }
/// ```
#[derive(Clone)]
pub struct Semaphore {
    state: Rc<RefCell<State>>,
}

struct State {
    available: usize,
    /// Who waits, by ticket: the first is served first, and nobody overtakes it.
    queue: BTreeMap<u64, Waiter>,
    /// What was given to those who were woken for it and have not gone on yet.
    granted: BTreeMap<u64, usize>,
    tickets: u64,
    closed: bool,
}

struct Waiter {
    permits: usize,
    waker: Waker,
}

impl Semaphore {
    /// A semaphore with this many permits.
    pub fn new(permits: usize) -> Self {
        let state = State {
            available: permits,
            queue: BTreeMap::new(),
            granted: BTreeMap::new(),
            tickets: 0,
            closed: false,
        };
        Self { state: Rc::new(RefCell::new(state)) }
    }

    /// Waits for a permit. It is given back when it is dropped.
    pub fn acquire(&self) -> Acquire {
        self.acquire_many(1)
    }

    /// Waits for several permits at once. Later and smaller requests do not
    /// overtake it.
    pub fn acquire_many(&self, permits: usize) -> Acquire {
        Acquire(self.wait_for(permits))
    }

    /// A permit, if one is free and nobody waits for it.
    pub fn try_acquire(&self) -> Option<Permit> {
        self.try_take().then(|| Permit { semaphore: self.clone(), permits: 1 })
    }

    /// How many permits are free.
    pub fn available(&self) -> usize {
        self.state.borrow().available
    }

    /// Adds permits.
    pub fn add(&self, permits: usize) {
        let mut state = self.state.borrow_mut();
        state.available = state.available.saturating_add(permits);
        state.serve();
    }

    pub(super) fn wait_for(&self, permits: usize) -> Wait {
        Wait { semaphore: self.clone(), permits, ticket: None }
    }

    /// Takes one permit, which nothing gives back by itself.
    pub(super) fn try_take(&self) -> bool {
        self.state.borrow_mut().try_take(1)
    }

    /// Ends all waits that no permit ends, now and later.
    pub(super) fn close(&self) {
        let mut state = self.state.borrow_mut();
        state.closed = true;
        state.queue.values().for_each(|waiter| waiter.waker.wake_by_ref());
    }
}

impl State {
    fn try_take(&mut self, permits: usize) -> bool {
        let free = self.queue.is_empty() && self.available >= permits;
        if free {
            self.available -= permits;
        }
        free
    }

    /// Grants what the first in the queue ask for, as far as it goes.
    fn serve(&mut self) {
        while let Some(first) = self.queue.first_entry()
            && first.get().permits <= self.available
        {
            let (ticket, waiter) = first.remove_entry();
            self.available -= waiter.permits;
            self.granted.insert(ticket, waiter.permits);
            waiter.waker.wake();
        }
    }
}

/// Takes permits, which nothing gives back by itself.
pub(super) struct Wait {
    semaphore: Semaphore,
    permits: usize,
    ticket: Option<u64>,
}

impl Future for Wait {
    type Output = Result<(), Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { semaphore, permits, ticket } = &mut *self;
        let mut state = semaphore.state.borrow_mut();
        let granted = match ticket {
            None => state.try_take(*permits),
            Some(ticket) => state.granted.remove(ticket).is_some(),
        };
        if granted || state.closed {
            if let Some(ticket) = ticket.take() {
                state.queue.remove(&ticket);
            }
            return Poll::Ready(if granted { Ok(()) } else { Err(Closed) });
        }
        let ticket = *ticket.get_or_insert_with(|| {
            state.tickets += 1;
            state.tickets
        });
        state.queue.insert(ticket, Waiter { permits: *permits, waker: cx.waker().clone() });
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = self.semaphore.state.borrow_mut();
        state.queue.remove(&ticket);
        if let Some(permits) = state.granted.remove(&ticket) {
            state.available += permits;
        }
        // Also if it only waited: those behind it may ask for less.
        state.serve();
    }
}

/// Waits for permits; made by [`Semaphore::acquire`].
#[must_use = "no permit is taken until it is awaited"]
pub struct Acquire(Wait);

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        // A semaphore that users have is never closed.
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|_| Permit { semaphore: self.0.semaphore.clone(), permits: self.0.permits })
    }
}

/// Permits of a [`Semaphore`], given back when they are dropped.
#[must_use = "a permit is given back at once if nothing holds it"]
pub struct Permit {
    semaphore: Semaphore,
    permits: usize,
}

impl Permit {
    /// Keeps the permits from ever coming back.
    pub fn forget(mut self) {
        self.permits = 0;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.semaphore.add(self.permits);
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("permits", &self.permits).finish_non_exhaustive()
    }
}
