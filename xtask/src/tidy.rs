//! `cargo xtask tidy`: rules of this project that no compiler checks.

mod crates;
mod docs;
mod files;
mod migrations;
mod modules;
mod sources;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::process;

/// Checks everything, says what is wrong, and fails if something is.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let files = files::all(root)?;
    let packages = crates::packages(root)?;
    let guests = crates::guest_packages(root)?;
    let mut problems = Vec::new();
    problems.extend(sources::check(root, &files)?);
    problems.extend(crates::check(root, &packages));
    problems.extend(modules::check(root, &files)?);
    problems.extend(crates::check_guests(root, &guests));
    problems.extend(migrations::check(root)?);
    problems.extend(docs::check_links(root, &files)?);
    problems.extend(docs::check_error_index(root)?);
    problems.extend(docs::check_tests(root, &files)?);
    problems.extend(docs::check_dependencies(root, &[packages, guests].concat())?);
    for problem in &problems {
        process::complain(problem);
    }
    if problems.is_empty() {
        process::announce("tidy");
        Ok(ExitCode::SUCCESS)
    } else {
        process::complain(&format!("{} things to tidy up", problems.len()));
        Ok(ExitCode::FAILURE)
    }
}
