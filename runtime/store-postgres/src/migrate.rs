//! Brings the schema up to date, however many nodes try it at once.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use dacapo_store::error::Result;
use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::time::sleep;

use crate::error::unavailable;
use crate::roles;

/// The session that migrates has it. The letters of `dacapo`.
const LOCK: i64 = 0x6461_6361_706f;

/// How often one that waits for its turn looks.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long a migration may wait for a lock. Whoever needs the table next waits behind
/// it, commits first of all, also where it only waits for a long report.
const LOCK_TIME_MAX: &str = "SET lock_timeout = '1s'";

/// Where nobody waits behind it.
const NO_LOCK_TIME_MAX: &str = "SET lock_timeout = 0";

/// Between two tries to have the lock, in which those who waited go on; and how many.
const LOCK_PAUSE: Duration = Duration::from_secs(2);
const LOCK_TRIES_MAX: u32 = 100;

const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Rolling upgrades run old nodes on a newer schema for a while, so a migration
/// that this binary does not know is no error.
pub(crate) fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!("../../migrations/postgres");
    migrations.set_ignore_missing(true);
    // Its own lock is waited for within a statement. An index that is made
    // concurrently waits for all statements: neither would come to an end.
    migrations.set_locking(false);
    migrations
}

/// Applies the migrations that are missing. One session does it at a time.
///
/// Boxed: the compiler can't tell of the migrator's future that it may change threads
/// where it is a part of a larger one.
pub(crate) fn migrate(
    options: &PgConnectOptions,
) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
    Box::pin(async move {
        let mut connection = PgConnection::connect_with(options).await.map_err(unavailable)?;
        let migrations = migrations();
        if is_up_to_date(&mut connection, &migrations).await.map_err(unavailable)? {
            roles::renew(&mut connection).await.map_err(unavailable)?;
            return connection.close().await.map_err(unavailable);
        }
        wait_for_turn(&mut connection).await.map_err(unavailable)?;
        // None, but the table of those that were applied.
        migrations.run_direct(Some(0), &mut connection, false).await.map_err(unavailable)?;
        let applied = applied(&mut connection).await.map_err(unavailable)?;
        for migration in migrations.iter().filter(|it| !applied.contains_key(&it.version)) {
            apply(&mut connection, &migrations, migration).await.map_err(unavailable)?;
        }
        // All of them again, for a file that was edited.
        migrations.run_direct(None, &mut connection, false).await.map_err(unavailable)?;
        roles::renew(&mut connection).await.map_err(unavailable)?;
        // The lock goes with the session, also where something failed.
        connection.close().await.map_err(unavailable)
    })
}

/// Then nothing is written: a role that may not change tables can start a server.
async fn is_up_to_date(connection: &mut PgConnection, migrations: &Migrator) -> sqlx::Result<bool> {
    let exists = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
    if !sqlx::query_scalar::<_, bool>(exists).fetch_one(&mut *connection).await? {
        return Ok(false);
    }
    let applied = applied(connection).await?;
    Ok(migrations
        .iter()
        .all(|it| applied.get(&it.version).is_some_and(|sum| **sum == *it.checksum)))
}

/// Versions of those that were applied to their end, with the checksums of their files.
async fn applied(connection: &mut PgConnection) -> sqlx::Result<BTreeMap<i64, Vec<u8>>> {
    let applied = "SELECT version, checksum FROM _sqlx_migrations WHERE success";
    Ok(sqlx::query_as(applied).fetch_all(connection).await?.into_iter().collect())
}

async fn apply(
    connection: &mut PgConnection,
    migrations: &Migrator,
    migration: &Migration,
) -> std::result::Result<(), MigrateError> {
    let limit = if migration.no_tx { NO_LOCK_TIME_MAX } else { LOCK_TIME_MAX };
    connection.execute(limit).await?;
    if migration.no_tx
        && let Some(index) = new_index(migration.sql.as_str())
    {
        remove_remains(connection, index).await?;
    }
    let mut tries = 1;
    loop {
        match migrations.run_direct(Some(migration.version), connection, false).await {
            Err(error) if is_locked_out(&error) && tries < LOCK_TRIES_MAX => {
                if tries == 1 {
                    tracing::warn!(
                        version = migration.version,
                        "the migration waits for a table that another session has locked; find \
                         it in pg_locks and pg_stat_activity"
                    );
                }
                tries += 1;
                sleep(LOCK_PAUSE).await;
            }
            applied => return applied,
        }
    }
}

fn is_locked_out(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some(LOCK_NOT_AVAILABLE)
}

async fn wait_for_turn(connection: &mut PgConnection) -> sqlx::Result<()> {
    loop {
        let is_mine = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "is_mine!""#, LOCK)
            .fetch_one(&mut *connection)
            .await?;
        if is_mine {
            return Ok(());
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// The index that a migration makes without keeping others from writing.
fn new_index(sql: &str) -> Option<&str> {
    let (_, rest) = sql.split_once("CREATE INDEX CONCURRENTLY IF NOT EXISTS")?;
    rest.split_whitespace().next()
}

/// If making the index was cut short, what is left of it serves no query, and is in the
/// way of the next try. Nobody else makes it, as long as this session has the lock.
async fn remove_remains(connection: &mut PgConnection, index: &str) -> sqlx::Result<()> {
    let is_left = sqlx::query_scalar!(
        r#"SELECT NOT indisvalid AS "is_left!" FROM pg_index WHERE indexrelid = to_regclass($1::text)"#,
        index
    )
    .fetch_optional(&mut *connection)
    .await?;
    if is_left == Some(true) {
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
        connection.execute(AssertSqlSafe(drop)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else what is left of a try that was cut short would pass for the index.
    #[test]
    fn every_index_that_is_made_concurrently_is_known_by_its_name() {
        let mut indexes = Vec::new();
        for migration in migrations().iter() {
            let sql = migration.sql.as_str();
            let makes =
                sql.lines().any(|line| line.starts_with("CREATE") && line.contains("CONCURRENTLY"));
            assert_eq!(new_index(sql).is_some(), makes, "{sql}");
            assert!(migration.no_tx || !makes, "{sql}");
            indexes.extend(new_index(sql).map(str::to_owned));
        }
        assert_eq!(
            indexes,
            [
                "workflow_executions_runs",
                "workflow_executions_lists",
                "workflow_executions_status",
                "workflow_executions_closed",
                "workflow_executions_type",
                "workflow_executions_id",
                "workflow_executions_parent",
                "workflow_executions_root",
                "workflow_executions_attributes",
            ]
        );
    }
}
