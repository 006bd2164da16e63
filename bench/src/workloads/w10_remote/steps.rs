//! Runs of steps, one after the other, each done by a worker.

use anyhow::Result;
use bytes::Bytes;
use serde_json::json;

use super::Remote;
use crate::client::start_body;
use crate::report;
use crate::target::Target;
use crate::workers::Workers;
use crate::workloads::w1_sequential::{self, Sequential};

pub(super) async fn run(args: &Remote) -> Result<()> {
    let target = Target::open(&args.sequential.target).await?;
    let mut workers = Workers::start(target.address()?, &args.workers, false)?;
    let (pids, mut levels) = (workers.pids(), Vec::new());
    for &concurrency in &args.sequential.concurrency {
        let level = w1_sequential::measure(
            &target,
            &args.sequential,
            body(&args.sequential),
            &pids,
            concurrency,
        );
        levels.push(workers.beside(level).await?);
    }
    report::print("w10_remote", target.database_kind(), args, &levels)
}

fn body(args: &Sequential) -> Bytes {
    let input = json!({ "steps": args.steps, "bytes": args.payload_bytes });
    start_body("remote_sequential", &input)
}
