//! The server's program, for tests that are no tests of cargo.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::process;

/// Builds it, and says where it is.
pub(crate) fn build(root: &Path) -> Result<PathBuf> {
    process::announce("building the server");
    let mut cargo = process::cargo();
    // With one of the tests: only then do dependencies get the features that tests switch on,
    // and need not be compiled once more for them.
    let build = ["build", "--locked", "--workspace", "--bin", "dacapo-under-test"];
    process::must(cargo.args(build).args(["--test", "sdk_conformance"]).current_dir(root))?;
    Ok(root.join("target/debug/dacapo-under-test"))
}
