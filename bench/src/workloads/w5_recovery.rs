//! W5: a run with a long history waits for a timer; the server is killed, the
//! timer elapses, and a new server has to replay the run to let it complete.

use std::time::Duration;

use anyhow::{Context as _, Result};
use dacapo_cli::output;
use dacapo_model::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::TargetFlags;
use crate::client::start_body;
use crate::clock;
use crate::report;
use crate::stats::Sample;
use crate::target::Target;

/// Between two looks at whether the run has come to its timer.
const PAUSE: Duration = Duration::from_millis(50);

/// The server stays away until so long after the timer has elapsed.
const OVERDUE: Duration = Duration::from_millis(200);

/// A long history, `kill -9`, and how long it takes to go on.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct Recovery {
    /// Events of the run; several are measured one after the other.
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1000,20000")]
    events: Vec<u64>,
    /// Runs of each length.
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    repeats: usize,
    /// The timer. Longer than it takes to kill a server.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 3_000)]
    sleep_millis: u64,
    #[command(flatten)]
    #[serde(skip)]
    target: TargetFlags,
}

/// Medians, in milliseconds.
#[derive(Debug, Serialize)]
struct Found {
    events: u64,
    /// From the start of the process to its announcement that it serves.
    start_to_ready_ms: f64,
    /// From there until the client has the result of the run.
    ready_to_completed_ms: f64,
    /// From the start of the process until the client has the result.
    start_to_completed_ms: f64,
    start_to_completed_max_ms: f64,
    /// From the start of the process to the time of the closing event.
    start_to_closed_by_record_ms: f64,
}

/// One death and what came after it.
struct Recovered {
    events: u64,
    ready: Duration,
    completed: Duration,
    closed: Duration,
}

pub(crate) async fn run(args: Recovery) -> Result<()> {
    let mut target = Target::open(&args.target).await?;
    let mut found = Vec::new();
    for &events in &args.events {
        let mut recovered = Vec::new();
        for _ in 0..args.repeats {
            recovered.push(recover(&mut target, events, args.sleep_millis).await?);
        }
        found.push(summary(&recovered));
    }
    report::print("w5_recovery", target.database_kind(), &args, &found)
}

async fn recover(target: &mut Target, events: u64, sleep_millis: u64) -> Result<Recovered> {
    // The first event, two for each step, and the timer.
    let steps = events.saturating_sub(2) / 2;
    let input = json!({ "steps": steps, "millis": sleep_millis });
    let mut connection = target.connect().await?;
    let run = connection.start(start_body("steps_then_sleep", &input)).await?;
    let id = run.workflow_id.as_str();
    let fire_at = loop {
        if let Some(fire_at) = pending_timer(&connection.describe(id).await?)? {
            break fire_at;
        }
        tokio::time::sleep(PAUSE).await;
    };
    target.kill().await?;
    let overdue = fire_at.after(OVERDUE).since(Timestamp::from_micros(clock::wall_micros()));
    tokio::time::sleep(overdue).await;

    let started_at = Timestamp::from_micros(clock::wall_micros());
    let started = clock::now();
    target.restart().await?;
    let ready = started.elapsed();
    let mut connection = target.connect().await?;
    connection.completion(id).await?;
    let completed = started.elapsed();

    let description = connection.describe(id).await?;
    let closed_at: Timestamp = serde_json::from_value(description["closed_at"].clone())?;
    let events = description["history_length"].as_u64().context("a run has events")?;
    let recovered = Recovered { events, ready, completed, closed: closed_at.since(started_at) };
    output::note(&format!(
        "{events} events: ready after {ready:.1?}, completed after {completed:.1?}"
    ));
    Ok(recovered)
}

fn pending_timer(description: &Value) -> Result<Option<Timestamp>> {
    let fire_at = &description["pending_timers"][0]["fire_at"];
    Ok(serde_json::from_value(fire_at.clone())?)
}

fn summary(recovered: &[Recovered]) -> Found {
    let sample = |of: fn(&Recovered) -> Duration| Sample::new(recovered.iter().map(of).collect());
    let completed = sample(|it| it.completed);
    Found {
        events: recovered.first().map_or(0, |it| it.events),
        start_to_ready_ms: sample(|it| it.ready).percentile(50.0),
        ready_to_completed_ms: sample(|it| it.completed.saturating_sub(it.ready)).percentile(50.0),
        start_to_completed_ms: completed.percentile(50.0),
        start_to_completed_max_ms: completed.max(),
        start_to_closed_by_record_ms: sample(|it| it.closed).percentile(50.0),
    }
}
