//! Owning shards.
//!
//! A commit reads the epochs it depends on in the statement that writes, without
//! locking them. So a commit that has read them just before they were raised may
//! still be under way. Taking over waits for all of those:
//!
//! 1. The new owner raises the epochs and commits.
//! 2. A commit locks the tables it writes (`ROW EXCLUSIVE` on `history_events`)
//!    before it takes the snapshot it reads epochs with; read committed isolation
//!    is what makes that so. One that has read the old epochs therefore shows in
//!    `pg_locks` now, unless it has ended.
//! 3. The new owner waits until the transactions that show there have ended.
//!    Commits that begin later read the new epochs.
//!
//! Nobody is blocked meanwhile, and readers, backups and vacuums are not waited
//! for.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use dacapo_model::ids::WorkflowHash;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::record::RowName;
use dacapo_store::shard::{NodeId, Owner, OwnerLife, Ownership, ShardLease, ShardStore};
use sqlx::PgConnection;

use crate::commit::{fenced, held};
use crate::error::unavailable;
use crate::{PostgresStore, error};

const TABLE: &str = "history_shards";

/// Between two looks at whether the former owner's commits have ended. They take
/// a few milliseconds.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

#[async_trait]
impl ShardStore for PostgresStore {
    async fn acquire_all_shards(&self, node: NodeId) -> Result<Ownership> {
        self.lineage.start_over();
        let rows = sqlx::query!(
            "WITH taken AS (
                 -- In one order, so that two nodes do not wait for each other.
                 SELECT shard_id FROM history_shards ORDER BY shard_id FOR UPDATE
             )
             UPDATE history_shards AS shard
             SET owner = $1, epoch = shard.epoch + 1
             FROM taken
             WHERE shard.shard_id = taken.shard_id
             RETURNING shard.shard_id, shard.hash_from, shard.hash_to, shard.epoch",
            node.0
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE));
        let rows = self.lineage.judge(rows)?;
        let taken = rows.iter().map(|row| (row.shard_id, row.hash_from, row.hash_to, row.epoch));
        let leases = leases(taken)?;
        self.wait_for_earlier_commits().await?;
        Ok(Ownership::new(node, leases))
    }

    async fn acquire_shards_after(
        &self,
        node: NodeId,
        lease: Duration,
        before: Option<NodeId>,
    ) -> Result<Option<Ownership>> {
        self.lineage.start_over();
        self.counters.add_statements(6);
        let Some(leases) = self.lease_session.take_shards(node, lease, before).await? else {
            return Ok(None);
        };
        self.wait_for_earlier_commits().await?;
        Ok(Some(Ownership::new(node, leases)))
    }

    async fn owner(&self) -> Result<Option<Owner>> {
        let row = sqlx::query_file!("queries/owner.sql")
            .fetch_optional(self.statement())
            .await
            .map_err(error::on(TABLE))?;
        Ok(row.map(|row| {
            let left = row.seconds_left.and_then(|left| Duration::try_from_secs_f64(left).ok());
            let life = match left.filter(|left| !left.is_zero()) {
                None => OwnerLife::Ended,
                Some(left) if row.may_be_connected => OwnerLife::Leased(left),
                Some(left) => OwnerLife::Disconnected(left),
            };
            Owner { node: NodeId(row.node_id), life }
        }))
    }

    async fn renew_lease(&self, ownership: &Ownership, lease: Duration) -> Result<()> {
        self.counters.add_statements(1);
        match self.lease_session.renew(ownership.node, lease).await? {
            Some((shard_id, epoch)) => Err(fenced(shard_id, epoch)),
            None => Ok(()),
        }
    }

    async fn lease_session_lives(&self) -> bool {
        self.lease_session.lives().await
    }

    async fn release_lease(&self, node: NodeId) -> Result<()> {
        sqlx::query!("DELETE FROM nodes WHERE node_id = $1", node.0)
            .execute(self.statement())
            .await
            .map_err(error::on("nodes"))?;
        Ok(())
    }

    async fn check_held(&self, ownership: &Ownership, hashes: &[WorkflowHash]) -> Result<()> {
        let shards = match ownership.epochs_of(hashes.iter().copied()) {
            Ok(shards) => shards,
            Err(hash) => return Err(self.not_held(hash).await),
        };
        let held = held(shards)?;
        let lost = sqlx::query!(
            r#"SELECT held.shard_id AS "shard_id!", COALESCE(shard.epoch, 0) AS "epoch!"
               FROM unnest($1::int4[], $2::int8[]) AS held (shard_id, epoch)
               LEFT JOIN history_shards AS shard ON shard.shard_id = held.shard_id
               WHERE shard.epoch IS DISTINCT FROM held.epoch
               ORDER BY held.shard_id
               LIMIT 1"#,
            &held.shard_ids,
            &held.epochs
        )
        .fetch_optional(self.statement())
        .await
        .map_err(error::on(TABLE))?;
        match lost {
            Some(lost) => Err(fenced(lost.shard_id, lost.epoch)),
            None => Ok(()),
        }
    }

    async fn shard_owners(&self) -> Result<Vec<(u16, u64, Option<NodeId>)>> {
        let rows =
            sqlx::query!("SELECT shard_id, epoch, owner FROM history_shards ORDER BY shard_id")
                .fetch_all(self.statement())
                .await
                .map_err(error::on(TABLE))?;
        let owner = |shard_id: i32, epoch, owner: Option<_>| {
            let row = RowName { table: TABLE, key: &shard_id };
            let id = row.unsigned("shard_id", i64::from(shard_id))?;
            Ok((id, row.unsigned("epoch", epoch)?, owner.map(NodeId)))
        };
        rows.into_iter().map(|row| owner(row.shard_id, row.epoch, row.owner)).collect()
    }
}

