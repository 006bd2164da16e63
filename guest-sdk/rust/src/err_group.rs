//! Tasks that succeed together or fail together.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::sync::{Semaphore, WaitGroup};
use crate::task::{Task, spawn};

/// Tasks of which the first error cancels the others.
///
/// Unlike [`try_join_all`](crate::try_join_all), it takes tasks while others are
/// already going on. Dropping the group cancels all of them.
///
/// ```no_run
/// # use dacapo::{ErrGroup, Failure};
/// # async fn copy(from: String) -> Result<u64, Failure> { Ok(0) }
/// # async fn workflow(folders: Vec<String>) -> Result<u64, Failure> {
/// let group = ErrGroup::with_limit(10);
/// for folder in folders {
///     group.spawn(copy(folder));
/// }
/// Ok(group.wait().await?.into_iter().sum())
/// # }
/// ```
pub struct ErrGroup<T, E> {
    shared: Rc<Shared<T, E>>,
    limit: Option<Semaphore>,
    open: WaitGroup,
}

struct Shared<T, E> {
    values: RefCell<Vec<Option<T>>>,
    /// Emptied by the first error, which cancels them.
    tasks: RefCell<Vec<Task<()>>>,
    failed: Cell<bool>,
    error: RefCell<Option<E>>,
}

impl<T: 'static, E: 'static> ErrGroup<T, E> {
    /// A group that runs all its tasks at once.
    pub fn new() -> Self {
        Self::limited(None)
    }

    /// A group that runs at most `limit` of its tasks (at least one) at a time,
    /// in the order in which they were spawned.
    pub fn with_limit(limit: usize) -> Self {
        Self::limited(Some(Semaphore::new(limit.max(1))))
    }

    fn limited(limit: Option<Semaphore>) -> Self {
        let shared = Shared {
            values: RefCell::default(),
            tasks: RefCell::default(),
            failed: Cell::new(false),
            error: RefCell::new(None),
        };
        Self { shared: Rc::new(shared), limit, open: WaitGroup::new() }
    }

    /// Adds a task. After the first error it is dropped instead.
    pub fn spawn<F>(&self, future: F)
    where
        F: IntoFuture<Output = Result<T, E>, IntoFuture: 'static>,
    {
        if self.shared.failed.get() {
            return;
        }
        let place = {
            let mut values = self.shared.values.borrow_mut();
            values.push(None);
            values.len() - 1
        };
        let (shared, limit) = (Rc::clone(&self.shared), self.limit.clone());
        let (future, token) = (future.into_future(), self.open.add());
        let task = spawn(async move {
            let _permit = match limit {
                Some(limit) => Some(limit.acquire().await),
                None => None,
            };
            match future.await {
                Ok(value) => shared.values.borrow_mut()[place] = Some(value),
                Err(error) => shared.fail(error),
            }
            drop(token);
        });
        self.shared.tasks.borrow_mut().push(task);
    }

    /// Waits for all tasks and returns their values in the order in which they
    /// were spawned, or the first error that occurred.
    pub async fn wait(self) -> Result<Vec<T>, E> {
        self.open.wait().await;
        match self.shared.error.take() {
            Some(error) => Err(error),
            None => Ok(self.shared.values.take().into_iter().flatten().collect()),
        }
    }
}

impl<T, E> Shared<T, E> {
    fn fail(&self, error: E) {
        if !self.failed.replace(true) {
            self.error.replace(Some(error));
        }
        // Dropping them runs code of the workflow: not under a borrow.
        let others = self.tasks.take();
        drop(others);
    }
}

impl<T: 'static, E: 'static> Default for ErrGroup<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> Drop for ErrGroup<T, E> {
    fn drop(&mut self) {
        let tasks = self.shared.tasks.take();
        drop(tasks);
    }
}

impl<T, E> fmt::Debug for ErrGroup<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrGroup").field("open", &self.open.open()).finish_non_exhaustive()
    }
}
