//! The files that a server speaks TLS with, as they are on the disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::exit::UsageError;

/// Bytes of one of the files. A chain has a few KiB, a list of authorities some hundred.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Which files they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and an authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whom clients' certificates are to be of, if they are asked for any.
    pub clients: Option<ClientAuthorities>,
}

/// Whose certificates clients may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthorities {
    /// The certificates of the authorities.
    pub file: PathBuf,
    /// Whether nobody is let in who shows none.
    pub required: bool,
}

/// What they hold. Compared to see whether something has changed: times of files don't
/// always tell.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) authorities: Option<Vec<u8>>,
}

impl TlsFiles {
    pub(super) fn read(&self) -> Result<Contents> {
        let authorities = self.clients.as_ref().map(|clients| read(&clients.file)).transpose()?;
        Ok(Contents { certificate: read(&self.certificate)?, key: read(&self.key)?, authorities })
    }

    /// Warns of a key that is no secret on this machine.
    pub(super) fn warn_of_readers(&self) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&self.key).map(|it| it.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o004 != 0) {
            tracing::warn!(
                file = %self.key.display(),
                "every user of this machine may read the private key of the server; `chmod o-rwx` it"
            );
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            let problem = format!("it has more than {FILE_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        Ok(bytes)
    };
    read().map_err(|error| UsageError(format!("can't read {}: {error}", path.display())).into())
}
