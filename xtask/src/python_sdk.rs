//! The tests of the Python SDK that need no component.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{process, workers};

const SDK: &str = "guest-sdk/python";

/// The oldest version that builds components. They have their own.
const PYTHON_MINIMUM: (u32, u32) = (3, 11);

/// Runs them.
pub(crate) fn test(root: &Path) -> Result<()> {
    let python = workers::python(PYTHON_MINIMUM)?;
    process::announce(&format!("testing {SDK}"));
    process::must(
        Command::new(python)
            .args(["-W", "error", "-m", "unittest", "discover"])
            .args(["--start-directory", "tests/unit", "--top-level-directory", "."])
            .current_dir(root.join(SDK))
            .env("PYTHONPATH", "src")
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
    .with_context(|| format!("the tests of {SDK} did not pass"))
}
