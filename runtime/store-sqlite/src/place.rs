//! Whether the file that is open is still the one that the path names.
//!
//! A file that was removed can still be written: everything would look well, and be
//! gone with the process.

use std::path::PathBuf;

use dacapo_store::error::Result;

use crate::error::unavailable;

#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    file: Identity,
}

impl Place {
    /// Of a file that is there.
    pub(crate) fn of(path: PathBuf) -> Result<Self> {
        let file = identity(&path).map_err(unavailable)?;
        Ok(Self { path, file })
    }

    /// Refuses to go on with a file that has lost its place.
    pub(crate) fn check(&self) -> Result<()> {
        let found = match identity(&self.path) {
            Ok(found) if found == self.file => return Ok(()),
            Ok(_) => "another file has taken its place".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(unavailable(format!(
            "the database file {} is not where it was opened: {found}. Nothing more is written. \
             Put it back, or stop the server, put a backup there, and start it again",
            self.path.display()
        )))
    }
}

#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &std::path::Path) -> std::io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;

    let file = std::fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// Elsewhere a file that is open can't be removed.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(path: &std::path::Path) -> std::io::Result<Identity> {
    std::fs::metadata(path).map(drop)
}
