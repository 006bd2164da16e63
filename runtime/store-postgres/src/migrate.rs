//! Brings the schema up to date, however many nodes try it at once.

use std::pin::Pin;
use std::time::Duration;

use dacapo_store::error::Result;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::error::unavailable;

/// The session that migrates has it. The letters of `dacapo`.
const LOCK: i64 = 0x6461_6361_706f;

/// How often one that waits for its turn looks.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Rolling upgrades run old nodes on a newer schema for a while, so a migration
/// that this binary does not know is no error.
fn migrations() -> Migrator {
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
        wait_for_turn(&mut connection).await.map_err(unavailable)?;
        remove_remains(&mut connection).await.map_err(unavailable)?;
        migrations().run_direct(None, &mut connection, false).await.map_err(unavailable)?;
        // The lock goes with the session, also where something failed.
        connection.close().await.map_err(unavailable)
    })
}

async fn wait_for_turn(connection: &mut PgConnection) -> sqlx::Result<()> {
    loop {
        let is_mine = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "is_mine!""#, LOCK)
            .fetch_one(&mut *connection)
            .await?;
        if is_mine {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Making an index was cut short: what is left of it serves no query, and is in the
/// way of the next try. Nobody else makes one, as long as this session has the lock.
async fn remove_remains(connection: &mut PgConnection) -> sqlx::Result<()> {
    let remains = sqlx::query_scalar!(
        r#"SELECT indexrelid::regclass::text AS "index!"
           FROM pg_index
           JOIN pg_class AS index ON index.oid = indexrelid
           WHERE NOT indisvalid
             AND index.relnamespace = current_schema()::regnamespace
             AND index.relname LIKE 'workflow\_%'"#
    )
    .fetch_all(&mut *connection)
    .await?;
    for index in remains {
        connection.execute(AssertSqlSafe(format!("DROP INDEX {index}"))).await?;
    }
    Ok(())
}
