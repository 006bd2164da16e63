//! Histories (`history_events`). Written only by commits; never changed.

use async_trait::async_trait;
use dacapo_model::event::HistoryEvent;
use dacapo_model::ids::{EventId, RunKey};

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

    /// The last event of a run; none for an unknown run. Its id is the length of
    /// the history, and of a closed run it holds the result.
    async fn last_event(&self, key: RunKey) -> Result<Option<HistoryEvent>>;

    /// The histories of several runs, each in order and from its start, at most
    /// `limit` events of each; in the order of `keys`. Where many runs are read,
    /// one statement per run would be too many.
    async fn load_histories(&self, keys: &[RunKey], limit: u32) -> Result<Vec<Vec<HistoryEvent>>>;
}
