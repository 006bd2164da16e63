//! Owning shards.
//!
//! A commit reads epochs under the write lock, and taking over raises them under
//! the same lock. So no commit is under way when the epochs have changed.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use dacapo_model::ids::WorkflowHash;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::record::RowName;
use dacapo_store::shard::{NodeId, Owner, OwnerLife, Ownership, ShardLease, ShardStore};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::{SqliteStore, error};

const TABLE: &str = "history_shards";

#[async_trait]
impl ShardStore for SqliteStore {
    async fn acquire_all_shards(&self, node: NodeId) -> Result<Ownership> {
        self.counters.add_statements(3);
        let mut transaction = self.begin().await?;
        let leases = take(&mut transaction, node).await?;
        transaction.commit().await?;
        Ok(Ownership::new(node, leases))
    }

    async fn acquire_shards_after(
        &self,
        node: NodeId,
        lease: Duration,
        before: Option<NodeId>,
    ) -> Result<Option<Ownership>> {
        self.counters.add_statements(5);
        let mut transaction = self.begin().await?;
        let owners =
            sqlx::query_scalar!(r#"SELECT DISTINCT owner AS "owner: Uuid" FROM history_shards"#)
                .fetch_all(&mut *transaction)
                .await
                .map_err(error::on(TABLE))?;
        if owners != [before.map(|before| before.0)] {
            return Ok(None);
        }
        let leases = take(&mut transaction, node).await?;
        keep_lease(&mut transaction, node, lease).await?;
        transaction.commit().await?;
        Ok(Some(Ownership::new(node, leases)))
    }

    async fn owner(&self) -> Result<Option<Owner>> {
        let row = sqlx::query!(
            r#"SELECT shard.owner AS "node_id!: Uuid",
                      node.leased_until
                          - CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
                          AS "micros_left?: i64"
               FROM history_shards AS shard
               LEFT JOIN nodes AS node ON node.node_id = shard.owner
               WHERE shard.owner IS NOT NULL
               ORDER BY shard.shard_id
               LIMIT 1"#
        )
        .fetch_optional(self.statement())
        .await
        .map_err(error::on(TABLE))?;
        Ok(row.map(|row| {
            let left = row.micros_left.and_then(|micros| u64::try_from(micros).ok());
            let life = match left.filter(|left| *left > 0) {
                Some(left) => OwnerLife::Leased(Duration::from_micros(left)),
                None => OwnerLife::Ended,
            };
            Owner { node: NodeId(row.node_id), life }
        }))
    }

    async fn renew_lease(&self, ownership: &Ownership, lease: Duration) -> Result<()> {
        self.counters.add_statements(2);
        let mut transaction = self.begin().await?;
        ownership.check_all(&epochs(&mut transaction).await?)?;
        keep_lease(&mut transaction, ownership.node, lease).await?;
        transaction.commit().await
    }

    async fn release_lease(&self, node: NodeId) -> Result<()> {
        self.counters.add_statements(1);
        let mut transaction = self.begin().await?;
        sqlx::query!("DELETE FROM nodes WHERE node_id = ?", node.0)
            .execute(&mut *transaction)
            .await
            .map_err(error::on("nodes"))?;
        transaction.commit().await
    }

    async fn check_held(&self, ownership: &Ownership, hashes: &[WorkflowHash]) -> Result<()> {
        let held = match ownership.epochs_of(hashes.iter().copied()) {
            Ok(held) => held,
            Err(hash) => return Err(self.not_held(hash).await),
        };
        let mut connection = self.statement().acquire().await.map_err(error::unavailable)?;
        check(&mut connection, held).await
    }

    async fn shard_owners(&self) -> Result<Vec<(u16, u64, Option<NodeId>)>> {
        let rows = sqlx::query!(
            r#"SELECT shard_id, epoch, owner AS "owner: Uuid" FROM history_shards ORDER BY shard_id"#
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE))?;
        let owner = |shard_id, epoch, owner: Option<_>| {
            let row = RowName { table: TABLE, key: &shard_id };
            let id = row.unsigned("shard_id", shard_id)?;
            Ok((id, row.unsigned("epoch", epoch)?, owner.map(NodeId)))
        };
        rows.into_iter().map(|row| owner(row.shard_id, row.epoch, row.owner)).collect()
    }
}

