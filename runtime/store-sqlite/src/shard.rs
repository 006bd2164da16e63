//! Owning shards.
//!
//! A commit reads epochs under the write lock, and taking over raises them under
//! the same lock. So no commit is under way when the epochs have changed.

use async_trait::async_trait;
use dacapo_model::ids::WorkflowHash;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::record::RowName;
use dacapo_store::shard::{NodeId, Ownership, ShardLease, ShardStore};
use uuid::Uuid;

use crate::{SqliteStore, error};

const TABLE: &str = "history_shards";

#[async_trait]
impl ShardStore for SqliteStore {
    async fn acquire_all_shards(&self, node: NodeId) -> Result<Ownership> {
        self.counters.add_statements(2);
        let mut transaction = self.begin().await?;
        sqlx::query!("UPDATE history_shards SET owner = ?, epoch = epoch + 1", node.0)
            .execute(&mut *transaction)
            .await
            .map_err(error::on(TABLE))?;
        let rows = sqlx::query!("SELECT shard_id, hash_from, hash_to, epoch FROM history_shards")
            .fetch_all(&mut *transaction)
            .await
            .map_err(error::on(TABLE))?;
        transaction.commit().await.map_err(error::unavailable)?;
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
        Ok(Ownership::new(node, leases))
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
