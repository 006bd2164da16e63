//! Waiting for a number of things to be done that changes meanwhile.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::waiters::Waiters;

/// Counts what is under way, and waits until nothing is.
///
/// ```no_run
/// # use dacapo::{Failure, signals, spawn, sync::WaitGroup};
/// # async fn serve(order: String) {}
/// # async fn workflow() -> Result<(), Failure> {
/// let under_way = WaitGroup::new();
/// let orders = signals::<String>("order");
/// for _ in 0..10 {
///     let order = orders.recv().await?;
///     let token = under_way.add();
///     spawn(async move {
///         serve(order).await;
///         drop(token);
///     })
///     .detach();
/// }
/// under_way.wait().await; // all ten are served
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct WaitGroup(Rc<Shared>);

#[derive(Default)]
struct Shared {
    open: Cell<usize>,
    waiting: RefCell<Waiters>,
}

impl WaitGroup {
    /// A group with nothing under way.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more thing is under way, until the token is dropped.
    pub fn add(&self) -> WaitGroupToken {
        self.0.open.set(self.0.open.get() + 1);
        WaitGroupToken(Rc::clone(&self.0))
    }

    /// How many are under way.
    pub fn open(&self) -> usize {
        self.0.open.get()
    }

    /// Waits until nothing is under way.
    pub async fn wait(&self) {
        let mut waiting = Waiting { shared: &self.0, ticket: None };
        poll_fn(|cx| {
            if waiting.shared.open.get() == 0 {
                return Poll::Ready(());
            }
            waiting.shared.waiting.borrow_mut().wait(&mut waiting.ticket, cx.waker());
            Poll::Pending
        })
        .await;
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup").field("open", &self.open()).finish()
    }
}

/// Something that is under way; dropping it says that it is done.
#[must_use = "dropping the token says that it is done"]
pub struct WaitGroupToken(Rc<Shared>);

impl Drop for WaitGroupToken {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        if self.0.open.get() == 0 {
            self.0.waiting.borrow().wake_all();
        }
    }
}

impl fmt::Debug for WaitGroupToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitGroupToken")
    }
}

struct Waiting<'a> {
    shared: &'a Shared,
    ticket: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.waiting.borrow_mut().stop_waiting(&mut self.ticket);
    }
}
