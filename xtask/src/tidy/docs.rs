//! What the documentation names must exist, and the other way round.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::crates::Package;

const DEPENDENCIES: &str = "docs/dependencies.md";
const ERRORS: &str = "docs/errors";
const SEMANTICS: &str = "docs/semantics.md";

/// Relative links in Markdown files lead somewhere.
pub(crate) fn check_links(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files.iter().filter(|path| path.extension() == Some(OsStr::new("md"))) {
        let text = read(&root.join(path))?;
        let folder = root.join(path.parent().unwrap_or(Path::new("")));
        for link in relative_links(&text) {
            if !folder.join(link).exists() {
                problems.push(format!("{}: nothing is at {link}", path.display()));
            }
        }
    }
    Ok(problems)
}

/// The index of the error pages lists each page.
pub(crate) fn check_error_index(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(ERRORS);
    let index = read(&folder.join("README.md"))?;
    let linked: BTreeSet<_> = relative_links(&index).collect();
    let mut problems = Vec::new();
    for entry in folder.read_dir().with_context(|| format!("can't read {ERRORS}"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "README.md" && !linked.contains(name.as_str()) {
            problems.push(format!("{ERRORS}/README.md does not list {name}"));
        }
    }
    Ok(problems)
}

/// Each foreign crate that a manifest names has a reason to be there, and no
/// reason is left over.
pub(crate) fn check_dependencies(root: &Path, packages: &[Package]) -> Result<Vec<String>> {
    let page = read(&root.join(DEPENDENCIES))?;
    let named: BTreeSet<_> = first_cells(&page).flat_map(in_backticks).collect();
    let foreign: BTreeSet<_> = packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .filter(|dependency| dependency.path.is_none())
        .map(|dependency| dependency.name.as_str())
        .collect();
    let missing = foreign
        .difference(&named)
        .map(|name| format!("{DEPENDENCIES} does not say what {name} is for"));
    let left_over = named
        .difference(&foreign)
        .map(|name| format!("{DEPENDENCIES} speaks of {name}, which no manifest names"));
    Ok(missing.chain(left_over).collect())
}

/// The tests that are named as showing a promise exist.
pub(crate) fn check_tests(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut known = BTreeSet::new();
    for path in files.iter().filter(|path| path.extension() == Some(OsStr::new("rs"))) {
        known.extend(path.iter().map(|part| part.to_string_lossy().replace(".rs", "")));
        known.extend(functions(&read(&root.join(path))?).map(str::to_owned));
    }
    let page = read(&root.join(SEMANTICS))?;
    let missing = tests(&page)
        .filter(|test| !test.split("::").skip(1).all(|part| known.contains(part)))
        .map(|test| format!("{SEMANTICS} names {test}, which is no test"));
    Ok(missing.collect())
}

/// Names such as `store::commit::a_change_is_written`.
fn tests(page: &str) -> impl Iterator<Item = &str> {
    const ROOTS: [&str; 7] = ["e2e", "engine", "host", "model", "sdk", "service", "store"];
    in_backticks(page)
        .filter(|name| name.split_once("::").is_some_and(|(root, _)| ROOTS.contains(&root)))
        // `e2e::...` stands for all of them.
        .filter(|name| !name.ends_with("..."))
}

/// The names of all functions of a source file.
fn functions(source: &str) -> impl Iterator<Item = &str> {
    source.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next())
}

/// The first cell of each row of a table.
fn first_cells(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next())
}

/// What stands between pairs of backticks.
fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Targets of `[text](target)` without their anchors.
fn relative_links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or(target))
        .filter(|target| !target.is_empty() && !target.contains(':') && !target.contains(' '))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_of_a_table_are_in_its_first_column() {
        let text =
            "Uses `not_this`.\n| crate | for |\n|---|---|\n| `a`, `b-c` | what `d` is for |\n";
        let names: Vec<_> = first_cells(text).flat_map(in_backticks).collect();
        assert_eq!(names, ["a", "b-c"]);
    }

    #[test]
    fn tests_are_known_by_their_crates_and_functions() {
        let page =
            "See `e2e::crash`, `engine::laws::it_holds` and `std::thread`, `e2e::...` and `a::b`.";
        assert_eq!(tests(page).collect::<Vec<_>>(), ["e2e::crash", "engine::laws::it_holds"]);
        let source = "async fn it_holds() {}\n    fn of<T>(one: T) {}";
        assert_eq!(functions(source).collect::<Vec<_>>(), ["it_holds", "of"]);
    }

    #[test]
    fn only_links_into_the_checkout_are_followed() {
        let text = "[a](b.md), [c](../d/e.md#part), [f](https://example.com), [g](#here) and (h)";
        assert_eq!(relative_links(text).collect::<Vec<_>>(), ["b.md", "../d/e.md"]);
    }
}
