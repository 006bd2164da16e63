//! The tests of the JavaScript SDK that need no component.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{process, workers};

const SDK: &str = "guest-sdk/js";

/// Runs them.
pub(crate) fn test(root: &Path) -> Result<()> {
    let npm = workers::npm()?;
    workers::install(root, &npm, SDK)?;
    process::announce(&format!("testing {SDK}"));
    process::must(Command::new(npm).args(["run", "--silent", "test"]).current_dir(root.join(SDK)))
        .with_context(|| format!("the tests of {SDK} did not pass"))
}
