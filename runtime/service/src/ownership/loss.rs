//! What ends the work of a node: another one has its shards, or the store lacks what
//! it had acknowledged. Whoever hears of it from the store says so here, and it is
//! decided once, for all.

use std::sync::Arc;

use dacapo_store::error::StoreError;
use dacapo_store::shard::Ownership;
use tokio_util::sync::CancellationToken;

use crate::error::{Result, ServiceError};

/// Whether what is in memory still counts. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Loss {
    ownership: Arc<Ownership>,
    fenced: CancellationToken,
    went_back: CancellationToken,
}

impl Loss {
    /// Nothing is lost yet.
    pub(crate) fn none_yet(ownership: Arc<Ownership>) -> Self {
        let (fenced, went_back) = (CancellationToken::new(), CancellationToken::new());
        Self { ownership, fenced, went_back }
    }

    /// Takes note of what the store has answered.
    pub(crate) fn note(&self, error: &StoreError) {
        match error {
            StoreError::WentBack { .. } => self.go_back(error),
            StoreError::Fenced { .. } if self.ownership.is_ahead_of(error) => self.go_back(error),
            // The next runtime of this process has taken the shards, as it must.
            StoreError::Fenced { .. } if self.went_back.is_cancelled() => {}
            StoreError::Fenced { .. } => {
                if !self.fenced.is_cancelled() {
                    tracing::error!(%error, "this node has lost its shards");
                }
                self.fenced.cancel();
            }
            StoreError::Conflict { .. }
            | StoreError::Rejected { .. }
            | StoreError::Unavailable { .. }
            | StoreError::Corrupt { .. } => {}
        }
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
        if self.fenced.is_cancelled() {
            return Err(ServiceError::displaced());
        }
        Ok(())
    }

    /// The error for an operation that the store has answered with `error`: a node
    /// that starts over was not displaced.
    pub(crate) fn refusal(&self, error: StoreError) -> ServiceError {
        self.note(&error);
        match error {
            StoreError::Fenced { .. } => self.admit().err().unwrap_or_else(ServiceError::displaced),
            other => other.into(),
        }
    }

    /// Returns once another node has the shards, as far as the store has said.
    pub(crate) async fn to_another(&self) {
        self.fenced.cancelled().await;
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
    use dacapo_store::shard::{NodeId, ShardLease};
    use futures::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    fn holding(epoch: u64) -> Loss {
        let (hash_from, hash_to) = (WorkflowHash(i32::MIN), WorkflowHash(i32::MAX));
        let lease = ShardLease { shard_id: 0, hash_from, hash_to, epoch };
        Loss::none_yet(Arc::new(Ownership::new(NodeId(Uuid::nil()), vec![lease])))
    }

    fn fence(epoch: u64) -> StoreError {
        StoreError::Fenced { shard_id: 0, epoch }
    }

    fn knows(loss: &Loss) -> (bool, bool) {
        let to_another = loss.to_another().now_or_never().is_some();
        (to_another, loss.of_commits().now_or_never().is_some())
    }

    #[test]
    fn a_later_epoch_is_anothers_and_an_earlier_one_is_of_a_takeover_that_was_lost() {
        let loss = holding(5);
        loss.note(&StoreError::Unavailable { source: "away".into() });
        loss.admit().expect("nothing is known");
        loss.note(&fence(6));
        assert_eq!(knows(&loss), (true, false));
        loss.admit().expect_err("it is another's");

        let loss = holding(5);
        loss.note(&fence(4));
        assert_eq!(knows(&loss), (false, true));
        loss.admit().expect_err("memory is ahead");
    }

    /// That it takes the shards from itself is no takeover by another.
    #[test]
    fn who_starts_over_is_not_displaced_by_itself() {
        for first in [fence(4), StoreError::WentBack { what: "an event".to_owned() }] {
            let loss = holding(5);
            loss.note(&first);
            let refusal = loss.refusal(fence(6));
            assert!(refusal.message.contains("all runs again"), "{refusal}");
            assert_eq!(knows(&loss), (false, true));
        }
    }
}
