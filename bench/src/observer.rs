//! PostgreSQL watched from beside: over a connection to another database, so
//! that the statements of the watcher are not counted with those of the server.

use anyhow::{Context as _, Result};
use dacapo_cli::output;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use crate::process;

/// What connections of this program are called.
const NAME: &str = "dacapo-bench";

/// CPU and transactions are counted for the whole PostgreSQL server.
const OTHERS: &str = "
    SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND datname <> $1 AND application_name <> $2";

/// A connection that only looks.
pub(crate) struct Observer {
    connection: PgConnection,
    /// The database that is watched.
    database: String,
    /// The process above all of PostgreSQL's, if it is on this machine.
    postmaster: Option<u32>,
}

/// What the whole PostgreSQL server has written so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// Transactions that wrote something. Exact, unlike the statistics, which
    /// come late.
    pub(crate) transactions: i64,
    pub(crate) wal_bytes: i64,
}

impl Observer {
    pub(crate) async fn connect(beside: &PgConnectOptions, database: &str) -> Result<Self> {
        let options = beside.clone().application_name(NAME);
        let mut connection =
            PgConnection::connect_with(&options).await.context("can't watch PostgreSQL")?;
        let others: i64 =
            sqlx::query_scalar(OTHERS).bind(database).bind(NAME).fetch_one(&mut connection).await?;
        if others > 0 {
            output::note(&format!(
                "warning: {others} connections to other databases of this PostgreSQL server; what \
                 they take is counted as well"
            ));
        }
        let pid: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        let postmaster = if is_local(beside) {
            process::parent_named(pid.cast_unsigned(), "postgres")
        } else {
            None
        };
        Ok(Self { connection, database: database.to_owned(), postmaster })
    }

    pub(crate) fn postmaster(&self) -> Option<u32> {
        self.postmaster
    }

    pub(crate) async fn written(&mut self) -> Result<Written> {
        let query = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8,
                            (pg_current_wal_insert_lsn() - '0/0')::int8";
        let (transactions, wal_bytes) =
            sqlx::query_as(query).fetch_one(&mut self.connection).await?;
        Ok(Written { transactions, wal_bytes })
    }

    /// Transactions of any kind that ended in the watched database. Sessions tell
    /// of theirs up to ten seconds late.
    pub(crate) async fn transactions(&mut self) -> Result<i64> {
        let query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1";
        let query = sqlx::query_scalar(query).bind(&self.database);
        Ok(query.fetch_one(&mut self.connection).await?)
    }

    /// Bytes of the watched database on disk.
    pub(crate) async fn size_bytes(&mut self) -> Result<i64> {
        let query = sqlx::query_scalar("SELECT pg_database_size($1)").bind(&self.database);
        Ok(query.fetch_one(&mut self.connection).await?)
    }
}

/// The id of a process means something on its own machine only.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
