//! Nobody but the user who runs the server may read what runs are given.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Read and write for the owner, nothing for anybody else.
const MODE: u32 = 0o600;

/// Makes the file if there is none. SQLite would make it readable for everybody; the
/// files next to it (`-wal`, `-shm`) get the mode of this one. A file that is there keeps
/// the mode that somebody may have chosen for it.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    match File::options().write(true).create_new(true).mode(MODE).open(path) {
        Ok(_) => {
            // Whoever expected runs there has a wrong path, or a disk that is not mounted.
            tracing::info!(path = %path.display(), "made a new, empty database");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
