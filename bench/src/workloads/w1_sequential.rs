//! W1: throughput. Clients start runs of sequential steps and wait for each to
//! complete.

use anyhow::Result;
use bytes::Bytes;
use dacapo_cli::output;
use serde::Serialize;
use serde_json::json;

use crate::args::TargetFlags;
use crate::client::{Connection, start_body};
use crate::load::{Limit, closed_loop, connections};
use crate::meter::{Cost, Meter};
use crate::report;
use crate::stats::{per_second, rounded};
use crate::target::Target;

/// Runs of sequential steps, in a closed loop.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct Sequential {
    /// Runs at a time; several are measured one after the other.
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1,16,64,256")]
    pub(crate) concurrency: Vec<usize>,
    /// Activities of a run, one after the other.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub(crate) steps: u32,
    /// Bytes that each activity takes and returns, instead of nothing.
    #[arg(long, value_name = "BYTES")]
    pub(crate) payload_bytes: Option<u32>,
    /// Runs for each concurrency, instead of a time.
    #[arg(long, value_name = "COUNT")]
    pub(crate) runs: Option<u64>,
    /// Time for each concurrency.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Seconds before each measurement that do not count.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    pub(crate) warmup: f64,
    #[command(flatten)]
    #[serde(skip)]
    pub(crate) target: TargetFlags,
}

/// What was found at one concurrency.
#[derive(Debug, Serialize)]
pub(crate) struct Level {
    concurrency: usize,
    runs: u64,
    seconds: f64,
    runs_per_s: f64,
    steps_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    #[serde(flatten)]
    cost: Cost,
    /// Events, and the row of the run itself.
    rows_per_run: u64,
}

pub(crate) async fn run(args: Sequential) -> Result<()> {
    let target = Target::open(&args.target).await?;
    let mut levels = Vec::new();
    for &concurrency in &args.concurrency {
        levels.push(measure(&target, &args, body(&args), &[], concurrency).await?);
    }
    report::print("w1_sequential", target.database_kind(), &args, &levels)
}

/// What starts a run.
pub(crate) fn body(args: &Sequential) -> Bytes {
    match args.payload_bytes {
        None => start_body("sequential", &json!({ "steps": args.steps })),
        Some(bytes) => start_body("payload_steps", &json!({ "steps": args.steps, "bytes": bytes })),
    }
}

/// Measures one concurrency. W2 and W10 are special cases of it.
pub(crate) async fn measure(
    target: &Target,
    args: &Sequential,
    body: Bytes,
    workers: &[u32],
    concurrency: usize,
) -> Result<Level> {
    let address = target.address()?;
    let rows_per_run = rows_per_run(target, body.clone()).await?;
    let complete = async |client: &mut Connection, _| client.complete(body.clone()).await.map(drop);
    let clients = connections(address, concurrency).await?;
    closed_loop(clients, Limit::of(None, args.warmup), complete).await?;

    let clients = connections(address, concurrency).await?;
    let mut meter = Meter { workers: workers.to_vec(), ..target.meter().await? };
    let before = meter.read().await?;
    let outcome = closed_loop(clients, Limit::of(args.runs, args.seconds), complete).await?;
    let cost = meter.cost_since(&before, outcome.rounds).await?;

    let level = Level {
        concurrency,
        runs: outcome.rounds,
        seconds: rounded(outcome.elapsed.as_secs_f64()),
        runs_per_s: per_second(outcome.rounds, outcome.elapsed),
        steps_per_s: per_second(outcome.rounds * u64::from(args.steps), outcome.elapsed),
        p50_ms: outcome.latencies.percentile(50.0),
        p99_ms: outcome.latencies.percentile(99.0),
        max_ms: outcome.latencies.max(),
        cost,
        rows_per_run,
    };
    output::note(&format!(
        "{concurrency:4} at a time: {:8.1} runs/s, {:9.1} steps/s, p50 {:.2} ms, p99 {:.2} ms; each run: {}",
        level.runs_per_s, level.steps_per_s, level.p50_ms, level.p99_ms, level.cost
    ));
    Ok(level)
}

async fn rows_per_run(target: &Target, body: Bytes) -> Result<u64> {
    let mut connection = target.connect().await?;
    let run = connection.complete(body).await?;
    let description = connection.describe(&run.workflow_id).await?;
    Ok(description["history_length"].as_u64().unwrap_or_default() + 1)
}
