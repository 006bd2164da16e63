//! The store in PostgreSQL, 14 or later.
//!
//! * A [commit] is one statement: one round trip and one transaction. Only one that
//!   changes updates or published values, or tasks and more than histories, is several in a
//!   transaction.
//! * Statements are checked against the schema when this crate is compiled. The
//!   facts for that are in `.sqlx/`, so a build needs no database; how to
//!   refresh them is told in `migrations/README.md`. Those with a plan worth
//!   watching are in `queries/`, where a test looks at their plans.
//! * Files have the names of the traits they implement.
//!
//! [commit]: dacapo_store::commit::CommitStore::commit

mod access;
mod backend;
mod commit;
mod commit_columns;
mod commit_connections;
mod deletion;
mod encryption_key;
mod error;
mod examine;
mod execution;
mod filter;
mod history;
mod lease_session;
mod limited_claim;
mod lineage;
mod list;
mod migrate;
mod module;
mod namespace;
mod patience;
mod probe;
mod query_result;
mod queue_settings;
mod reach;
mod roles;
mod room;
mod search;
mod search_attribute;
mod sessions;
mod shard;
mod task;
mod task_changes;
mod time;
mod timer;
mod update;

// Unit tests share what makes databases with the other tests, which know this crate by name.
#[cfg(test)]
extern crate self as dacapo_store_postgres;

use std::sync::Arc;
use std::time::Duration;

use dacapo_store::error::Result;
use dacapo_store::execution::{SEARCH_TIME_MAX, SEARCHES_AT_ONCE};
use dacapo_store::statistics::{Counters, Statistics, StatisticsStore};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::commit_connections::CommitConnections;
use crate::error::unavailable;
pub use crate::examine::{Connections, Durability, Examination, examine};
use crate::lease_session::LeaseSession;
use crate::lineage::Lineage;
use crate::patience::Patience;
use crate::search::Searches;
use crate::sessions::Sessions;

/// A connection that was not used for so long is tested before it is used.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);

/// Commits under way at a time: while one waits for the disk, another can write.
const COMMITS_AT_ONCE: usize = 2;

/// What sessions call themselves.
const APPLICATION: &str = "dacapo";

/// How to use the server.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Connections at most, besides those for commits and the lease.
    pub max_connections: u32,
    /// How long to wait for a connection.
    pub acquire_timeout: Duration,
    /// After this time the server gives a statement up.
    pub statement_timeout: Duration,
    /// The same for lists and counts with conditions that callers have written, with the wait
    /// for their turn.
    pub search_timeout: Duration,
    /// How long an answer may take beyond that. A server whose machine is gone never
    /// answers, and nothing says so.
    pub network_timeout: Duration,
    /// How long taking over shards may wait for commits of the former owner.
    /// Longer than `statement_timeout`, which ends them.
    pub takeover_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            search_timeout: SEARCH_TIME_MAX,
            network_timeout: Duration::from_secs(5),
            takeover_timeout: Duration::from_secs(60),
        }
    }
}

impl PostgresOptions {
    /// Connections that a store may have at a time, with one for the lease.
    pub fn connections(&self) -> u32 {
        self.max_connections + COMMITS_AT_ONCE as u32 + SEARCHES_AT_ONCE + 1
    }
}

/// A pool of connections to one database.
#[derive(Debug)]
pub struct PostgresStore {
    sessions: Sessions,
    /// For what callers look for: it may take long, and others must not wait for it.
    searches: Searches,
    patience: Patience,
    commits: CommitConnections,
    lease_session: LeaseSession,
    lineage: Arc<Lineage>,
    /// Without the limits of a statement, for migrations.
    unlimited: PgConnectOptions,
    takeover_timeout: Duration,
    counters: Counters,
}

