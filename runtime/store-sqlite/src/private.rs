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
    File::options().write(true).create(true).truncate(false).mode(MODE).open(path).map(drop)
}
