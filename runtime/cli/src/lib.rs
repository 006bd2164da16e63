//! The `dacapo` program, as a library: its binary is a thin shell around [`main`],
//! and tests compose the same [`server`] around a store of their own.
//!
//! ```text
//!  args ──▶ commands ──▶ client ──HTTP──▶ server = store + host + service + api
//!              ├── serve, dev: config ─────▶ server
//!              └── worker: host, and the library for workers
//! ```
//!
//! The only crate that names concrete back ends.

pub mod args;
pub mod client;
pub mod commands;
pub mod config;
pub mod exit;
mod hints;
pub mod http_server;
mod logging;
mod only_module;
mod open_files;
pub mod output;
pub mod server;
mod signals;
pub mod store;
mod telemetry;
mod times;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
pub use dacapo_guest_build as guest_build;

use crate::args::{Cli, Command};
use crate::commands::compile_module;
use crate::exit::Exit;

/// A step allocates some hundred times; this allocator takes a tenth off the CPU
/// of a run (`dacapo-bench w1`), and gives memory back after a burst.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long work on other threads may keep the process alive at its end.
const LINGER: Duration = Duration::from_secs(1);

/// Runs the program with the arguments and environment of this process.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => hints::explain(error, &words).exit(),
    };
    if let Command::CompileModule(args) = &cli.command {
        // Its limits leave no room for anything else.
        return match compile_module::run(args) {
            Ok(exit) => exit.into(),
            Err(error) => exit::report(&error).into(),
        };
    }
    // Two providers of cryptography are possible; without a choice, the first
    // use of TLS panics. An error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&anyhow::Error::from(error)).into(),
    };
    let exit = match runtime.block_on(commands::run(cli)) {
        Ok(exit) => exit,
        Err(error) => {
            let exit = exit::report(&error);
            hints::after_failure(&words).iter().for_each(|tip| output::note(tip));
            exit
        }
    };
    runtime.shutdown_timeout(LINGER);
    Exit::into(exit)
}
