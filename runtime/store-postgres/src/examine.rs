//! What may be set wrong of a server, or of what is between it and this process. Looked at
//! without writing anything.

use std::time::Duration;

use dacapo_model::time::Timestamp;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::migrations::{AppliedMigration, KnownMigration, MigrationState};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, Row as _};
use tokio::time::timeout;

use crate::error::unavailable;
use crate::migrate::migrations;
use crate::{PostgresOptions, limited, reach, unlimited};

/// How long all questions together may take, once a session is there.
const TIME_MAX: Duration = Duration::from_secs(20);

/// One row. Without a prepared statement, which not every pooler knows.
const LOOK: &str = "
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_number,
       pg_is_in_recovery() AS is_standby,
       current_setting('default_transaction_read_only')::bool AS is_read_only,
       current_setting('fsync') AS fsync,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('default_transaction_isolation') = 'read committed'
         AND current_setting('statement_timeout') <> '0'
         AND current_setting('enable_seqscan') = 'off' AS keeps_settings,
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true), '0')::int AS allowed,
       (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user) AS of_role,
       (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
         AS of_database,
       (SELECT count(*)::int FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND application_name <> 'dacapo') AS of_others,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_make_tables,
       to_regclass('_sqlx_migrations') IS NOT NULL AS has_migrations";

const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

const APPLIED: &str = "SELECT version, success, checksum FROM _sqlx_migrations";

const BACKEND: &str = "SELECT pg_backend_pid()";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// As the server calls it.
    pub version: String,
    /// The same as a number: 14 is 140000.
    pub version_number: i32,
    /// It follows another server, and takes no writes.
    pub is_standby: bool,
    /// Transactions write nothing unless they ask for it.
    pub is_read_only: bool,
    /// What a commit is worth.
    pub durability: Durability,
    /// How many there may be.
    pub connections: Connections,
    /// Sessions are set as this program asks for.
    pub keeps_settings: bool,
    /// A pooler gives the session of one client to others, between two transactions.
    pub shares_sessions: bool,
    /// By how many microseconds its clock is ahead of this machine's. The truth is within
    /// `clock_error`.
    pub clock_ahead: i64,
    /// Half of the time that the question took, in microseconds.
    pub clock_error: i64,
    /// Which tables are there.
    pub migrations: MigrationState,
    /// The user may make tables.
    pub may_make_tables: bool,
}

/// Settings without which something that was acknowledged may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    /// `fsync`.
    pub fsync: String,
    /// `synchronous_commit`, as it is for this user and database.
    pub synchronous_commit: String,
    /// `full_page_writes`.
    pub full_page_writes: String,
}

/// How many connections there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connections {
    /// For all users but superusers.
    pub allowed: i32,
    /// For this user, if that is limited.
    pub of_role: Option<i32>,
    /// For this database, if that is limited.
    pub of_database: Option<i32>,
    /// Those that other programs have now.
    pub of_others: i32,
}

/// Looks at a server by its URL, as a store with these options would use it. `now` is this
/// machine's clock.
pub async fn examine(
    url: &str,
    options: &PostgresOptions,
    now: impl Fn() -> Timestamp,
) -> Result<Examination> {
    let limited = limited(&unlimited(url)?, options);
    reach::reach(&limited, options.acquire_timeout).await.map_err(unavailable)?;
    match timeout(TIME_MAX, look(&limited, now)).await {
        Ok(looked) => looked.map_err(unavailable),
        Err(_) => Err(StoreError::Unavailable {
            source: format!("the database did not answer within {} s", TIME_MAX.as_secs()).into(),
        }),
    }
}

async fn look(
    options: &PgConnectOptions,
    now: impl Fn() -> Timestamp,
) -> sqlx::Result<Examination> {
    let mut connection = options.connect().await?;
    let shares_sessions = shares_sessions(&mut connection, options).await?;
    let row = sqlx::raw_sql(LOOK).fetch_one(&mut connection).await?;
    let (clock_ahead, clock_error) = compare_clocks(&mut connection, now).await?;
    let migrations = match row.try_get("has_migrations")? {
        true => sqlx::raw_sql(APPLIED).fetch_all(&mut connection).await?,
        false => Vec::new(),
    };
    connection.close().await?;
    Ok(Examination {
        version: row.try_get("version")?,
        version_number: row.try_get("version_number")?,
        is_standby: row.try_get("is_standby")?,
        is_read_only: row.try_get("is_read_only")?,
        durability: Durability {
            fsync: row.try_get("fsync")?,
            synchronous_commit: row.try_get("synchronous_commit")?,
            full_page_writes: row.try_get("full_page_writes")?,
        },
        connections: Connections {
            allowed: row.try_get("allowed")?,
            of_role: row.try_get("of_role")?,
            of_database: row.try_get("of_database")?,
            of_others: row.try_get("of_others")?,
        },
        keeps_settings: row.try_get("keeps_settings")?,
        shares_sessions,
        clock_ahead,
        clock_error,
        migrations: state_of(&migrations)?,
        may_make_tables: row.try_get("may_make_tables")?,
    })
}

/// Two clients have the same session, or one has another than before: that is a pooler which
/// gives sessions away between two transactions. One that is busy may go unnoticed.
async fn shares_sessions(
    connection: &mut PgConnection,
    options: &PgConnectOptions,
) -> sqlx::Result<bool> {
    let before = backend(connection).await?;
    let mut other = options.connect().await?;
    sqlx::raw_sql("BEGIN").execute(&mut other).await?;
    let others = backend(&mut other).await?;
    let after = backend(connection).await?;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await?;
    other.close().await?;
    Ok(before == others || before != after)
}

async fn backend(connection: &mut PgConnection) -> sqlx::Result<i32> {
    sqlx::raw_sql(BACKEND).fetch_one(connection).await?.try_get(0)
}

/// By how much the server's clock is ahead, and by how much that may be wrong.
async fn compare_clocks(
    connection: &mut PgConnection,
    now: impl Fn() -> Timestamp,
) -> sqlx::Result<(i64, i64)> {
    let asked = now().as_micros();
    let theirs: i64 = sqlx::raw_sql(CLOCK).fetch_one(connection).await?.try_get(0)?;
    let error = (now().as_micros() - asked) / 2;
    Ok((theirs - asked - error, error))
}

fn state_of(rows: &[PgRow]) -> sqlx::Result<MigrationState> {
    let applied = |row: &PgRow| {
        Ok(AppliedMigration {
            version: row.try_get("version")?,
            checksum: row.try_get("checksum")?,
            success: row.try_get("success")?,
        })
    };
    let applied = rows.iter().map(applied).collect::<sqlx::Result<Vec<_>>>()?;
    let migrations = migrations();
    let known =
        migrations.iter().map(|it| KnownMigration { version: it.version, checksum: &it.checksum });
    Ok(MigrationState::of(known, &applied))
}
