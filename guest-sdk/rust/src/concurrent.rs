//! Doing the same to many items, a limited number of them at a time.

use std::convert::Infallible;

use crate::group::Group;

/// Calls `work` with each item and awaits at most `limit` of them (at least one)
/// at a time. Returns the outputs in the order of the items.
///
/// Items are taken when there is room for them, so an iterator that makes them
/// up as it goes is never far ahead.
///
/// ```no_run
/// # use dacapo::{Failure, map_concurrent};
/// # async fn resize(image: String) -> Result<u64, Failure> { Ok(0) }
/// # async fn workflow(images: Vec<String>) -> usize {
/// let sizes = map_concurrent(20, images, resize).await;
/// sizes.iter().filter(|size| size.is_ok()).count()
/// # }
/// ```
pub async fn map_concurrent<I, F>(
    limit: usize,
    items: impl IntoIterator<Item = I>,
    mut work: impl FnMut(I) -> F,
) -> Vec<F::Output>
where
    F: IntoFuture,
{
    let infallible = |item| {
        let future = work(item);
        async move { Ok::<_, Infallible>(future.await) }
    };
    match try_map_concurrent(limit, items, infallible).await {
        Ok(outputs) => outputs,
        Err(never) => match never {},
    }
}

/// Like [`map_concurrent`], and gives up at the first error: what is under way
/// is dropped, and so cancelled, and nothing more starts.
pub async fn try_map_concurrent<I, T, E, F>(
    limit: usize,
    items: impl IntoIterator<Item = I>,
    work: impl FnMut(I) -> F,
) -> Result<Vec<T>, E>
where
    F: IntoFuture<Output = Result<T, E>>,
{
    let mut outputs = Vec::new();
    try_each(limit, items, work, |index, output| {
        if outputs.len() <= index {
            outputs.resize_with(index + 1, || None);
        }
        outputs[index] = Some(output);
    })
    .await?;
    Ok(outputs.into_iter().flatten().collect())
}

/// Calls `work` with each item and awaits at most `limit` of them (at least one)
/// at a time. Keeps no outputs: for any number of items.
pub async fn for_each_concurrent<I, F>(
    limit: usize,
    items: impl IntoIterator<Item = I>,
    mut work: impl FnMut(I) -> F,
) where
    F: IntoFuture<Output = ()>,
{
    let infallible = |item| {
        let future = work(item);
        async move {
            future.await;
            Ok::<_, Infallible>(())
        }
    };
    match try_each(limit, items, infallible, |_, ()| {}).await {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// Like [`for_each_concurrent`], and gives up at the first error: what is under
/// way is dropped, and so cancelled, and nothing more starts.
///
/// ```no_run
/// # use dacapo::{Failure, try_for_each_concurrent};
/// # async fn notify(customer: u64) -> Result<(), Failure> { Ok(()) }
/// # async fn workflow() -> Result<(), Failure> {
/// try_for_each_concurrent(50, 0..5_000, notify).await
/// # }
/// ```
pub async fn try_for_each_concurrent<I, E, F>(
    limit: usize,
    items: impl IntoIterator<Item = I>,
    work: impl FnMut(I) -> F,
) -> Result<(), E>
where
    F: IntoFuture<Output = Result<(), E>>,
{
    try_each(limit, items, work, |_, ()| {}).await
}

async fn try_each<I, T, E, F>(
    limit: usize,
    items: impl IntoIterator<Item = I>,
    mut work: impl FnMut(I) -> F,
    mut done: impl FnMut(usize, T),
) -> Result<(), E>
where
    F: IntoFuture<Output = Result<T, E>>,
{
    let mut items = items.into_iter().enumerate();
    let mut group = Group::new();
    loop {
        while group.open() < limit.max(1)
            && let Some((index, item)) = items.next()
        {
            let future = work(item).into_future();
            group.push(async move { (index, future.await) });
        }
        let Some((_, (index, output))) = group.next().await else { return Ok(()) };
        done(index, output?);
    }
}
