//! Who may write (`history_shards`): ranges of the hash space, each owned by one
//! node through an epoch that only grows.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use dacapo_model::ids::WorkflowHash;
use uuid::Uuid;

use crate::error::{Result, StoreError};

/// How many ranges the first migration makes. Rows carry the hash, never the
/// shard, so ranges can be split or merged later.
pub const INITIAL_SHARDS: u16 = 512;

/// One process, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(pub Uuid);

/// A range of hashes that this node owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLease {
    /// The row.
    pub shard_id: u16,
    /// First hash of the range.
    pub hash_from: WorkflowHash,
    /// Last hash of the range, included.
    pub hash_to: WorkflowHash,
    /// The fencing token: commits are refused once the row has another.
    pub epoch: u64,
}

/// Everything a node owns. Ranges do not overlap and are ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The owner.
    pub node: NodeId,
    shards: Vec<ShardLease>,
}

impl Ownership {
    /// From leases in any order.
    pub fn new(node: NodeId, mut shards: Vec<ShardLease>) -> Self {
        shards.sort_by_key(|shard| shard.hash_from);
        Self { node, shards }
    }

    /// The lease over a hash, if this node has it.
    pub fn lease_of(&self, hash: WorkflowHash) -> Option<&ShardLease> {
        let after = self.shards.partition_point(|shard| shard.hash_from <= hash);
        let shard = &self.shards[after.checked_sub(1)?];
        (hash <= shard.hash_to).then_some(shard)
    }

    /// Whether a fence is of an earlier epoch than the one that is held: the store
    /// has lost the takeover itself.
    pub fn is_ahead_of(&self, fence: &StoreError) -> bool {
        let StoreError::Fenced { shard_id, epoch } = fence else {
            return false;
        };
        self.shards.iter().any(|held| held.shard_id == *shard_id && held.epoch > *epoch)
    }

    /// All leases, by range.
    pub fn shards(&self) -> &[ShardLease] {
        &self.shards
    }

    /// The epochs that the shards of these hashes are held under, by shard. The
    /// first hash that this node has no lease for, if there is one.
    pub fn epochs_of(
        &self,
        hashes: impl IntoIterator<Item = WorkflowHash>,
    ) -> std::result::Result<BTreeMap<u16, u64>, WorkflowHash> {
        let epoch = |hash| self.lease_of(hash).map(|it| (it.shard_id, it.epoch)).ok_or(hash);
        hashes.into_iter().map(epoch).collect()
    }
}

impl Ownership {
    /// [`StoreError::Fenced`] unless all shards have the epochs that they are held
    /// under; `stored` are the epochs of all of them, by shard.
    pub fn check_all(&self, stored: &BTreeMap<u16, u64>) -> Result<()> {
        for lease in &self.shards {
            let epoch = stored.get(&lease.shard_id).copied().unwrap_or_default();
            if epoch != lease.epoch {
                return Err(StoreError::Fenced { shard_id: lease.shard_id, epoch });
            }
        }
        Ok(())
    }
}

/// A node that owns shards, as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Which one.
    pub node: NodeId,
    /// What is known of its life.
    pub life: OwnerLife,
}

/// Whether the process that owns shards is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerLife {
    /// It holds a lease for so long, by the clock of the database.
    Leased(Duration),
    /// Its lease would go on for so long, but the session on which it renews it
    /// has ended: so has the process, unless it is about to connect again.
    Disconnected(Duration),
    /// Its lease is over, was given back, or never was.
    Ended,
}

/// Owning shards. The epochs are what correctness rests on; leases only say when
/// a node that waits for the shards may take them.
#[async_trait]
pub trait ShardStore: Send + Sync {
    /// Takes every shard for `node`, whoever owned it before, and raises its
    /// epoch. When it returns, no commit of an earlier owner can succeed any
    /// more, nor one that was under way when the epochs were raised. The node has
    /// no lease: to others it is [`OwnerLife::Ended`].
    async fn acquire_all_shards(&self, node: NodeId) -> Result<Ownership>;

    /// The same, but only if all shards still belong to `before` (none: to
    /// nobody), and with a lease. None if they don't; then nothing was done.
    async fn acquire_shards_after(
        &self,
        node: NodeId,
        lease: Duration,
        before: Option<NodeId>,
    ) -> Result<Option<Ownership>>;

    /// Who owns the shards; none if they have never been owned.
    async fn owner(&self) -> Result<Option<Owner>>;

    /// Makes the lease of a node last so long from now on.
    /// [`Fenced`](crate::error::StoreError::Fenced) if it has lost a shard.
    async fn renew_lease(&self, ownership: &Ownership, lease: Duration) -> Result<()>;

    /// Whether the session on which the lease was renewed is still there; true where
    /// there are no sessions. Once it has ended, others may take this node for gone,
    /// until the lease is renewed again. Costs the database next to nothing: asked
    /// several times a second.
    async fn lease_session_lives(&self) -> bool {
        true
    }

    /// Gives the lease of a node back, so that nobody waits for it.
    async fn release_lease(&self, node: NodeId) -> Result<()>;

    /// [`Fenced`](crate::error::StoreError::Fenced) if a shard of these hashes is
    /// not held under its epoch any more. Sees every takeover that has returned
    /// before.
    async fn check_held(&self, ownership: &Ownership, hashes: &[WorkflowHash]) -> Result<()>;

    /// The epochs as they are now, as (shard id, epoch, owner), by shard id.
    async fn shard_owners(&self) -> Result<Vec<(u16, u64, Option<NodeId>)>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_found_by_any_hash_of_its_range_and_no_other() {
        let lease = |shard_id, from, to| ShardLease {
            shard_id,
            hash_from: WorkflowHash(from),
            hash_to: WorkflowHash(to),
            epoch: 1,
        };
        let ownership =
            Ownership::new(NodeId(Uuid::nil()), vec![lease(2, 10, 19), lease(0, i32::MIN, -1)]);
        let shard = |hash| ownership.lease_of(WorkflowHash(hash)).map(|shard| shard.shard_id);
        assert_eq!(shard(i32::MIN), Some(0));
        assert_eq!(shard(-1), Some(0));
        assert_eq!(shard(0), None);
        assert_eq!(shard(10), Some(2));
        assert_eq!(shard(19), Some(2));
        assert_eq!(shard(20), None);
    }
}
