//! Who may write (`history_shards`): ranges of the hash space, each owned by one
//! node through an epoch that only grows.

use async_trait::async_trait;
use dacapo_model::ids::WorkflowHash;
use uuid::Uuid;

use crate::error::Result;

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

    /// All leases, by range.
    pub fn shards(&self) -> &[ShardLease] {
        &self.shards
    }
}

/// Owning shards.
#[async_trait]
pub trait ShardStore: Send + Sync {
    /// Takes every shard for `node`, whoever owned it before, and raises its
    /// epoch. When it returns, no commit of an earlier owner can succeed any
    /// more, nor one that was under way when the epochs were raised.
    async fn acquire_all_shards(&self, node: NodeId) -> Result<Ownership>;

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
