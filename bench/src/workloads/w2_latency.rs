//! W2: latency. One client, one run of one step at a time.

use anyhow::Result;
use serde::Serialize;

use super::w1_sequential::{self, Sequential};
use crate::args::TargetFlags;
use crate::report;
use crate::target::Target;

/// One run of one step at a time.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct Latency {
    /// Runs, instead of a time.
    #[arg(long, value_name = "COUNT")]
    runs: Option<u64>,
    /// Time to measure for.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    seconds: f64,
    /// Seconds before the measurement that do not count.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    warmup: f64,
    #[command(flatten)]
    #[serde(skip)]
    target: TargetFlags,
}

pub(crate) async fn run(args: Latency) -> Result<()> {
    let Latency { runs, seconds, warmup, target } = args;
    let concurrency = vec![1];
    let args =
        Sequential { concurrency, steps: 1, payload_bytes: None, runs, seconds, warmup, target };
    let target = Target::open(&args.target).await?;
    let body = w1_sequential::body(&args);
    let level = w1_sequential::measure(&target, &args, body, &[], 1).await?;
    report::print("w2_latency", target.database_kind(), &args, &level)
}
