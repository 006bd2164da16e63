//! What holds for every source file.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A file of the runtime is about one subject, and can be read in one go.
const RUNTIME_LINES_MAX: usize = 600;

/// Words that stand for work that was not done. Written in two parts, because
/// this file is checked as well.
const PLACEHOLDERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub(crate) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files.iter().filter(|path| path.extension() == Some(OsStr::new("rs"))) {
        let text = fs::read_to_string(root.join(path))
            .with_context(|| format!("can't read {}", path.display()))?;
        problems.extend(problems_of(path, &text));
    }
    Ok(problems)
}

fn problems_of(path: &Path, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let shown = path.display();
    let lines = text.lines().count();
    if is_runtime_source(path) && lines >= RUNTIME_LINES_MAX {
        problems.push(format!(
            "{shown}: {lines} lines; split it by subject, {RUNTIME_LINES_MAX} is too many to read"
        ));
    }
    if is_crate_root(path) && !text.starts_with("//!") {
        problems.push(format!("{shown}: start with `//!`: what the crate is, in a sentence"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        for word in PLACEHOLDERS.iter().filter(|word| has_word(line, word)) {
            problems.push(format!("{shown}:{number}: {word}: do it, or open an issue"));
        }
    }
    problems
}

fn is_runtime_source(path: &Path) -> bool {
    path.starts_with("runtime") && path.iter().nth(2) == Some(OsStr::new("src"))
}

fn is_crate_root(path: &Path) -> bool {
    path.ends_with("src/lib.rs") || path.ends_with("src/main.rs")
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|character: char| !character.is_alphanumeric()).any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_file_has_no_problem() {
        let text = "//! A crate.\n\npub fn todos() {}\n";
        assert_eq!(problems_of(Path::new("runtime/model/src/lib.rs"), text), Vec::<String>::new());
    }

    #[test]
    fn a_long_file_is_a_problem_in_the_sources_of_the_runtime_only() {
        let text = "//! Long.\n".repeat(RUNTIME_LINES_MAX);
        assert_eq!(problems_of(Path::new("runtime/model/src/ids.rs"), &text).len(), 1);
        assert_eq!(problems_of(Path::new("runtime/model/tests/ids.rs"), &text).len(), 0);
    }

    #[test]
    fn a_crate_must_say_what_it_is() {
        assert_eq!(problems_of(Path::new("xtask/src/main.rs"), "fn main() {}\n").len(), 1);
        assert_eq!(problems_of(Path::new("xtask/src/test.rs"), "fn main() {}\n").len(), 0);
    }

    #[test]
    fn a_placeholder_is_named_with_its_line() {
        let text = format!("//! A crate.\n// {}: later\n", PLACEHOLDERS[0]);
        let problems = problems_of(Path::new("tests/src/lib.rs"), &text);
        assert!(problems[0].starts_with("tests/src/lib.rs:2:"), "{problems:?}");
    }
}
