//! Histories (`history_events`). Written only by commits; never changed.

use async_trait::async_trait;
use dacapo_model::event::{HistoryEvent, ParentExecution};
use dacapo_model::ids::{EventId, RunId, RunKey};

use crate::error::Result;

/// Reading histories.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// At most `limit` events from `from` on, in order. Empty for an unknown run.
    async fn load_history(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
    ) -> Result<Vec<HistoryEvent>>;

    /// Like [`Self::load_history`], but ends with the event that makes the part about
    /// `bytes_max` bytes or more. So there is at least one event, if one is there and
    /// `bytes_max` is not 0.
    async fn load_history_part(
        &self,
        key: RunKey,
        from: EventId,
        limit: u32,
        bytes_max: u64,
    ) -> Result<Vec<HistoryEvent>>;

    /// The last event of a run; none for an unknown run. Its id is the length of
    /// the history, and of a closed run it holds the result.
    async fn last_event(&self, key: RunKey) -> Result<Option<HistoryEvent>>;

    /// The histories of several runs, each in order and from its start, at most
    /// `limit` events of each; in the order of `keys`. Where many runs are read,
    /// one statement per run would be too many.
    ///
    /// Reads no further run once it holds `bytes_max` bytes: then there are fewer
    /// histories than keys, but at least one.
    async fn load_histories(
        &self,
        keys: &[RunKey],
        limit: u32,
        bytes_max: usize,
    ) -> Result<Vec<Vec<HistoryEvent>>>;

    /// The last events of several runs, in the order of `keys`; none for an
    /// unknown run.
    async fn last_events(&self, keys: &[RunKey]) -> Result<Vec<Option<HistoryEvent>>>;

    /// The parents of those of several runs that are children, in no order. Reads
    /// no inputs, which may be large.
    async fn find_parents(&self, keys: &[RunKey]) -> Result<Vec<(RunId, ParentExecution)>>;
}
