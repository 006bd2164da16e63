//! Who may write (`history_shards`): ranges of the hash space, each owned by one
//! node through an epoch that only grows.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use dacapo_model::ids::{RunId, RunKey, WorkflowHash};
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

/// Hashes from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashRange {
    /// The first.
    pub from: WorkflowHash,
    /// The last.
    pub to: WorkflowHash,
}

impl HashRange {
    /// All hashes that there are.
    pub const ALL: Self = Self { from: WorkflowHash(i32::MIN), to: WorkflowHash(i32::MAX) };

    /// Whether a hash is one of them.
    pub fn contains(&self, hash: WorkflowHash) -> bool {
        (self.from..=self.to).contains(&hash)
    }

    /// For backends: the key that the scan of a range goes on after. No run has the nil id,
    /// so a scan begins before the first.
    pub fn scanned_to(&self, after: Option<RunKey>) -> RunKey {
        after.unwrap_or(RunKey { hash: self.from, run_id: RunId(Uuid::nil()) })
    }
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

    /// All leases, by range.
    pub fn shards(&self) -> &[ShardLease] {
        &self.shards
    }

    /// Whether the node owns nothing.
    pub fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// What the node owns, with neighbours joined: one range if it is everything.
    pub fn ranges(&self) -> Vec<HashRange> {
        let mut ranges: Vec<HashRange> = Vec::new();
        for shard in &self.shards {
            match ranges.last_mut() {
                Some(last) if last.to.0.checked_add(1) == Some(shard.hash_from.0) => {
                    last.to = shard.hash_to;
                }
                _ => ranges.push(HashRange { from: shard.hash_from, to: shard.hash_to }),
            }
        }
        ranges
    }

    /// Adds a lease, in place of an earlier one over the same shard.
    pub fn take(&mut self, lease: ShardLease) {
        self.shards.retain(|held| held.shard_id != lease.shard_id);
        let place = self.shards.partition_point(|held| held.hash_from < lease.hash_from);
        self.shards.insert(place, lease);
    }

    /// Gives up the shards that have a later epoch than they are held under; `stored` are
    /// epochs by shard. Says how many that are.
    pub fn lose(&mut self, stored: &BTreeMap<u16, u64>) -> usize {
        let before = self.shards.len();
        self.shards
            .retain(|held| stored.get(&held.shard_id).is_none_or(|stored| *stored <= held.epoch));
        before - self.shards.len()
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

    /// The epochs that the shards of these hashes are held under, by shard. The
    /// first hash that this node has no lease for, if there is one.
    pub fn epochs_of(
        &self,
        hashes: impl IntoIterator<Item = WorkflowHash>,
    ) -> std::result::Result<BTreeMap<u16, u64>, WorkflowHash> {
        let epoch = |hash| self.lease_of(hash).map(|it| (it.shard_id, it.epoch)).ok_or(hash);
        hashes.into_iter().map(epoch).collect()
    }

    /// [`StoreError::Fenced`] unless all shards have the epochs that they are held
    /// under, and there is one; `stored` are the epochs of all of them, by shard.
    pub fn check_all(&self, stored: &BTreeMap<u16, u64>) -> Result<()> {
        let epoch_of = |shard_id| stored.get(&shard_id).copied().unwrap_or_default();
        let lost = self.shards.iter().find(|held| epoch_of(held.shard_id) != held.epoch);
        match lost.map(|held| held.shard_id).or(self.is_empty().then_some(0)) {
            Some(shard_id) => Err(StoreError::Fenced { shard_id, epoch: epoch_of(shard_id) }),
            None => Ok(()),
        }
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

    fn lease(shard_id: u16, from: i32, to: i32) -> ShardLease {
        let (hash_from, hash_to) = (WorkflowHash(from), WorkflowHash(to));
        ShardLease { shard_id, hash_from, hash_to, epoch: 1 }
    }

    fn of(leases: Vec<ShardLease>) -> Ownership {
        Ownership::new(NodeId(Uuid::nil()), leases)
    }

    fn range(from: i32, to: i32) -> HashRange {
        HashRange { from: WorkflowHash(from), to: WorkflowHash(to) }
    }

    #[test]
    fn a_lease_is_found_by_any_hash_of_its_range_and_no_other() {
        let ownership = of(vec![lease(2, 10, 19), lease(0, i32::MIN, -1)]);
        let shard = |hash| ownership.lease_of(WorkflowHash(hash)).map(|shard| shard.shard_id);
        assert_eq!(shard(i32::MIN), Some(0));
        assert_eq!(shard(-1), Some(0));
        assert_eq!(shard(0), None);
        assert_eq!(shard(10), Some(2));
        assert_eq!(shard(19), Some(2));
        assert_eq!(shard(20), None);
    }

    #[test]
    fn ranges_come_and_go() {
        let thirds = [lease(0, i32::MIN, -1), lease(1, 0, 9), lease(2, 10, i32::MAX)];
        let mut ownership = of(Vec::new());
        assert!(ownership.is_empty());
        for third in [thirds[2], thirds[0]] {
            ownership.take(third);
        }
        assert_eq!(ownership.ranges(), [range(i32::MIN, -1), range(10, i32::MAX)]);
        ownership.take(thirds[1]);
        assert_eq!(ownership.ranges(), [HashRange::ALL]);
        assert_eq!(ownership.shards(), thirds);

        assert_eq!(ownership.lose(&[(0, 2), (1, 1)].into()), 1, "the other has its epoch");
        assert_eq!(ownership.ranges(), [range(0, i32::MAX)]);
        let again = ShardLease { epoch: 3, ..thirds[0] };
        ownership.take(again);
        assert_eq!(ownership.lose(&[(0, 2)].into()), 0, "that was the loss before");
        assert_eq!(ownership.lease_of(WorkflowHash(-1)), Some(&again));
        ownership.take(ShardLease { epoch: 4, ..again });
        assert_eq!(ownership.shards().len(), 3, "one lease for a shard");
        assert_eq!(ownership.lose(&[(0, 9), (1, 9), (2, 9)].into()), 3);
        assert!(ownership.is_empty());
        assert_eq!(ownership.ranges(), []);
    }

    /// It must not be told that nothing was lost of what it has.
    #[test]
    fn who_owns_nothing_holds_nothing() {
        let stored = [(0, 7)].into();
        of(vec![ShardLease { epoch: 7, ..lease(0, 0, 9) }]).check_all(&stored).expect("held");
        for fenced in [of(vec![lease(0, 0, 9)]), of(Vec::new())] {
            let fence = fenced.check_all(&stored).expect_err("not held");
            assert!(matches!(fence, StoreError::Fenced { shard_id: 0, epoch: 7 }), "{fence:?}");
        }
    }
}
