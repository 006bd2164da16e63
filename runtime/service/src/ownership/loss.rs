//! What ends the work of a node, or a part of it: another one has shards of its, or the
//! store lacks what it had acknowledged. Whoever hears of it from the store says so here,
//! and it is decided once, for all.
//!
//! A fence speaks of one shard. What else is lost is asked of the store at once, so that
//! not each shard has to fail first: a node that was taken over has lost all of them, and
//! ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use dacapo_store::Store;
use dacapo_store::error::StoreError;
use tokio_util::sync::CancellationToken;

use super::Owned;
use crate::error::{Result, ServiceError};

/// Whether what is in memory still counts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Loss {
    store: Arc<dyn Store>,
    owned: Owned,
    went_back: CancellationToken,
}

impl Loss {
    /// Nothing is lost yet.
    pub(crate) fn none_yet(store: Arc<dyn Store>, owned: Owned) -> Self {
        Self { store, owned, went_back: CancellationToken::new() }
    }

    /// Takes note of what the store has answered.
    pub(crate) async fn note(&self, error: &StoreError) {
        match error {
            StoreError::WentBack { .. } => self.go_back(error),
            StoreError::Fenced { shard_id, epoch } => {
                if self.compare(&[(*shard_id, *epoch)].into())
                    && let Err(error) = self.look().await
                {
                    // What else is lost says so when it is needed.
                    tracing::debug!(error = ?error, "the epochs can't be read");
                }
            }
            StoreError::Conflict { .. }
            | StoreError::Rejected { .. }
            | StoreError::Unavailable { .. }
            | StoreError::TooSlow { .. }
            | StoreError::SearchesBusy { .. }
            | StoreError::Corrupt { .. } => {}
        }
    }

    /// Asks the store what is lost by now.
    pub(crate) async fn look(&self) -> dacapo_store::error::Result<()> {
        let stored = self.store.shard_owners().await?;
        let stored: BTreeMap<_, _> = stored.into_iter().map(|(id, epoch, _)| (id, epoch)).collect();
        let epoch_of = |shard_id| stored.get(&shard_id).copied().unwrap_or_default();
        let owned = self.owned.current();
        let held = owned.shards().iter().map(|held| (held.shard_id, epoch_of(held.shard_id)));
        self.compare(&held.collect());
        Ok(())
    }

    /// Gives up the shards that others have by these epochs. Says whether there are any.
    fn compare(&self, stored: &BTreeMap<u16, u64>) -> bool {
        let fence = |(shard_id, epoch): (&u16, &u64)| StoreError::Fenced {
            shard_id: *shard_id,
            epoch: *epoch,
        };
        let owned = self.owned.current();
        // The takeover itself is not there any more.
        if let Some(fence) = stored.iter().map(fence).find(|fence| owned.is_ahead_of(fence)) {
            self.go_back(&fence);
        }
        // The next runtime of this process has taken the shards, as it must.
        if self.went_back.is_cancelled() {
            return false;
        }
        let mut lost = 0;
        self.owned.change(|owned| {
            lost = owned.lose(stored);
            lost > 0
        });
        if lost > 0 {
            let left = self.owned.current().shards().len();
            tracing::error!(lost, left, "this node has lost shards to another");
        }
        lost > 0
    }

    fn go_back(&self, error: &StoreError) {
        if !self.went_back.is_cancelled() {
            tracing::error!(%error, "the runs in memory are ahead of the database");
        }
        self.went_back.cancel();
    }

    /// Refuses what would be answered from memory, or change something.
    pub(crate) fn admit(&self) -> Result<()> {
        if self.went_back.is_cancelled() {
            return Err(ServiceError::starting_over());
        }
        if self.owned.is_empty() {
            return Err(ServiceError::displaced());
        }
        Ok(())
    }

    /// What an operation makes of the store's answer: a node that starts over was not
    /// displaced.
    pub(crate) async fn judge<T>(&self, answer: dacapo_store::error::Result<T>) -> Result<T> {
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        self.note(&error).await;
        Err(match error {
            StoreError::Fenced { .. } => self.admit().err().unwrap_or_else(ServiceError::displaced),
            other => other.into(),
        })
    }

