//! Trying a part of a workflow again.

use std::panic::Location;

use crate::failure::Failure;
use crate::options::RetryPolicy;
use crate::timers::sleep_at;

/// Tries `work` until it succeeds or `policy` gives up, and returns the last
/// failure then. In between it waits for a durable timer.
///
/// This is for several steps that have to be tried together: a single activity
/// is better tried again by the runtime, which keeps the attempts out of the
/// history ([`ActivityOptions::retry`](crate::ActivityOptions::retry)). Without
/// a maximum number of attempts the history may grow up to its limit.
///
/// A failure ends it at once if it or one of its causes is non-retryable or of a
/// type that the policy names, or if the run is being cancelled.
///
/// ```no_run
/// # use dacapo::{Failure, RetryPolicy, retry};
/// # async fn quote() -> Result<u64, Failure> { Ok(1) }
/// # async fn accept(price: u64) -> Result<(), Failure> { Ok(()) }
/// # async fn workflow() -> Result<(), Failure> {
/// retry(RetryPolicy::new().maximum_attempts(5), async || {
///     let price = quote().await?;
///     accept(price).await // fails if the quote is too old
/// })
/// .await
/// # }
/// ```
#[track_caller]
pub fn retry<T, E: Into<Failure>>(
    policy: RetryPolicy,
    mut work: impl AsyncFnMut() -> Result<T, E>,
) -> impl Future<Output = Result<T, Failure>> {
    let place = Location::caller();
    async move {
        let mut attempt = 1;
        loop {
            let failure = match work().await {
                Ok(value) => return Ok(value),
                Err(error) => error.into(),
            };
            match policy.delay_after(attempt, &failure) {
                Some(delay) => sleep_at(delay, place).await?,
                None => return Err(failure),
            }
            attempt = attempt.saturating_add(1);
        }
    }
}