impl PostgresStore {
    /// Connects to a database by its URL, `postgres://user:password@host/name`.
    /// Does not migrate it.
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self> {
        let unlimited = unlimited(url)?;
        let limited = limited(&unlimited, &options);
        // The plan of a commit is the same for all arguments; making a new one
        // costs more than running it (`dacapo-bench w1`).
        let planned = limited.clone().options([("plan_cache_mode", "force_generic_plan")]);
        reach::reach(&limited, options.acquire_timeout).await.map_err(unavailable)?;
        let lineage = Arc::new(Lineage::default());
        let PostgresOptions { statement_timeout, network_timeout, .. } = options;
        let patience = Patience::new(lineage.clone(), statement_timeout, network_timeout);
        let searching = searching(unlimited.clone(), options.search_timeout);
        let searches =
            pool(&options, &lineage).max_connections(SEARCHES_AT_ONCE).connect_lazy_with(searching);
        let lease_session = LeaseSession::new(limited.clone(), patience.clone());
        let commits = pool(&options, &lineage)
            .max_connections(COMMITS_AT_ONCE as u32)
            .connect_lazy_with(planned);
        let pool = pool(&options, &lineage)
            .max_connections(options.max_connections)
            .connect_with(limited)
            .await
            .map_err(unavailable)?;
        room::warn_if_scarce(&pool, options.connections()).await.map_err(unavailable)?;
        Ok(Self {
            sessions: Sessions::new(pool, patience.clone()),
            searches: Searches::new(
                Sessions::new(searches, patience.clone()),
                options.search_timeout,
                patience.clone(),
            ),
            patience: patience.clone(),
            commits: CommitConnections::new(commits, COMMITS_AT_ONCE, lineage.clone(), patience),
            lineage,
            lease_session,
            unlimited,
            takeover_timeout: options.takeover_timeout,
            counters: Counters::default(),
        })
    }

    /// Applies the migrations that are missing. Several nodes may call it at
    /// once; one of them does it.
    pub async fn migrate(&self) -> Result<()> {
        migrate::migrate(&self.unlimited).await
    }

    /// Makes `dacapo_app`, for servers, and `dacapo_readonly`, for people, and gives them
    /// their rights in this database, which is migrated.
    pub async fn make_roles(&self) -> Result<()> {
        roles::make(&self.unlimited).await
    }

    /// Closes all connections, after what is under way on them.
    pub async fn close(&self) {
        self.commits.close().await;
        self.lease_session.close().await;
        self.sessions.close().await;
        self.searches.close().await;
    }

    /// The sessions, counted as one statement more.
    fn statement(&self) -> &Sessions {
        self.counters.add_statements(1);
        &self.sessions
    }
}

/// How sessions are reached.
fn unlimited(url: &str) -> Result<PgConnectOptions> {
    let options: PgConnectOptions = url.parse().map_err(unavailable)?;
    Ok(options.application_name(APPLICATION))
}

/// How sessions are set.
fn limited(unlimited: &PgConnectOptions, options: &PostgresOptions) -> PgConnectOptions {
    let statement_timeout = format!("{}ms", options.statement_timeout.as_millis());
    unlimited.clone().options([
        ("statement_timeout", statement_timeout.clone()),
        // A process that vanishes in a transaction must not hold its locks until
        // the server notices: those who take over wait for them.
        ("idle_in_transaction_session_timeout", statement_timeout),
        // A commit may read a shard's epoch only after it holds its locks;
        // see `acquire_all_shards`.
        ("default_transaction_isolation", "read committed".to_owned()),
        // Compiling statements this short costs more than it saves.
        ("jit", "off".to_owned()),
        // Every statement finds its rows by an index. The planner must not
        // think otherwise because its statistics are of a time when a table
        // was small.
        ("enable_seqscan", "off".to_owned()),
        ("enable_hashjoin", "off".to_owned()),
        ("enable_mergejoin", "off".to_owned()),
    ])
}

/// How sessions are set that look for what callers describe. The planner chooses among all of
/// its ways: which one is good depends on the values.
fn searching(options: PgConnectOptions, timeout: Duration) -> PgConnectOptions {
    let timeout = format!("{}ms", timeout.as_millis());
    options.options([
        ("statement_timeout", timeout.clone()),
        ("idle_in_transaction_session_timeout", timeout),
        ("jit", "off".to_owned()),
    ])
}

fn pool(options: &PostgresOptions, lineage: &Arc<Lineage>) -> PgPoolOptions {
    let (examining, using) = (lineage.clone(), lineage.clone());
    PgPoolOptions::new()
        .acquire_timeout(options.acquire_timeout)
        .after_connect(move |connection, _| {
            let lineage = examining.clone();
            Box::pin(async move {
                lineage.examine(connection).await;
                Ok(())
            })
        })
        // Testing each time would double the round trips of a commit. While there
        // is traffic, a connection that has died costs an error without a verdict
        // instead.
        .test_before_acquire(false)
        .before_acquire(move |connection, usage| {
            let outdated = using.is_outdated(usage.age);
            Box::pin(async move {
                if outdated {
                    return Ok(false);
                }
                if usage.idle_for > TEST_AFTER_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

impl StatisticsStore for PostgresStore {
    fn statistics(&self) -> Statistics {
        self.counters.read()
    }
}
