//! `cargo xtask test`: everything from a fresh checkout to the last test.

use std::ffi::{OsStr, OsString};
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::postgres::Database;
use crate::{guests, javascript_sdk, process, python_sdk, workers};

/// The SDK is a workspace of its own, whose tests run on this machine.
const SDK: &str = "guest-sdk/rust";

/// Tests of one program that run at a time, if nobody has set it: more than there are cores,
/// since those that take long wait for servers, timers and databases.
const THREADS: &str = "RUST_TEST_THREADS";

/// Builds the guests, provides a database and runs the tests. `arguments` go
/// to `cargo test`.
pub(crate) fn run(root: &Path, arguments: &[OsString]) -> Result<ExitCode> {
    guests::build(root)?;
    if arguments.is_empty() {
        test_sdk(root)?;
        python_sdk::test(root)?;
        javascript_sdk::test(root)?;
        workers::test(root)?;
    }
    let database = Database::open(root)?;
    process::announce("testing the runtime");
    let mut cargo = process::cargo();
    cargo.arg("test").arg("--locked").current_dir(root).env("DATABASE_URL", database.url());
    if std::env::var_os(THREADS).is_none() {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        cargo.env(THREADS, (2 * cores).to_string());
    }
    if !arguments.iter().any(|argument| chooses_crates(argument)) {
        cargo.arg("--workspace");
    }
    process::pass_on(cargo.args(arguments))
}

fn test_sdk(root: &Path) -> Result<()> {
    process::announce(&format!("testing {SDK}"));
    let mut cargo = process::cargo();
    cargo
        .args(["test", "--quiet", "--workspace", "--locked"])
        .current_dir(root.join(SDK))
        .env("CARGO_TARGET_DIR", root.join("target/guests"));
    process::must(&mut cargo).with_context(|| format!("the tests of {SDK} did not pass"))
}

/// Whether an argument of `cargo test` says which crates to test.
fn chooses_crates(argument: &OsStr) -> bool {
    let argument = argument.to_string_lossy();
    ["-p", "--package", "--manifest-path"]
        .iter()
        .any(|option| argument == *option || argument.starts_with(&format!("{option}=")))
        || (argument.starts_with("-p") && !argument.starts_with("--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_options_that_name_crates_choose_crates() {
        for argument in ["-p", "-pdacapo-model", "--package", "--package=x", "--manifest-path"] {
            assert!(chooses_crates(OsStr::new(argument)), "{argument}");
        }
        for argument in ["--lib", "--profile", "name_of_a_test", "--no-fail-fast", "--"] {
            assert!(!chooses_crates(OsStr::new(argument)), "{argument}");
        }
    }
}
