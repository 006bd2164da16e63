//! Waiting for any number of futures of one type.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::woken::WokenList;

/// Awaits all futures at once and returns their outputs in the order of the
/// futures.
pub async fn join_all<F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut group = futures.into_iter().collect::<Group<_>>();
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
    let mut group = futures.into_iter().collect::<Group<_>>();
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
    let mut group = futures.into_iter().collect::<Group<_>>();
    group.next().await.expect("race_all needs at least one future")
}

/// Futures that are polled only when they were woken, so that a thousand
/// activities cost a thousand polls and not a million.
pub(crate) struct Group<F: Future> {
    futures: Vec<Option<(Pin<Box<F>>, Waker)>>,
    /// Places of `futures` whose future has ended.
    free: Vec<usize>,
    woken: Arc<WokenList>,
}

impl<F: Future> Group<F> {
    pub(crate) fn new() -> Self {
        Self { futures: Vec::new(), free: Vec::new(), woken: Arc::default() }
    }

    /// Adds a future, in the place of one that has ended if there is one.
    pub(crate) fn push(&mut self, future: F) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.futures.push(None);
            self.futures.len() - 1
        });
        self.futures[place] = Some((Box::pin(future), self.woken.add(place)));
    }

    /// How many have not ended.
    pub(crate) fn open(&self) -> usize {
        self.futures.len() - self.free.len()
    }

    fn slots(&self) -> std::ops::Range<usize> {
        0..self.futures.len()
    }

    /// The next future to end, and its output; `None` when all have ended.
    pub(crate) async fn next(&mut self) -> Option<(usize, F::Output)> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, F::Output)>> {
        if self.open() == 0 {
            return Poll::Ready(None);
        }
        self.woken.report_to(cx.waker());
        while let Some(place) = self.woken.pop() {
            let Some((future, waker)) = &mut self.futures[place] else { continue };
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
                self.futures[place] = None;
                self.free.push(place);
                return Poll::Ready(Some((place, output)));
            }
        }
        Poll::Pending
    }
}

impl<I: IntoFuture> FromIterator<I> for Group<I::IntoFuture> {
    fn from_iter<T: IntoIterator<Item = I>>(futures: T) -> Self {
        let mut group = Self::new();
        futures.into_iter().for_each(|future| group.push(future.into_future()));
        group
    }
}
