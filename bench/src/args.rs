//! The command line.

use clap::{Parser, Subcommand};
use dacapo_cli::config::Database;

use crate::worker::Work;
use crate::workloads::{
    w1_sequential::Sequential, w2_latency::Latency, w3_fan_out::FanOut, w4_sleepers::Sleepers,
    w5_recovery::Recovery, w6_signals::Signals, w7_replay::Replay, w8_floor::Floor,
    w9_cancel::Cancel, w10_remote::Remote, w11_fairness::Fairness,
};

/// Measures a Dacapo server that it starts itself. People read standard error;
/// the last line of standard output is the result as JSON.
#[derive(Debug, Parser)]
#[command(name = "dacapo-bench", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) workload: Workload,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Workload {
    /// Runs of sequential steps, in a closed loop.
    W1(Sequential),
    /// One run of one step at a time.
    W2(Latency),
    /// One run with many activities at once.
    W3(FanOut),
    /// Very many runs asleep, and how late they wake.
    W4(Sleepers),
    /// A long history, `kill -9`, and how long it takes to go on.
    W5(Recovery),
    /// Signals into one run, and into many.
    W6(Signals),
    /// Replay alone, on one core, without a server.
    W7(Replay),
    /// The same rows as W1, written by a bare program: what the database allows.
    W8(Floor),
    /// From a request to cancel to the activity that hears of it.
    W9(Cancel),
    /// Steps that workers do, with workers that this program starts.
    W10(Remote),
    /// The tasks of one that wait beside the many of another.
    W11(Fairness),
    /// A worker that does nothing, for the workloads that need some.
    #[command(hide = true)]
    Work(Work),
}

/// What to measure it on.
#[derive(Debug, clap::Args)]
pub(crate) struct TargetFlags {
    /// `postgres://USER@HOST/NAME`: a fresh database is made beside that one, and
    /// dropped at the end. `sqlite://PATH`: this file. Absent: a fresh SQLite
    /// file. With --server: the database that the server uses, to be watched.
    #[arg(long, value_name = "URL", help_heading = "Target")]
    pub(crate) database: Option<Database>,

    /// Measure this server, such as http://127.0.0.1:7233, instead of one that
    /// this program starts.
    #[arg(long, value_name = "URL", help_heading = "Target")]
    pub(crate) server: Option<String>,

    /// Process of that server, to measure its CPU and memory.
    #[arg(long, value_name = "PID", requires = "server", help_heading = "Target")]
    pub(crate) server_pid: Option<u32>,

    /// Leave the database there at the end.
    #[arg(long, help_heading = "Target")]
    pub(crate) keep: bool,

    /// Passed on to `dacapo serve`; may be repeated.
    #[arg(
        long = "serve-arg",
        value_name = "ARGUMENT",
        allow_hyphen_values = true,
        conflicts_with = "server",
        help_heading = "Target"
    )]
    pub(crate) serve_args: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
