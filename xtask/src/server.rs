//! The server's program, for tests that are no tests of cargo.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::process;

/// Builds it, and says where it is.
pub(crate) fn build(root: &Path) -> Result<PathBuf> {
    process::announce("building the server");
    let mut cargo = process::cargo();
    // With all of the workspace, as for the tests, or much would be built once more.
    let build = ["build", "--locked", "--workspace", "--bin", "dacapo"];
    process::must(cargo.args(build).current_dir(root))?;
    Ok(root.join("target/debug/dacapo"))
}
