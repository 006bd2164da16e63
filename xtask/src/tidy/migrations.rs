//! Both back ends have the same migrations: same numbers, same names.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context as _, Result};

const FOLDERS: [&str; 2] = ["migrations/postgres", "migrations/sqlite"];

pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let [postgres, sqlite] = [names(&root.join(FOLDERS[0]))?, names(&root.join(FOLDERS[1]))?];
    Ok(problems_of(&postgres, &sqlite))
}

fn problems_of(postgres: &BTreeSet<String>, sqlite: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    for name in postgres.symmetric_difference(sqlite) {
        let [has, lacks] = if postgres.contains(name) { FOLDERS } else { [FOLDERS[1], FOLDERS[0]] };
        problems.push(format!("{has}/{name} has no counterpart in {lacks}"));
    }
    for (expected, name) in (1..).zip(postgres) {
        if !name.starts_with(&format!("{expected:04}_")) {
            problems.push(format!(
                "{}/{name}: name it {expected:04}_*.sql, numbers have no gaps",
                FOLDERS[0]
            ));
        }
    }
    if postgres.is_empty() {
        problems.push(format!("{} has no migration", FOLDERS[0]));
    }
    problems
}

fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let unreadable = || format!("can't read {}", folder.display());
    let mut names = BTreeSet::new();
    for entry in folder.read_dir().with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.extension() == Some(OsStr::new("sql"))
            && let Some(name) = path.file_name()
        {
            names.insert(name.to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn equal_folders_without_gaps_are_fine() {
        let both = set(&["0001_initial.sql", "0002_more.sql"]);
        assert_eq!(problems_of(&both, &both), Vec::<String>::new());
    }

    #[test]
    fn a_missing_counterpart_and_a_gap_are_named() {
        let postgres = set(&["0001_initial.sql", "0003_more.sql"]);
        let sqlite = set(&["0001_initial.sql"]);
        let problems = problems_of(&postgres, &sqlite);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("no counterpart in migrations/sqlite"));
        assert!(problems[1].contains("0002_"));
    }
}
