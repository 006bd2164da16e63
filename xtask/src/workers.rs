//! `cargo xtask workers`: the tests of the libraries for workers in other languages.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::{guests, process, server};

const PYTHON: &str = "worker-sdk/python";
const TYPESCRIPT: &str = "worker-sdk/typescript";

/// The oldest versions that the libraries are for.
const PYTHON_MINIMUM: (u32, u32) = (3, 10);
const NODE_MINIMUM: (u32, u32) = (20, 0);

pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    guests::build(root)?;
    test(root)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the tests of all of them, by themselves and with a server. The guests are built.
pub(crate) fn test(root: &Path) -> Result<()> {
    let python = python(PYTHON_MINIMUM)?;
    let npm = npm()?;
    install(root, &npm, TYPESCRIPT)?;
    let dacapo = server::build(root)?;
    for tests in ["tests/unit", "tests/e2e"] {
        test_python(root, &python, tests, &dacapo)?;
    }
    for script in ["test", "test:e2e"] {
        test_typescript(root, &npm, script, &dacapo)?;
    }
    Ok(())
}

/// A Python of this version or a later one.
pub(crate) fn python(minimum: (u32, u32)) -> Result<PathBuf> {
    tool(
        "python3",
        &["-c", "import sys; print(*sys.version_info[:2], sep='.')"],
        minimum,
        "`apt install python3` or `brew install python`",
    )
}

/// npm, with a node that is new enough.
pub(crate) fn npm() -> Result<PathBuf> {
    let advice = "`brew install node`, or see https://nodejs.org";
    tool("node", &["--version"], NODE_MINIMUM, advice)?;
    tool("npm", &["--version"], (0, 0), advice)
}

fn test_python(root: &Path, python: &Path, tests: &str, dacapo: &Path) -> Result<()> {
    process::announce(&format!("testing {PYTHON}: {tests}"));
    process::must(
        Command::new(python)
            .args(["-m", "unittest", "discover", "--start-directory", tests])
            .args(["--top-level-directory", "."])
            .current_dir(root.join(PYTHON))
            .env("PYTHONPATH", "src")
            .env("DACAPO_BINARY", dacapo)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
    .with_context(|| format!("the tests of {PYTHON} did not pass"))
}

fn test_typescript(root: &Path, npm: &Path, script: &str, dacapo: &Path) -> Result<()> {
    process::announce(&format!("testing {TYPESCRIPT}: npm run {script}"));
    process::must(
        Command::new(npm)
            .args(["run", "--silent", script])
            .current_dir(root.join(TYPESCRIPT))
            .env("DACAPO_BINARY", dacapo),
    )
    .with_context(|| format!("the tests of {TYPESCRIPT} did not pass"))
}

/// What a package needs for its tests, if it is not there, or other versions are asked for
/// by now.
pub(crate) fn install(root: &Path, npm: &Path, package: &str) -> Result<()> {
    let folder = root.join(package);
    let wanted = std::fs::read_to_string(folder.join("package.json"))?;
    let installed = folder.join("node_modules/.installed-for.json");
    if std::fs::read_to_string(&installed).is_ok_and(|is| is == wanted) {
        return Ok(());
    }
    process::announce(&format!("installing what the tests of {package} need"));
    process::must(
        Command::new(npm)
            // Without a lock file: it would name the registry of whoever made it.
            .args(["install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"])
            .current_dir(&folder),
    )
    .context("npm can't install it: is there a way to its registry?")?;
    std::fs::write(installed, wanted)?;
    Ok(())
}

/// A program of this version or a later one.
fn tool(name: &str, version: &[&str], minimum: (u32, u32), advice: &str) -> Result<PathBuf> {
    let (major, minor) = minimum;
    let Some(path) = process::on_path(name) else {
        bail!(
            "the tests of the libraries in other languages need {name}, {major}.{minor} or later, \
             which is not there: install it, for example with {advice}"
        );
    };
    let said = process::output(Command::new(&path).args(version))?;
    match parsed(&said) {
        Some(found) if found >= minimum => Ok(path),
        _ => bail!(
            "the tests of the libraries in other languages need {name} {major}.{minor} or later, and \
             this is {}: install another, for example with {advice}",
            said.trim()
        ),
    }
}

/// Major and minor number of `3.11`, `v20.20.2` or the like.
fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim().trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_programs_print_them() {
        assert_eq!(parsed("3.11\n"), Some((3, 11)));
        assert_eq!(parsed("v20.20.2\n"), Some((20, 20)));
        assert_eq!(parsed("nonsense"), None);
        assert!(parsed("3.9") < Some(PYTHON_MINIMUM));
    }
}
