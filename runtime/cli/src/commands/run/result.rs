//! `dacapo run result`

use std::time::Duration;

use anyhow::Result;

use super::wait::{self, Wait, parse_wait};
use crate::args::{ClientFlags, RunFlags};
use crate::exit::Exit;

/// Prints the result of a run. The exit code says how the run stands: 0
/// completed, 4 closed otherwise, 5 still open.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run result order-17
  dacapo run result order-17 --wait=30
  dacapo run result order-17 --run-id RUN_ID --no-follow")]
pub struct ResultArgs {
    #[command(flatten)]
    run: RunFlags,

    /// Wait for the run to close; with a value, at most for that many seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_parser = parse_wait
    )]
    wait: Option<Wait>,

    /// Exactly this run, not the one that it is tried again or continues as.
    #[arg(long)]
    no_follow: bool,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ResultArgs) -> Result<Exit> {
    let client = args.client.client()?;
    let wait = args.wait.unwrap_or(Wait::AtMost(Duration::ZERO));
    wait::wait(&args.client, &client, &args.run.address(), wait, !args.no_follow, None).await
}