/// Takes all shards for a node. Whoever had a lease owns nothing any more.
async fn take(connection: &mut SqliteConnection, node: NodeId) -> Result<Vec<ShardLease>> {
    sqlx::query!("UPDATE history_shards SET owner = ?, epoch = epoch + 1", node.0)
        .execute(&mut *connection)
        .await
        .map_err(error::on(TABLE))?;
    sqlx::query!("DELETE FROM nodes")
        .execute(&mut *connection)
        .await
        .map_err(error::on("nodes"))?;
    let rows = sqlx::query!("SELECT shard_id, hash_from, hash_to, epoch FROM history_shards")
        .fetch_all(&mut *connection)
        .await
        .map_err(error::on(TABLE))?;
    let mut leases = Vec::with_capacity(rows.len());
    for shard in rows {
        let row = RowName { table: TABLE, key: &shard.shard_id };
        let hash = |column, number: i64| match i32::try_from(number) {
            Ok(hash) => Ok(WorkflowHash(hash)),
            Err(error) => Err(row.corrupt(column, error)),
        };
        leases.push(ShardLease {
            shard_id: row.unsigned("shard_id", shard.shard_id)?,
            hash_from: hash("hash_from", shard.hash_from)?,
            hash_to: hash("hash_to", shard.hash_to)?,
            epoch: row.unsigned("epoch", shard.epoch)?,
        });
    }
    Ok(leases)
}

async fn keep_lease(
    connection: &mut SqliteConnection,
    node: NodeId,
    lease: Duration,
) -> Result<()> {
    // No lease is that long.
    let micros = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX / 2);
    sqlx::query!(
        "INSERT INTO nodes (node_id, leased_until)
         VALUES (?, CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) + ?)
         ON CONFLICT (node_id) DO UPDATE SET leased_until = excluded.leased_until",
        node.0,
        micros
    )
    .execute(connection)
    .await
    .map_err(error::on("nodes"))?;
    Ok(())
}

/// [`StoreError::Fenced`] unless the shards have the epochs that they are held under.
pub(crate) async fn check(
    connection: &mut SqliteConnection,
    held: BTreeMap<u16, u64>,
) -> Result<()> {
    let stored = epochs(connection).await?;
    for (shard_id, epoch) in held {
        let stored = stored.get(&shard_id).copied().unwrap_or_default();
        if stored != epoch {
            return Err(StoreError::Fenced { shard_id, epoch: stored });
        }
    }
    Ok(())
}

/// The epochs of all shards.
pub(crate) async fn epochs(connection: &mut SqliteConnection) -> Result<BTreeMap<u16, u64>> {
    sqlx::query!("SELECT shard_id, epoch FROM history_shards")
        .fetch_all(connection)
        .await
        .map_err(error::on(TABLE))?
        .into_iter()
        .map(|shard| {
            let row = RowName { table: TABLE, key: &shard.shard_id };
            let shard_id = row.unsigned("shard_id", shard.shard_id)?;
            Ok((shard_id, row.unsigned("epoch", shard.epoch)?))
        })
        .collect()
}

impl SqliteStore {
    /// The error for a commit to a hash that the caller has no lease for.
    pub(crate) async fn not_held(&self, hash: WorkflowHash) -> StoreError {
        let shard = sqlx::query!(
            "SELECT shard_id, epoch FROM history_shards
             WHERE hash_from <= ?
             ORDER BY hash_from DESC
             LIMIT 1",
            hash.0
        )
        .fetch_one(self.statement())
        .await;
        match shard {
            // The table's checks keep both numbers in range.
            Ok(shard) => StoreError::Fenced {
                shard_id: u16::try_from(shard.shard_id).unwrap_or(u16::MAX),
                epoch: u64::try_from(shard.epoch).unwrap_or(u64::MAX),
            },
            Err(error) => error::on(TABLE)(error),
        }
    }
}
