//! The workflows that the benchmark runs. Each has one shape of load, and does
//! nothing else, so that what is measured is the runtime.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dacapo::{
    ActivityCall, ActivityOptions, CancellationType, Failure, heartbeat, sleep, try_join_all,
    wait_cancel_requested,
};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

dacapo::module! {
    workflows: [
        sequential, fan_out, sleep_until, steps_then_sleep, payload_steps, signals, listen,
        remote_sequential, remote_fan_out,
    ],
    activities: [noop, echo, hear],
}

/// Does nothing.
#[dacapo::activity]
fn noop() {}

/// Returns its input byte for byte.
#[dacapo::activity]
fn echo(input: Box<RawValue>) -> Box<RawValue> {
    input
}

#[derive(Deserialize)]
struct Steps {
    steps: u32,
}

/// `{"steps": n}`: n activities, one after the other. Returns n.
#[dacapo::workflow]
async fn sequential(input: Steps) -> Result<u32, Failure> {
    for _ in 0..input.steps {
        noop().await?;
    }
    Ok(input.steps)
}

/// `{"steps": n}`: n activities at once. Returns n.
#[dacapo::workflow]
async fn fan_out(input: Steps) -> Result<u32, Failure> {
    try_join_all((0..input.steps).map(|_| noop())).await?;
    Ok(input.steps)
}

#[derive(Deserialize)]
struct Until {
    at_millis: u64,
}

/// `{"at_millis": t}`: sleeps until t, in milliseconds since 1970.
#[dacapo::workflow]
async fn sleep_until(input: Until) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    sleep(Duration::from_millis(input.at_millis).saturating_sub(now)).await
}

#[derive(Deserialize)]
struct StepsThenSleep {
    steps: u32,
    millis: u64,
}

/// `{"steps": n, "millis": m}`: n activities, one after the other, and then one
/// timer. Returns n.
#[dacapo::workflow]
async fn steps_then_sleep(input: StepsThenSleep) -> Result<u32, Failure> {
    for _ in 0..input.steps {
        noop().await?;
    }
    sleep(Duration::from_millis(input.millis)).await?;
    Ok(input.steps)
}

#[derive(Deserialize)]
struct Signals {
    count: u32,
}

/// `{"count": n}`: takes n signals `tick`, each of which says a number. Returns n.
#[dacapo::workflow]
async fn signals(input: Signals) -> Result<u32, Failure> {
    let ticks = dacapo::signals::<u64>("tick");
    for _ in 0..input.count {
        ticks.recv().await?;
    }
    Ok(input.count)
}

#[derive(Deserialize)]
struct PayloadSteps {
    steps: u32,
    bytes: usize,
}

/// Hexadecimal digits without a pattern: a database compresses large values, and
/// would store next to nothing of a text that repeats itself.
fn noise(digits: usize) -> String {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let digit = |_| {
        // Xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"0123456789abcdef"[(state >> 60) as usize])
    };
    (0..digits).map(digit).collect()
}

/// `{"steps": n, "bytes": b}`: n activities, one after the other, each of which
/// takes and returns b bytes of JSON (at least the two quotes). Returns n.
#[dacapo::workflow]
async fn payload_steps(input: PayloadSteps) -> Result<u32, Failure> {
    let mut payload = to_raw_value(&noise(input.bytes.saturating_sub(2)))?;
    for _ in 0..input.steps {
        payload = echo(payload).await?;
    }
    Ok(input.steps)
}

/// Says that it listens, waits to be asked to cancel, and returns when it heard of
/// it, in microseconds since 1970.
#[dacapo::activity]
fn hear() -> Result<u64, Failure> {
    heartbeat(&"listening")?;
    while !wait_cancel_requested(Duration::from_secs(600)) {}
    let heard_at = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(heard_at.as_micros())?)
}

/// One activity that runs until it is asked to cancel. Returns what it returns.
#[dacapo::workflow]
async fn listen() -> Result<u64, Failure> {
    let options = ActivityOptions::new().cancellation(CancellationType::WaitCancellationCompleted);
    hear().options(options).await
}

/// Where the workers of the benchmark ask for tasks.
const QUEUE: &str = "bench";

/// The type of all tasks. Workers give back what they get.
const REMOTE: &str = "remote";

#[derive(Deserialize)]
struct RemoteSteps {
    steps: u32,
    bytes: Option<usize>,
}

/// `{"steps": n, "bytes": b}`: n activities on workers, one after the other, each of
/// which takes and returns b bytes of JSON, or `null` without b. Returns n.
#[dacapo::workflow]
async fn remote_sequential(input: RemoteSteps) -> Result<u32, Failure> {
    let mut payload = match input.bytes {
        Some(bytes) => to_raw_value(&noise(bytes.saturating_sub(2)))?,
        None => to_raw_value(&())?,
    };
    for _ in 0..input.steps {
        payload = ActivityCall::named(REMOTE, &payload).task_queue(QUEUE).await?;
    }
    Ok(input.steps)
}

#[derive(Deserialize)]
struct RemoteFanOut {
    steps: u32,
    key: Option<String>,
    weight: Option<f64>,
}

/// `{"steps": n, "key": k, "weight": w}`: n activities on workers at once, whose fairness
/// key is k and whose weight is w, if they are given. Returns n.
#[dacapo::workflow]
async fn remote_fan_out(input: RemoteFanOut) -> Result<u32, Failure> {
    let mut options = ActivityOptions::new().task_queue(QUEUE);
    if let Some(key) = input.key {
        options = options.fairness_key(key);
    }
    if let Some(weight) = input.weight {
        options = options.fairness_weight(weight);
    }
    let step = |_| ActivityCall::<()>::named(REMOTE, &()).options(options.clone());
    try_join_all((0..input.steps).map(step)).await?;
    Ok(input.steps)
}
