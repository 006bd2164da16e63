//! Waiting for any number of futures of one type.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Awaits all futures at once and returns their outputs in the order of the
/// futures.
pub async fn join_all<F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut group = Group::new(futures);
    let mut outputs: Vec<_> = group.slots().map(|_| None).collect();
    while let Some((index, output)) = group.next().await {
        outputs[index] = Some(output);
    }
    outputs.into_iter().flatten().collect()
}

/// Awaits all futures at once and returns their values in the order of the
/// futures, or the first error that occurs. The others are dropped then, and
/// so cancelled.
pub async fn try_join_all<T, E, F>(futures: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
where
    F: IntoFuture<Output = Result<T, E>>,
{
    let mut group = Group::new(futures);
    let mut values: Vec<_> = group.slots().map(|_| None).collect();
    while let Some((index, output)) = group.next().await {
        values[index] = Some(output?);
    }
    Ok(values.into_iter().flatten().collect())
}

/// Awaits the first of many futures to end, and returns its position and its
/// output. The others are dropped, and so cancelled.
///
/// # Panics
///
/// If there is no future: nothing could ever end.
pub async fn race_all<F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> (usize, F::Output) {
    let mut group = Group::new(futures);
    group.next().await.expect("race_all needs at least one future")
}

/// Futures that are polled only when they were woken, so that a thousand
/// activities cost a thousand polls and not a million.
struct Group<F: Future> {
    futures: Vec<Option<(Pin<Box<F>>, Waker)>>,
    open: usize,
    woken: Arc<WokenList>,
}

impl<F: Future> Group<F> {
    fn new<I: IntoFuture<IntoFuture = F, Output = F::Output>>(
        futures: impl IntoIterator<Item = I>,
    ) -> Self {
        let woken = Arc::new(WokenList::default());
        let futures: Vec<_> = futures
            .into_iter()
            .enumerate()
            .map(|(index, future)| {
                let waker =
                    GroupWaker { index, queued: AtomicBool::new(false), list: Arc::clone(&woken) };
                let waker = Waker::from(Arc::new(waker));
                waker.wake_by_ref();
                Some((Box::pin(future.into_future()), waker))
            })
            .collect();
        Self { open: futures.len(), futures, woken }
    }

    fn slots(&self) -> std::ops::Range<usize> {
        0..self.futures.len()
    }

    /// The next future to end, and its output; `None` when all have ended.
    async fn next(&mut self) -> Option<(usize, F::Output)> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, F::Output)>> {
        if self.open == 0 {
            return Poll::Ready(None);
        }
        self.woken.report_to(cx.waker());
        while let Some(waker) = self.woken.pop() {
            let index = waker.index;
            waker.queued.store(false, Ordering::Relaxed);
            let Some((future, waker)) = &mut self.futures[index] else { continue };
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
                self.futures[index] = None;
                self.open -= 1;
                return Poll::Ready(Some((index, output)));
            }
        }
        Poll::Pending
    }
}

/// Which futures were woken, in that order, and who is to be told.
#[derive(Default)]
struct WokenList {
    state: Mutex<(VecDeque<Arc<GroupWaker>>, Option<Waker>)>,
}

impl WokenList {
    fn report_to(&self, waker: &Waker) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(waker.clone());
    }

    fn pop(&self) -> Option<Arc<GroupWaker>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.pop_front()
    }

    fn push(&self, waker: Arc<GroupWaker>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.push_back(waker);
        if let Some(parent) = &state.1 {
            parent.wake_by_ref();
        }
    }
}

/// Wakes one future of a group.
struct GroupWaker {
    index: usize,
    queued: AtomicBool,
    list: Arc<WokenList>,
}

impl Wake for GroupWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            let list = Arc::clone(&self.list);
            list.push(self);
        }
    }
}
