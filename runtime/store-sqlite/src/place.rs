//! Whether the files that are open are still those that the paths name.
//!
//! A file that was removed can still be written: everything would look well, and be
//! gone with the process. That holds for the database, and for the write-ahead log
//! beside it, which is where every commit goes first.

use std::path::{Path, PathBuf};

use dacapo_store::error::{Result, StoreError};

use crate::error::unavailable;

#[derive(Debug)]
pub(crate) struct Place {
    database: Opened,
    log: Opened,
}

/// Which file has lost its place, and why that shows.
#[derive(Debug)]
pub(crate) enum Lost {
    Database(String),
    /// What is only there can still be moved to the database.
    Log(String),
}

impl Place {
    /// Of a database that is open.
    pub(crate) fn of(path: PathBuf) -> Result<Self> {
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        Ok(Self { database: Opened::at(path)?, log: Opened::at(log.into())? })
    }

    /// Refuses to go on with a file that has lost its place.
    pub(crate) fn check(&self) -> std::result::Result<(), Lost> {
        self.database.check().map_err(Lost::Database)?;
        self.log.check().map_err(Lost::Log)
    }
}

impl From<Lost> for StoreError {
    fn from(lost: Lost) -> Self {
        unavailable(match lost {
            Lost::Database(problem) => format!(
                "the database file {problem}. Nothing more is written. Put it back, or stop the \
                 server, put a backup there, and start it again"
            ),
            Lost::Log(problem) => format!(
                "the write-ahead log of the database {problem}. What was in it is in the database \
                 now; nothing more is written. Restart the server"
            ),
        })
    }
}

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    file: Identity,
}

impl Opened {
    /// A file that is there.
    fn at(path: PathBuf) -> Result<Self> {
        let file = identity(&path).map_err(unavailable)?;
        Ok(Self { path, file })
    }

    fn check(&self) -> std::result::Result<(), String> {
        let found = match identity(&self.path) {
            Ok(found) if found == self.file => return Ok(()),
            Ok(_) => "another file has taken its place".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(format!("{} is not where it was opened: {found}", self.path.display()))
    }
}

#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> std::io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;

    let file = std::fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// Elsewhere a file that is open can't be removed.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(path: &Path) -> std::io::Result<Identity> {
    std::fs::metadata(path).map(drop)
}
