//! The project's own commands: `cargo xtask <command>`.
//!
//! Nothing here knows the runtime, so this compiles in seconds and works in a
//! tree whose crates do not compile.

#![expect(clippy::print_stdout, reason = "a command talks to whoever started it")]

mod api;
mod fuzz;
mod guests;
mod javascript_sdk;
mod python_sdk;
mod server;
mod test;
mod tidy;
mod workers;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use xtask::{postgres, process};

const USAGE: &str = "\
cargo xtask test [-- ARGUMENTS]       build the guests, start PostgreSQL, run all tests;
                                      ARGUMENTS go to `cargo test` (with -p: only those crates)
cargo xtask guests                    build the guests that the tests run
cargo xtask postgres -- COMMAND ...   run COMMAND with DATABASE_URL set to a throw-away server
cargo xtask api                       hold a server against the description of its API, with
                                      requests that schemathesis makes up (needs python3)
cargo xtask fuzz-uploads [SEEDS [FIRST]]
                                      upload so many random modules (1000), from this seed on
cargo xtask workers                   test the libraries for workers (needs python3, node and npm)
cargo xtask tidy                      check the rules that no compiler checks
";

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            process::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Vec<OsString>) -> Result<ExitCode> {
    if arguments.is_empty() {
        bail!("say what to do:\n{USAGE}");
    }
    let command = arguments.remove(0);
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    let root = root()?;
    match command.to_str() {
        Some("test") => test::run(&root, &arguments),
        Some("guests") => guests::build(&root).map(|()| ExitCode::SUCCESS),
        Some("postgres") => postgres::run(&root, &arguments),
        Some("api") => api::run(&root),
        Some("fuzz-uploads") => fuzz::uploads(&root, &arguments),
        Some("tidy") => tidy::run(&root),
        Some("workers") => workers::run(&root),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("there is no command {}:\n{USAGE}", command.display()),
    }
}

/// The checkout. Cargo names this crate's folder when it runs it.
fn root() -> Result<PathBuf> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .context("CARGO_MANIFEST_DIR is not set: start this with `cargo xtask`")?;
    let root = PathBuf::from(here).join("..");
    root.canonicalize().with_context(|| format!("can't find the checkout at {}", root.display()))
}
