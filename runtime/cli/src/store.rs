//! From a database's address to an open store.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use dacapo_store::Store;
use dacapo_store::error::StoreError;
use dacapo_store_postgres::{PostgresOptions, PostgresStore};
use dacapo_store_sqlite::SqliteStore;

use crate::config::Database;

/// Opens a database. With `migrate`, brings its tables up to date first. A file is
/// nobody else's until it is closed.
pub async fn open(
    database: &Database,
    migrate: bool,
) -> Result<(Arc<dyn Store>, Option<OpenFile>)> {
    match database {
        Database::Postgres(url) => {
            let store = PostgresStore::connect(url.expose(), PostgresOptions::default()).await;
            let store = store.map_err(reason).with_context(|| format!("can't open {database}"))?;
            if migrate {
                let migrated = store.migrate().await.map_err(reason);
                migrated.with_context(|| format!("can't migrate {database}"))?;
            }
            Ok((Arc::new(store), None))
        }
        Database::Sqlite(path) => {
            let lock = FileLock::take(path)?;
            let store = SqliteStore::open(path).await;
            let store = store.map_err(reason).with_context(|| format!("can't open {database}"))?;
            warn_of_readers(path);
            let store = Arc::new(store);
            Ok((Arc::clone(&store) as _, Some(OpenFile { store, _lock: lock })))
        }
    }
}

/// Brings the tables of a database up to date, and makes the roles for it.
pub async fn make_roles(database: &Database) -> Result<()> {
    let Database::Postgres(url) = database else {
        bail!(
            "a SQLite file has no roles: leave out --roles, and let its mode say who may read it"
        );
    };
    let store = PostgresStore::connect(url.expose(), PostgresOptions::default()).await;
    let store = store.map_err(reason).with_context(|| format!("can't open {database}"))?;
    let migrated = store.migrate().await.map_err(reason);
    migrated.with_context(|| format!("can't migrate {database}"))?;
    let made = store.make_roles().await.map_err(reason);
    made.with_context(|| format!("can't make the roles for {database}"))?;
    store.close().await;
    Ok(())
}

/// What the driver said, where that is all there is to say: a server that refuses has
/// answered.
pub(crate) fn reason(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Unavailable { source } => anyhow::Error::from_boxed(source),
        other => other.into(),
    }
}

/// A file that was made by somebody else, or by an older version, keeps its mode.
fn warn_of_readers(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let others_may = |mode: u32| mode & 0o077 != 0;
    if std::fs::metadata(path).is_ok_and(|it| others_may(it.permissions().mode())) {
        tracing::warn!(
            path = %path.display(),
            "other users may read what runs are given: `chmod 600` the database and the files \
             next to it"
        );
    }
}

/// A SQLite file that this process has to itself.
#[derive(Debug)]
pub struct OpenFile {
    store: Arc<SqliteStore>,
    _lock: FileLock,
}

impl OpenFile {
    /// Leaves one file that holds everything: what is in the write-ahead log beside it
    /// is moved there.
    pub async fn close(self) {
        self.store.close().await;
    }
}

/// Keeps a second server away from a SQLite file. Two of them would take the
/// shards from each other without end. The system frees it when the process
/// ends, so that nothing is left behind by a crash.
#[derive(Debug)]
struct FileLock {
    _file: File,
}

impl FileLock {
    fn take(database: &Path) -> Result<Self> {
        if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("can't make the folder {}", folder.display()))?;
        }
        let path = lock_path(database);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("can't open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another dacapo server has {} open; stop it, or use another file",
                database.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("can't lock {}", path.display()))
            }
        }
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_on_the_same_file_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let database = folder.path().join("new/dacapo.db");
        let first = FileLock::take(&database).expect("free");
        let refused = FileLock::take(&database).expect_err("taken").to_string();
        assert!(refused.contains("another dacapo server"), "{refused}");
        drop(first);
        FileLock::take(&database).expect("free again");
    }
}
