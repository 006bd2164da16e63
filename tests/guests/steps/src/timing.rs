//! Timers, races and time limits.

use std::time::{Duration, Instant, SystemTime};

use dacapo::{ActivityOptions, Failure, RetryPolicy, sleep, timeout};
use serde::Deserialize;

use crate::activities::{noop, wait};

#[derive(Deserialize)]
pub(crate) struct Timers {
    millis: Vec<u64>,
}

/// `{"millis": [..]}`: timers one after the other, with an activity after each.
/// Returns for each timer how many milliseconds passed on the run's clock.
#[dacapo::workflow]
pub(crate) async fn timers(input: Timers) -> Result<Vec<u64>, Failure> {
    let mut passed = Vec::new();
    for millis in input.millis {
        let started = Instant::now();
        sleep(Duration::from_millis(millis)).await?;
        passed.push(u64::try_from(started.elapsed().as_millis())?);
        noop().await?;
    }
    Ok(passed)
}

/// `{"millis": [..]}`: timers at once. Returns the position of the first to
/// fire; the others are cancelled.
#[dacapo::workflow]
pub(crate) async fn race(input: Timers) -> Result<usize, Failure> {
    let timers = input.millis.into_iter().map(|millis| sleep(Duration::from_millis(millis)));
    let (position, fired) = dacapo::race_all(timers).await;
    fired?;
    Ok(position)
}

#[derive(Deserialize)]
pub(crate) struct Alarms {
    count: usize,
    due_micros: u64,
}

/// `{"count": n, "due_micros": t}`: so many timers that all fire at a point in time,
/// in microseconds since 1970.
#[dacapo::workflow]
pub(crate) async fn alarms(input: Alarms) -> Result<usize, Failure> {
    let due = SystemTime::UNIX_EPOCH + Duration::from_micros(input.due_micros);
    let left = due.duration_since(SystemTime::now()).unwrap_or_default();
    let fired = dacapo::join_all((0..input.count).map(|_| sleep(left))).await;
    Ok(fired.into_iter().filter(Result::is_ok).count())
}

#[derive(Deserialize)]
pub(crate) struct Limited {
    limit_millis: u64,
    activity_millis: u64,
    #[serde(default = "one")]
    attempts: u32,
}

fn one() -> u32 {
    1
}

/// `{"limit_millis": a, "activity_millis": b, "attempts": 1}`: an activity that
/// takes b under a start-to-close timeout of a. Returns b, or fails.
#[dacapo::workflow]
pub(crate) async fn timeout_activity(input: Limited) -> Result<u64, Failure> {
    let retry = RetryPolicy::new()
        .initial_interval(Duration::from_millis(1))
        .maximum_attempts(input.attempts);
    let options = ActivityOptions::new()
        .start_to_close(Duration::from_millis(input.limit_millis))
        .retry(retry);
    wait(input.activity_millis).options(options).await
}

/// The same input: the limit is a timer of the workflow, which drops the
/// activity. Returns `"done"` or `"elapsed"`.
#[dacapo::workflow]
pub(crate) async fn deadline(input: Limited) -> Result<&'static str, Failure> {
    let limit = Duration::from_millis(input.limit_millis);
    match timeout(limit, wait(input.activity_millis)).await {
        Ok(waited) => waited.map(|_| "done"),
        Err(_elapsed) => Ok("elapsed"),
    }
}
