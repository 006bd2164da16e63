//! Going on as a new run, so that a history never grows without end.

use serde::Serialize;

use crate::failure::Failure;
use crate::{payload, run};

/// Ends this run and goes on as a new one with an empty history, under the
/// same workflow id and type. Signals that nobody has taken go with it. Returns
/// only if `input` can't be encoded.
///
/// ```no_run
/// # use dacapo::{Failure, continue_as_new, sleep};
/// # use std::time::Duration;
/// #[dacapo::workflow]
/// async fn every_hour(round: u64) -> Result<(), Failure> {
///     sleep(Duration::from_secs(3_600)).await?;
///     continue_as_new(&(round + 1)).await
/// }
/// ```
pub async fn continue_as_new<T>(input: &impl Serialize) -> Result<T, Failure> {
    let input = payload::encode_input(input, "the run to continue as")?;
    run::with_run(|run| run.continue_with(input));
    std::future::pending().await
}
