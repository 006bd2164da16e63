//! The tasks of a run: futures that the executor polls beside the workflow's own.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use crate::run::{if_run, with_run};
use crate::woken::WokenList;

pub(crate) type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The workflow itself; tasks are numbered from 1.
pub(crate) const ROOT: usize = 0;

#[derive(Default)]
pub(crate) struct Tasks {
    open: BTreeMap<usize, Slot>,
    spawned: usize,
    woken: Arc<WokenList>,
}

struct Slot {
    /// `None` while it is polled.
    future: Option<TaskFuture>,
    waker: Waker,
}

impl Tasks {
    pub(crate) fn woken(&self) -> Arc<WokenList> {
        Arc::clone(&self.woken)
    }

    /// Adds a task, to be polled after all that was woken before.
    pub(crate) fn add(&mut self, future: TaskFuture) -> usize {
        self.spawned += 1;
        let waker = self.woken.add(self.spawned);
        self.open.insert(self.spawned, Slot { future: Some(future), waker });
        self.spawned
    }

    fn take(&mut self, task: usize) -> Option<(TaskFuture, Waker)> {
        let slot = self.open.get_mut(&task)?;
        Some((slot.future.take()?, slot.waker.clone()))
    }

    /// Gives the future back unless its task was cancelled meanwhile.
    fn put_back(&mut self, task: usize, future: TaskFuture) -> Option<TaskFuture> {
        match self.open.get_mut(&task) {
            Some(slot) => {
                slot.future = Some(future);
                None
            }
            None => Some(future),
        }
    }
}

// Futures are polled and dropped outside of `with_run`: they reach for the run.

/// Lets a task go on. One that has ended is polled no more.
pub(crate) fn poll(task: usize) {
    let Some((mut future, waker)) = with_run(|run| run.tasks().take(task)) else { return };
    if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
        with_run(|run| run.tasks().open.remove(&task));
    } else {
        let cancelled = with_run(|run| run.tasks().put_back(task, future));
        drop(cancelled);
    }
}

/// Drops a task with all that it waits for.
pub(crate) fn cancel(task: usize) {
    let slot = if_run(|run| run.tasks().open.remove(&task));
    drop(slot);
}

/// Drops the tasks that are left when the workflow has ended, the oldest first.
pub(crate) fn cancel_all() {
    while let Some(slot) = with_run(|run| run.tasks().open.pop_first()) {
        drop(slot);
    }
}
