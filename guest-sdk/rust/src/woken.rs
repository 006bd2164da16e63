//! Which of many futures were woken, in the order in which it happened, so that
//! only those are polled.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The futures to poll next, the first woken first.
#[derive(Default)]
pub(crate) struct WokenList {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    woken: VecDeque<Arc<KeyWaker>>,
    parent: Option<Waker>,
}

impl WokenList {
    /// A waker that puts `key` on the list, where it is already.
    pub(crate) fn add(self: &Arc<Self>, key: usize) -> Waker {
        let waker = KeyWaker { key, queued: AtomicBool::new(false), list: Arc::clone(self) };
        let waker = Waker::from(Arc::new(waker));
        waker.wake_by_ref();
        waker
    }

    /// Who is to be told when something comes onto the list.
    pub(crate) fn report_to(&self, parent: &Waker) {
        self.lock().parent = Some(parent.clone());
    }

    pub(crate) fn pop(&self) -> Option<usize> {
        let waker = self.lock().woken.pop_front()?;
        waker.queued.store(false, Ordering::Relaxed);
        Some(waker.key)
    }

    fn push(&self, waker: Arc<KeyWaker>) {
        let mut state = self.lock();
        state.woken.push_back(waker);
        if let Some(parent) = &state.parent {
            parent.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes one future.
struct KeyWaker {
    key: usize,
    queued: AtomicBool,
    list: Arc<WokenList>,
}

impl Wake for KeyWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            let list = Arc::clone(&self.list);
            list.push(self);
        }
    }
}
