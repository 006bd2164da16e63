//! Where the server's programs are on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;

/// The oldest major version that the migrations are written for.
pub(crate) const OLDEST: u32 = 14;

/// Parents of `bin` folders; the last part may end in `*`. Distributions keep
/// several versions side by side, away from the path.
const PLACES: &[&str] = &[
    "/usr/lib/postgresql/*",
    "/usr/lib/postgresql*",
    "/usr/libexec/postgresql*",
    "/usr/pgsql-*",
    "/usr/local/pgsql*",
    "/opt/homebrew/opt/postgresql*",
    "/usr/local/opt/postgresql*",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*",
    "/Applications/Postgres.app/Contents/Versions/*",
];

/// The programs of one installed version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    /// Its major version.
    pub(crate) major: u32,
}

impl Binaries {
    /// The newest installed version that is new enough.
    pub fn find() -> Option<Self> {
        candidates()
            .into_iter()
            .filter_map(Self::at)
            .filter(|binaries| binaries.major >= OLDEST)
            .max_by_key(|binaries| binaries.major)
    }

    /// One of the programs that come with the server.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn at(folder: PathBuf) -> Option<Self> {
        if !["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|name| process::is_program(&folder.join(name)))
        {
            return None;
        }
        let text = process::output(Command::new(folder.join("postgres")).arg("--version")).ok()?;
        Some(Self { folder, major: major_version(&text)? })
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for program in ["postgres", "pg_ctl"] {
        // What is on the path may be a link into the folder that has the rest.
        let file = process::on_path(program).and_then(|file| file.canonicalize().ok());
        folders.extend(file.as_deref().and_then(Path::parent).map(Path::to_path_buf));
    }
    if let Ok(folder) = process::output(Command::new("pg_config").arg("--bindir")) {
        folders.push(PathBuf::from(folder.trim()));
    }
    for place in PLACES {
        for folder in expand(Path::new(place)) {
            folders.push(folder.join("bin"));
            // Alpine has no `bin` below the versioned folder.
            folders.push(folder);
        }
    }
    folders
}

/// The folders that match a path whose last part may end in `*`.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let (Some(parent), Some(name)) = (pattern.parent(), pattern.file_name()) else {
        return Vec::new();
    };
    let name = name.to_string_lossy();
    let Some(start) = name.strip_suffix('*') else {
        return vec![pattern.to_path_buf()];
    };
    let Ok(entries) = parent.read_dir() else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
        .map(|entry| entry.path())
        .collect()
}

/// From `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, or `18beta1`.
fn major_version(text: &str) -> Option<u32> {
    let version = text.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits = version.split(|character: char| !character.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_server_prints() {
        let cases = [
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("postgres (PostgreSQL) 9.6.24", Some(9)),
            ("something else", None),
        ];
        for (text, major) in cases {
            assert_eq!(major_version(text), major, "{text}");
        }
    }

    #[test]
    fn a_pattern_matches_the_start_of_a_name() {
        let parent = std::env::temp_dir().join(format!("xtask-expand-{}", std::process::id()));
        for name in ["pgsql-14", "pgsql-15", "mysql-8"] {
            std::fs::create_dir_all(parent.join(name)).expect("a folder for the test");
        }
        let mut found = expand(&parent.join("pgsql-*"));
        found.sort();
        std::fs::remove_dir_all(&parent).expect("removing it again");
        assert_eq!(found, [parent.join("pgsql-14"), parent.join("pgsql-15")]);
    }
}
