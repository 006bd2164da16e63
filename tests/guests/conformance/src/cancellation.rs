//! Cancellation.

use std::time::Duration;

use dacapo::{
    ActivityOptions, CancellationScope, CancellationType, Failure, join, shielded, signals, sleep,
};
use serde_json::{Value, json};

use crate::activities::{noop, wait_cancel};
use crate::messages::signal;
use crate::{failure_of, types};

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[dacapo::workflow]
pub(crate) async fn cleans_up() -> Result<(), Failure> {
    let slept = sleep(DAY).await;
    if slept.as_ref().is_err_and(Failure::is_cancelled) {
        shielded(noop()).await?;
    }
    slept
}

async fn stop(part: &CancellationScope) -> Result<(), Failure> {
    signals::<Value>("stop").recv().await?;
    part.cancel("stop");
    Ok(())
}

#[dacapo::workflow]
pub(crate) async fn scope() -> Result<Value, Failure> {
    let part = CancellationScope::new();
    let inside = part.run(async { join!(wait_cancel(), sleep(DAY)) });
    let ((activity, timer), stopped) = join!(inside, stop(&part));
    stopped?;
    noop().await?;
    let cancelled = |failure: Option<Failure>| failure.is_some_and(|it| it.is_cancelled());
    Ok(json!([cancelled(activity.err()), cancelled(timer.err())]))
}

#[dacapo::workflow]
pub(crate) async fn asks() -> Result<Value, Failure> {
    let part = CancellationScope::new();
    let options = ActivityOptions::new().cancellation(CancellationType::WaitCancellationCompleted);
    let inside = part.run(wait_cancel().options(options));
    let (ended, stopped) = join!(inside, stop(&part));
    stopped?;
    let failure = failure_of(ended)?;
    Ok(json!({
        "cancelled": failure.is_cancelled(),
        "types": types(&failure),
        "message": failure.chain().last().map(|it| &it.message),
    }))
}

#[dacapo::workflow]
pub(crate) async fn parent_cancelled() -> Result<Value, Failure> {
    signal().await
}
