//! What a caller does differently.

use std::time::Duration;

use dacapo_model::ids::{EventId, RunId};

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique key refused the write; nothing was written. Someone else was
    /// first, or it was ourselves: read again, and decide again.
    #[error("a row with this key exists already: {key}")]
    Conflict {
        /// The constraint or index.
        key: String,
    },
    /// Another node owns the shard; nothing was written. Stop acting for it.
    #[error("shard {shard_id} is owned by another node since epoch {epoch}")]
    Fenced {
        /// The shard.
        shard_id: u16,
        /// The epoch the store has for it.
        epoch: u64,
    },
    /// The store answered, and does not take what was to be written: a value that
    /// a column can't hold, a row that is too large. Nothing was written. One unit
    /// may be to blame for all, and is refused again whenever it is written.
    #[error("the database refuses what is to be written: {reason}")]
    Rejected {
        /// What the database said.
        reason: String,
        /// Whether it may be taken a moment later after all: the database speaks of
        /// itself, and not of a value or a constraint.
        may_pass: bool,
    },
    /// The database lacks what it had acknowledged: it failed over to a copy that
    /// was behind, was restored, or is another one. Nothing was written. What is in
    /// memory is ahead of it: forget that, and take the shards again.
    #[error("the database has lost what it had acknowledged: {what}")]
    WentBack {
        /// What is not there.
        what: String,
    },
    /// No verdict: the write may have happened. Wait, read again, decide again.
    #[error("the database does not answer")]
    Unavailable {
        /// What the driver said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A list or a count looked at more than there was time for, and was given up. It
    /// changed nothing, and the same one would take as long again.
    #[error("the database did not find the runs within {} s", limit.as_secs_f64())]
    TooSlow {
        /// How long it had.
        limit: Duration,
    },
    /// So many lists and counts were looking for runs that this one had no turn, or next to
    /// no time for it. It changed nothing, and may be quick a moment later.
    #[error("other lists and counts took all of the {} s that this one had", limit.as_secs_f64())]
    SearchesBusy {
        /// How long it had.
        limit: Duration,
    },
    /// A row does not hold what we wrote. Needs a person.
    #[error("{table}.{column} of {row} is corrupt: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoreError {
    /// For backends: an event that the next one needs is not there.
    pub fn missing_event(run_id: RunId, event_id: EventId) -> Self {
        Self::WentBack { what: format!("event {event_id} of run {run_id} is not there") }
    }
}

/// Short for results of this crate.
pub type Result<T> = std::result::Result<T, StoreError>;
