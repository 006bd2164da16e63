//! The session on which a node takes the shards and renews its lease.
//!
//! It is nobody else's, and the process never ends it by itself. So whoever waits
//! for the shards sees by its end that the process is gone, long before the lease
//! is over: a server that was killed is followed at once.

use std::time::Duration;

use dacapo_store::error::{Result, StoreError};
use dacapo_store::shard::{NodeId, ShardLease};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;

use crate::error::{self, unavailable};
use crate::patience::Patience;
use crate::shard::leases;

/// How long a renewal may take. A database that does not answer must not keep the
/// node from trying again before the lease is over.
const RENEWAL_TIME_MAX: Duration = Duration::from_secs(3);

/// How long a session may take to show that it is there. Together with a renewal that
/// was due meanwhile, and with one that fails, shorter than a lease.
const SIGN_OF_LIFE_TIME_MAX: Duration = Duration::from_secs(2);

/// One connection, made when it is needed and again after it has failed.
#[derive(Debug)]
pub(crate) struct LeaseSession {
    options: PgConnectOptions,
    patience: Patience,
    connection: Mutex<Option<PgConnection>>,
}

impl LeaseSession {
    pub(crate) fn new(options: PgConnectOptions, patience: Patience) -> Self {
        Self { options, patience, connection: Mutex::new(None) }
    }

    /// Takes all shards for a node, with a lease, if they belong to `before`.
    pub(crate) async fn take_shards(
        &self,
        node: NodeId,
        lease: Duration,
        before: Option<NodeId>,
    ) -> Result<Option<Vec<ShardLease>>> {
        let taking = self
            .on_connection(async |connection| take_shards(connection, node, lease, before).await);
        self.patience.within(taking).await
    }

    /// Renews the lease. A shard that the node has lost, and its epoch, if there is
    /// one; then the lease is not renewed.
    pub(crate) async fn renew(&self, node: NodeId, lease: Duration) -> Result<Option<(i32, i64)>> {
        let renewal = async {
            let renewed = self.renew_on_session(node, lease).await;
            match renewed {
                // The session had ended: whoever waits for the shards has seen that.
                Err(StoreError::Unavailable { .. }) => self.renew_on_session(node, lease).await,
                renewed => renewed,
            }
        };
        match tokio::time::timeout(RENEWAL_TIME_MAX, renewal).await {
            Ok(renewed) => renewed,
            Err(_) => Err(unavailable(format!(
                "the lease could not be renewed within {} s",
                RENEWAL_TIME_MAX.as_secs()
            ))),
        }
    }

    async fn renew_on_session(&self, node: NodeId, lease: Duration) -> Result<Option<(i32, i64)>> {
        self.on_connection(async |connection| {
            let lost = sqlx::query_file!("queries/renew_lease.sql", node.0, lease.as_secs_f64())
                .fetch_optional(connection)
                .await
                .map_err(error::on("nodes"))?;
            Ok(lost.map(|lost| (lost.shard_id, lost.epoch)))
        })
        .await
    }

    /// Whether the session is still there.
    pub(crate) async fn lives(&self) -> bool {
        let mut place = self.connection.lock().await;
        let Some(mut connection) = place.take() else {
            return false;
        };
        let answer = tokio::time::timeout(SIGN_OF_LIFE_TIME_MAX, connection.ping()).await;
        let lives = matches!(answer, Ok(Ok(())));
        if lives {
            *place = Some(connection);
        }
        lives
    }

    /// Ends the session.
    pub(crate) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            // It is gone in any case.
            let _ = connection.close().await;
        }
    }

    /// A connection on which something went wrong, or was given up, is not used
    /// again: it is put back after a success only.
    async fn on_connection<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T>,
    ) -> Result<T> {
        let mut place = self.connection.lock().await;
        let mut connection = match place.take() {
            Some(connection) => connection,
            None => PgConnection::connect_with(&self.options).await.map_err(unavailable)?,
        };
        let done = work(&mut connection).await?;
        *place = Some(connection);
        Ok(done)
    }
}

/// Dropped without a commit, the transaction rolls back.
async fn take_shards(
    connection: &mut PgConnection,
    node: NodeId,
    lease: Duration,
    before: Option<NodeId>,
) -> Result<Option<Vec<ShardLease>>> {
    let on_shards = || error::on("history_shards");
    let before = before.map(|before| before.0);
    let mut transaction = connection.begin().await.map_err(unavailable)?;
    // In one order, so that two nodes do not wait for each other.
    let owners =
        sqlx::query_scalar!("SELECT owner FROM history_shards ORDER BY shard_id FOR UPDATE")
            .fetch_all(&mut *transaction)
            .await
            .map_err(on_shards())?;
    if owners.iter().any(|owner| *owner != before) {
        transaction.rollback().await.map_err(unavailable)?;
        return Ok(None);
    }
    let rows = sqlx::query!(
        "UPDATE history_shards SET owner = $1, epoch = epoch + 1
         RETURNING shard_id, hash_from, hash_to, epoch",
        node.0
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(on_shards())?;
    // Whoever else has a row owns nothing any more.
    sqlx::query!("DELETE FROM nodes")
        .execute(&mut *transaction)
        .await
        .map_err(error::on("nodes"))?;
    sqlx::query_file!("queries/renew_lease.sql", node.0, lease.as_secs_f64())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(error::on("nodes"))?;
    transaction.commit().await.map_err(unavailable)?;
    let taken = rows.iter().map(|row| (row.shard_id, row.hash_from, row.hash_to, row.epoch));
    leases(taken).map(Some)
}
