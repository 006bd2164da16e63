//! W3: one run with many activities at once.

use anyhow::Result;
use dacapo_cli::output;
use serde::Serialize;
use serde_json::json;

use crate::args::TargetFlags;
use crate::client::{Connection, start_body};
use crate::load::{Limit, closed_loop, connections};
use crate::meter::Cost;
use crate::report;
use crate::stats::per_second;
use crate::target::Target;

/// One run with many activities at once.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct FanOut {
    /// Activities at once.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    steps: u32,
    /// Runs, one after the other.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    runs: u64,
    /// Runs before that do not count.
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    warmup: u64,
    #[command(flatten)]
    #[serde(skip)]
    target: TargetFlags,
}

#[derive(Debug, Serialize)]
struct Found {
    runs: u64,
    p50_ms: f64,
    min_ms: f64,
    max_ms: f64,
    steps_per_s: f64,
    #[serde(flatten)]
    cost: Cost,
}

pub(crate) async fn run(args: FanOut) -> Result<()> {
    let target = Target::open(&args.target).await?;
    let address = target.address()?;
    let body = start_body("fan_out", &json!({ "steps": args.steps }));
    let complete = async |client: &mut Connection, _| client.complete(body.clone()).await.map(drop);
    let client = connections(address, 1).await?;
    closed_loop(client, Limit::Rounds(args.warmup), complete).await?;

    let client = connections(address, 1).await?;
    let mut meter = target.meter().await?;
    let before = meter.read().await?;
    let outcome = closed_loop(client, Limit::Rounds(args.runs), complete).await?;
    let cost = meter.cost_since(&before, outcome.rounds).await?;

    let found = Found {
        runs: outcome.rounds,
        p50_ms: outcome.latencies.percentile(50.0),
        min_ms: outcome.latencies.min(),
        max_ms: outcome.latencies.max(),
        steps_per_s: per_second(outcome.rounds * u64::from(args.steps), outcome.elapsed),
        cost,
    };
    output::note(&format!(
        "{} at once: p50 {:.1} ms, min {:.1} ms, max {:.1} ms, {:.0} steps/s; each run: {}",
        args.steps, found.p50_ms, found.min_ms, found.max_ms, found.steps_per_s, found.cost
    ));
    report::print("w3_fan_out", target.database_kind(), &args, &found)
}
