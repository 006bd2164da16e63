//! The workloads, one file each.

pub(crate) mod w10_remote;
pub(crate) mod w11_fairness;
pub(crate) mod w1_sequential;
pub(crate) mod w2_latency;
pub(crate) mod w3_fan_out;
pub(crate) mod w4_sleepers;
pub(crate) mod w5_recovery;
pub(crate) mod w6_signals;
pub(crate) mod w7_replay;
pub(crate) mod w8_floor;
pub(crate) mod w9_cancel;

use anyhow::Result;

use crate::args::Workload;
use crate::worker;

/// Measures, and prints what was found.
pub(crate) async fn run(workload: Workload) -> Result<()> {
    match workload {
        Workload::W1(args) => w1_sequential::run(args).await,
        Workload::W2(args) => w2_latency::run(args).await,
        Workload::W3(args) => w3_fan_out::run(args).await,
        Workload::W4(args) => w4_sleepers::run(args).await,
        Workload::W5(args) => w5_recovery::run(args).await,
        Workload::W6(args) => w6_signals::run(args).await,
        Workload::W7(args) => w7_replay::run(args).await,
        Workload::W8(args) => w8_floor::run(args).await,
        Workload::W9(args) => w9_cancel::run(args).await,
        Workload::W10(args) => w10_remote::run(args).await,
        Workload::W11(args) => w11_fairness::run(args).await,
        Workload::Work(args) => worker::run(args).await,
    }
}
