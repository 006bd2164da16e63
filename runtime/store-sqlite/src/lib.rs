//! The store in one SQLite file: for development and for a single node.
//!
//! * One connection writes, in one transaction per [commit]; a few others read.
//!   With a write-ahead log they do not wait for each other.
//! * A commit is on disk when it returns (`synchronous = FULL`).
//! * Statements are checked against the schema when this crate is compiled. The
//!   facts for that are in `.sqlx/`, so a build needs no database; how to
//!   refresh them is told in `migrations/README.md`.
//! * Files have the names of the traits they implement.
//!
//! [commit]: dacapo_store::commit::CommitStore::commit

mod access;
mod commit;
mod deletion;
mod encryption_key;
mod error;
mod examine;
mod execution;
mod filter;
mod history;
mod limited_claim;
mod list;
mod module;
mod namespace;
mod place;
mod private;
mod probe;
mod query_result;
mod queue_settings;
mod search_attribute;
mod shard;
mod task;
mod task_changes;
mod task_claim;
mod task_release;
mod task_row;
mod timer;
mod update;
mod writer;

use std::path::Path;
use std::time::Duration;

use dacapo_store::error::Result;
use dacapo_store::execution::SEARCHES_AT_ONCE;
use dacapo_store::statistics::{Counters, Statistics, StatisticsStore};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool};

use crate::error::unavailable;
pub use crate::examine::{Examination, examine, try_place};
use crate::place::Place;
use crate::writer::{Writer, Writing};

/// A file that a newer binary has migrated may still be opened by an older one:
/// migrations only add what the version before can live with.
fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!("../../migrations/sqlite");
    migrations.set_ignore_missing(true);
    migrations
}

/// How long to wait for another process that writes to the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two tries where the timeout has no effect.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Connections that read.
const READERS: u32 = 4;

/// One file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
    /// For what callers look for: it may take long, and others must not wait for it.
    searches: SqlitePool,
    counters: Counters,
}

impl SqliteStore {
    /// Opens a file, creates it if there is none, and applies the migrations
    /// that are missing. Several processes may do so at once.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        private::make(path).map_err(|error| unavailable(sqlx::Error::Io(error)))?;
        let options = options(path);
        let mut connection = patiently(|| options.connect()).await?;
        migrate(&mut connection).await?;
        // From here on, a file that is not there was removed.
        let options = options.create_if_missing(false);
        let writer = Writer::new(options.clone(), Place::of(path.to_owned())?, connection);
        let pool = SqlitePoolOptions::new()
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None);
        let options = options.pragma("query_only", "ON");
        let readers = pool.clone().max_connections(READERS);
        let readers = patiently(|| readers.clone().connect_with(options.clone())).await?;
        let searches = pool.max_connections(SEARCHES_AT_ONCE).connect_lazy_with(options);
        Ok(Self { writer, readers, searches, counters: Counters::default() })
    }

    /// Closes the file, after what is under way on it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.searches.close().await;
        self.writer.close().await;
    }

    /// The connections that read, counted as one statement more.
    fn statement(&self) -> &SqlitePool {
        self.counters.add_statements(1);
        &self.readers
    }

    /// A transaction that holds the write lock. Its begin and its end are
    /// counted; what is done in it is not.
    async fn begin(&self) -> Result<Writing<'_>> {
        self.counters.add_statements(2);
        self.writer.begin().await
    }
}

/// How the file is opened.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
}

/// The switch of a new file to WAL fails at once, whatever the busy timeout says,
/// while another process is switching it. So that is tried again for as long.
async fn patiently<T, F>(connect: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = sqlx::Result<T>>,
{
    let mut waited = Duration::ZERO;
    loop {
        match connect().await {
            Err(error) if is_busy(&error) && waited < BUSY_TIMEOUT => {
                tokio::time::sleep(BUSY_PAUSE).await;
                waited += BUSY_PAUSE;
            }
            connected => return connected.map_err(unavailable),
        }
    }
}

/// `SQLITE_BUSY`, or one of its extended codes, which end in the same byte.
fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: u32 = 5;
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

/// In one transaction, since SQLite has no other lock between processes.
async fn migrate(writer: &mut SqliteConnection) -> Result<()> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
    // `run` is the same, but its future is not `Send` on a borrowed connection.
    migrations().run_direct(None, &mut *transaction, false).await.map_err(unavailable)?;
    transaction.commit().await.map_err(unavailable)
}

impl StatisticsStore for SqliteStore {
    fn statistics(&self) -> Statistics {
        self.counters.read()
    }
}
