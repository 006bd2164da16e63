//! Waiting for the first of two futures.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// The outcome of a [`race`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first future won.
    Left(A),
    /// The second future won.
    Right(B),
}

/// Awaits whichever future ends first and drops the other, and so cancels it.
/// If both could end, the first one wins.
///
/// ```no_run
/// # use dacapo::{Either, Failure, race, sleep};
/// # use std::time::Duration;
/// # async fn approval() -> Result<bool, Failure> { Ok(true) }
/// # async fn workflow() -> Result<bool, Failure> {
/// match race(approval(), sleep(Duration::from_secs(86_400))).await {
///     Either::Left(approved) => approved,
///     Either::Right(slept) => slept.map(|()| false),
/// }
/// # }
/// ```
pub async fn race<A: IntoFuture, B: IntoFuture>(a: A, b: B) -> Either<A::Output, B::Output> {
    let mut a = pin!(a.into_future());
    let mut b = pin!(b.into_future());
    poll_fn(|cx| {
        if let Poll::Ready(output) = a.as_mut().poll(cx) {
            return Poll::Ready(Either::Left(output));
        }
        b.as_mut().poll(cx).map(Either::Right)
    })
    .await
}