    /// Returns once other nodes have all shards, as far as the store has said.
    pub(crate) async fn to_another(&self) {
        self.owned.until_empty().await;
    }

    /// Returns once the store is known to lack what it had acknowledged.
    pub(crate) async fn of_commits(&self) {
        self.went_back.cancelled().await;
    }

    /// Returns once either is known.
    pub(crate) async fn of_any_kind(&self) {
        tokio::select! {
            () = self.to_another() => {}
            () = self.of_commits() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use dacapo_model::ids::WorkflowHash;
    use dacapo_store::memory::MemoryStore;
    use dacapo_store::shard::{NodeId, Ownership, ShardLease, ShardStore as _};
    use futures::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    fn holding(epoch: u64) -> Loss {
        let (hash_from, hash_to) = (WorkflowHash(i32::MIN), WorkflowHash(i32::MAX));
        let lease = ShardLease { shard_id: 0, hash_from, hash_to, epoch };
        let ownership = Ownership::new(NodeId(Uuid::nil()), vec![lease]);
        Loss::none_yet(Arc::new(MemoryStore::new()), Owned::new(ownership))
    }

    fn fence(epoch: u64) -> StoreError {
        StoreError::Fenced { shard_id: 0, epoch }
    }

    fn knows(loss: &Loss) -> (bool, bool) {
        let to_another = loss.to_another().now_or_never().is_some();
        (to_another, loss.of_commits().now_or_never().is_some())
    }

    #[tokio::test]
    async fn a_later_epoch_is_anothers_and_an_earlier_one_is_of_a_takeover_that_was_lost() {
        let loss = holding(5);
        loss.note(&StoreError::Unavailable { source: "away".into() }).await;
        loss.admit().expect("nothing is known");
        loss.note(&fence(6)).await;
        assert_eq!(knows(&loss), (true, false));
        loss.admit().expect_err("it is another's");

        let loss = holding(5);
        loss.note(&fence(4)).await;
        assert_eq!(knows(&loss), (false, true));
        loss.admit().expect_err("memory is ahead");
    }

    /// That it takes the shards from itself is no takeover by another.
    #[tokio::test]
    async fn who_starts_over_is_not_displaced_by_itself() {
        for first in [fence(4), StoreError::WentBack { what: "an event".to_owned() }] {
            let loss = holding(5);
            loss.note(&first).await;
            let refusal = loss.judge::<()>(Err(fence(6))).await.expect_err("it is not its own");
            assert!(refusal.message.contains("all runs again"), "{refusal}");
            assert_eq!(knows(&loss), (false, true));
        }
    }

    /// The first fence speaks of one shard of the two that are lost.
    #[tokio::test]
    async fn a_node_gives_up_what_others_have_and_keeps_the_rest() {
        let store = Arc::new(MemoryStore::new());
        let before = store.acquire_all_shards(NodeId(Uuid::nil())).await.expect("takes");
        let after = store.acquire_all_shards(NodeId(Uuid::max())).await.expect("takes");
        let leases = before.shards().iter().zip(after.shards());
        let leases = leases.map(|(old, new)| if old.shard_id < 2 { *old } else { *new });
        let owned = Owned::new(Ownership::new(NodeId(Uuid::nil()), leases.collect()));
        let loss = Loss::none_yet(store.clone(), owned.clone());
        let ShardLease { shard_id, epoch, .. } = after.shards()[1];
        loss.note(&StoreError::Fenced { shard_id, epoch }).await;
        assert_eq!(owned.current().shards(), &after.shards()[2..]);
        assert_eq!(knows(&loss), (false, false));
        loss.admit().expect("it has something to do");

        store.acquire_all_shards(NodeId(Uuid::max())).await.expect("takes");
        loss.look().await.expect("looks");
        assert_eq!(knows(&loss), (true, false), "nothing is left");
    }
}
