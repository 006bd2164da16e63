//! Compiled modules on disk.
//!
//! What is in a file is executed, so a file is used only if it is the very one
//! that was written for this module by this version of the engine: its first 32
//! bytes are a SHA-256 over both and the rest. Anything else is compiled again.
//! The checksum finds damage, not malice; against that the directory must be
//! writable for this user only.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use dacapo_model::module::ModuleDigest;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::config::HostError;

/// Bytes of all files together; the oldest go first.
const CACHE_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;

const CHECKSUM_BYTES: usize = 32;

/// A directory of compiled modules.
pub(super) struct Cache {
    directory: PathBuf,
    /// Version and settings of the engine. Part of each file's name, so that
    /// two versions of the server can share a directory.
    engine_id: String,
    /// Makes the names of files that are being written different.
    writes: AtomicU64,
}

impl Cache {
    /// Opens the directory, which nobody else may be able to write to.
    pub(super) fn open(directory: PathBuf, engine: &Engine) -> Result<Self, HostError> {
        create_private(&directory)
            .map_err(|source| HostError::CacheDirectory { path: directory.clone(), source })?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let engine_id = format!("wasmtime48-{:016x}", hasher.finish());
        Ok(Self { directory, engine_id, writes: AtomicU64::new(0) })
    }

    /// The module, if an intact file of it is there.
    pub(super) fn load(&self, engine: &Engine, digest: ModuleDigest) -> Option<Component> {
        let path = self.path(digest);
        let file = match std::fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "can't read a compiled module");
                return None;
            }
        };
        let code = file
            .split_at_checked(CHECKSUM_BYTES)
            .filter(|(checksum, code)| self.checksum(digest, code) == *checksum)
            .map(|(_, code)| code);
        let Some(code) = code else {
            tracing::warn!(path = %path.display(), "a compiled module is damaged: compiling it again");
            return None;
        };
        match deserialize(engine, code) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "can't use a compiled module");
                None
            }
        }
    }

    /// Writes a module. Another process sees the whole file or none. It is not
    /// synced to disk: what a crash damages, the checksum finds.
    pub(super) fn save(&self, digest: ModuleDigest, code: &[u8]) -> io::Result<()> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let temporary =
            self.directory.join(format!("{digest}.{}-{number}.tmp", std::process::id()));
        let written = write_private(&temporary, &self.checksum(digest, code), code)
            .and_then(|()| std::fs::rename(&temporary, self.path(digest)));
        if written.is_err() {
            // The first error is the one worth telling.
            let _ = std::fs::remove_file(&temporary);
        }
        written?;
        self.prune()
    }

    fn path(&self, digest: ModuleDigest) -> PathBuf {
        self.directory.join(format!("{digest}.{}", self.engine_id))
    }

    /// Covers the name as well: a file under another module's name is foreign.
    fn checksum(&self, digest: ModuleDigest, code: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let mut hasher = Sha256::new();
        hasher.update(digest.0);
        hasher.update(&self.engine_id);
        hasher.update([0]);
        hasher.update(code);
        hasher.finalize().into()
    }

    /// Removes the oldest files while all together are too large.
    fn prune(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for file in std::fs::read_dir(&self.directory)? {
            let file = file?;
            // It may have gone since; another process prunes as well.
            if let Ok(metadata) = file.metadata()
                && metadata.is_file()
            {
                files.push((metadata.modified()?, metadata.len(), file.path()));
            }
        }
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        files.sort();
        for (_, size, path) in files {
            if bytes <= CACHE_BYTES_MAX {
                break;
            }
            bytes -= size;
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Loads compiled code, which must be what [`super::compile`] has just answered, or
/// what [`Cache::load`] has found intact.
#[expect(unsafe_code, reason = "loading compiled code is what compiling it is for")]
pub(super) fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be what an engine compiled. Either this program did so
    // just now; or their checksum, which names module and engine, was just verified
    // over these very bytes in memory, and only this user can write to the directory
    // they came from.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(unix)]
fn create_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    const OTHERS_MAY_WRITE: u32 = 0o022;

    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mode = std::fs::metadata(directory)?.permissions().mode();
    if mode & OTHERS_MAY_WRITE != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others can write to it, and code in it is executed: run `chmod 700` on it",
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn create_private(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)
}

fn write_private(path: &Path, checksum: &[u8], code: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(checksum)?;
    file.write_all(code)
}