/// The epochs of all shards, which stay until the transaction ends. In one order, as
/// they are taken.
pub(crate) async fn lock_epochs(connection: &mut PgConnection) -> Result<BTreeMap<u16, u64>> {
    sqlx::query!("SELECT shard_id, epoch FROM history_shards ORDER BY shard_id FOR SHARE")
        .fetch_all(connection)
        .await
        .map_err(error::on(TABLE))?
        .into_iter()
        .map(|shard| {
            let row = RowName { table: TABLE, key: &shard.shard_id };
            let shard_id = row.unsigned("shard_id", i64::from(shard.shard_id))?;
            Ok((shard_id, row.unsigned("epoch", shard.epoch)?))
        })
        .collect()
}

/// Leases of rows: shard, first and last hash, epoch.
pub(crate) fn leases(
    rows: impl IntoIterator<Item = (i32, i32, i32, i64)>,
) -> Result<Vec<ShardLease>> {
    let lease = |(shard_id, hash_from, hash_to, epoch)| {
        let row = RowName { table: TABLE, key: &shard_id };
        Ok(ShardLease {
            shard_id: row.unsigned("shard_id", i64::from(shard_id))?,
            hash_from: WorkflowHash(hash_from),
            hash_to: WorkflowHash(hash_to),
            epoch: row.unsigned("epoch", epoch)?,
        })
    };
    rows.into_iter().map(lease).collect()
}

impl PostgresStore {
    async fn wait_for_earlier_commits(&self) -> Result<()> {
        match tokio::time::timeout(self.takeover_timeout, self.earlier_commits_end()).await {
            Ok(ended) => ended,
            Err(_) => Err(unavailable(format!(
                "transactions that began before the shards were taken still write to \
                 history_events after {:?}; find them in pg_stat_activity and end them",
                self.takeover_timeout
            ))),
        }
    }

    async fn earlier_commits_end(&self) -> Result<()> {
        let mut earlier: Option<Vec<String>> = None;
        loop {
            let writing = sqlx::query_scalar!(
                r#"SELECT DISTINCT virtualtransaction AS "transaction!"
                   FROM pg_locks
                   WHERE locktype = 'relation'
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                     AND relation = 'history_events'::regclass
                     AND mode = 'RowExclusiveLock'
                     AND granted
                     AND ($1::text[] IS NULL OR virtualtransaction = ANY ($1))"#,
                earlier.as_deref()
            )
            .fetch_all(self.statement())
            .await
            .map_err(error::on("pg_locks"))?;
            if writing.is_empty() {
                return Ok(());
            }
            earlier = Some(writing);
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The error for a commit to a hash that the caller has no lease for.
    pub(crate) async fn not_held(&self, hash: WorkflowHash) -> StoreError {
        let shard = sqlx::query!(
            "SELECT shard_id, epoch FROM history_shards
             WHERE hash_from <= $1
             ORDER BY hash_from DESC
             LIMIT 1",
            hash.0
        )
        .fetch_one(self.statement())
        .await;
        match shard {
            Ok(shard) => fenced(shard.shard_id, shard.epoch),
            Err(error) => error::on(TABLE)(error),
        }
    }
}
