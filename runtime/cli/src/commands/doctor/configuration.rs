//! The configuration itself, and the folder for compiled modules.

use std::path::Path;

use super::report::Report;
use crate::config::{ServerConfig, default_cache_dir};
use crate::exit::in_words;

const CONFIGURATION: &str = "configuration";
const CACHE: &str = "cache folder";

/// It can't be understood: the server would end with the same words.
pub(super) fn refused(error: &anyhow::Error, report: &mut Report) {
    report.fail(CONFIGURATION, in_words(error), "docs/configuration.md lists all settings");
}

pub(super) fn check(config: &ServerConfig, report: &mut Report) {
    match &config.database {
        Some(database) => report.ok(CONFIGURATION, format!("the database is {database}")),
        None => report.fail(
            CONFIGURATION,
            "it names no database",
            "Set --database postgres://USER@HOST/NAME or --database sqlite://PATH \
             (DACAPO_DATABASE, or `database` in the file)",
        ),
    }
    match config.cache_dir.clone().map_or_else(default_cache_dir, Ok) {
        Ok(folder) => check_cache(&folder, report),
        Err(error) => report.fail(CACHE, in_words(&error), "Set --cache-dir"),
    }
}

fn check_cache(folder: &Path, report: &mut Report) {
    let there = nearest(folder);
    match tempfile::tempfile_in(there) {
        Ok(_) => report.ok(CACHE, format!("{} can be written", folder.display())),
        Err(error) => report.fail(
            CACHE,
            format!("{} can't be written: {error}", there.display()),
            "Give it to the user of the server, or set --cache-dir",
        ),
    }
}

/// The folder, or of those that it would be made in the first that is there.
pub(super) fn nearest(folder: &Path) -> &Path {
    let named = |it: &&Path| !it.as_os_str().is_empty();
    let mut folders = folder.ancestors().filter(named);
    folders.find(|it| it.exists()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_to_be_made_is_looked_for_where_that_would_be() {
        assert_eq!(nearest(Path::new("/no-such-folder/of/mine")), Path::new("/"));
        assert_eq!(nearest(Path::new("no-such-folder/of/mine")), Path::new("."));
        assert_eq!(nearest(Path::new("/proc/self")), Path::new("/proc/self"));
    }
}
