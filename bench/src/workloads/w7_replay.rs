//! W7: how fast a history is replayed, by the host alone, on one core.

use std::time::Duration;

use anyhow::Result;
use dacapo_cli::output;
use dacapo_model::event::HistoryEvent;
use serde::Serialize;
use serde_json::json;

use crate::clock;
use crate::drive::Stage;
use crate::report;
use crate::stats::{Sample, per_second};

/// Replay alone, on one core, without a server.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct Replay {
    /// Activities of the run, which make two events each.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    steps: u32,
    /// Time for each kind of history.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Found {
    workflow: &'static str,
    events: usize,
    replays: usize,
    p50_ms: f64,
    min_ms: f64,
    max_ms: f64,
    /// By the median, with the instantiation in it.
    events_per_s: f64,
    /// A new instance that gets only the first event and what follows from it.
    first_activation_ms: f64,
}

pub(crate) async fn run(args: Replay) -> Result<()> {
    let stage = Stage::set().await?;
    let mut found = Vec::new();
    for workflow in ["sequential", "fan_out"] {
        found.push(measure(&stage, workflow, &args).await?);
    }
    report::print("w7_replay", "none", &args, &found)
}

async fn measure(stage: &Stage, workflow: &'static str, args: &Replay) -> Result<Found> {
    let input = json!({ "steps": args.steps }).to_string();
    let first = stage.start(workflow, &input).await?.history;
    let history = stage.record(workflow, &input).await?;
    let events = history.len();

    let time = Duration::from_secs_f64(args.seconds);
    let first_activation = repeat(stage, &first, time / 5).await?;
    let replays = repeat(stage, &history, time).await?;

    let median = Duration::from_secs_f64(replays.percentile(50.0) / 1e3);
    let found = Found {
        workflow,
        events,
        replays: replays.len(),
        p50_ms: replays.percentile(50.0),
        min_ms: replays.min(),
        max_ms: replays.max(),
        events_per_s: per_second(events as u64, median),
        first_activation_ms: first_activation.percentile(50.0),
    };
    output::note(&format!(
        "{workflow}: {events} events in {:.2} ms (median of {}), {:.0} events/s; first activation \
         {:.3} ms",
        found.p50_ms, found.replays, found.events_per_s, found.first_activation_ms
    ));
    Ok(found)
}

/// Replays for so long, and at least three times.
async fn repeat(stage: &Stage, history: &[HistoryEvent], time: Duration) -> Result<Sample> {
    let begun = clock::now();
    let mut durations = Vec::new();
    while begun.elapsed() < time || durations.len() < 3 {
        let history = history.to_vec();
        let started = clock::now();
        stage.replay(history).await?;
        durations.push(started.elapsed());
    }
    Ok(Sample::new(durations))
}
