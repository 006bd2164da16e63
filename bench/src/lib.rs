//! What Dacapo costs. A workload drives a server over HTTP, as a client would,
//! and measures what the client sees and what CPU everything but the client took.
//!
//! ```text
//!  workloads ──▶ target = database + server process + module
//!      │ load ──▶ client ──HTTP──▶ dacapo serve (this same program)
//!      │ workers: processes of it ──HTTP──▶ the same server
//!      └ meter ──▶ /proc, PostgreSQL's counters
//! ```
//!
//! The micro-benchmarks in `benches/` use [`drive`] and [`guest`].

mod args;
mod client;
mod clock;
mod database;
pub mod drive;
mod floor;
pub mod guest;
mod load;
mod meter;
mod observer;
mod process;
mod report;
mod server;
mod stats;
mod target;
mod worker;
mod workers;
mod workloads;

use std::process::ExitCode;

use clap::Parser as _;
use dacapo_cli::commands::compile_module;
use dacapo_cli::output;

use crate::args::Cli;

/// What this program does as a server.
const SERVER: [&str; 2] = ["serve", compile_module::NAME];

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    // The server under test is this program too: so it is always the one that
    // was built from this source.
    if std::env::args_os().nth(1).is_some_and(|word| SERVER.iter().any(|it| word == *it)) {
        return dacapo_cli::main();
    }
    match measure(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// On one thread, since the client shares the machine with what it measures.
fn measure(cli: Cli) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = workloads::run(cli.workload) => done,
            // What was made for the measurement goes away as it is dropped.
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                anyhow::bail!("interrupted")
            }
        }
    })
}
