//! The storage seam: what must be kept, what must be atomic, and nothing about
//! SQL.
//!
//! ```text
//!  service ──commit(batch)──▶ Store ──one transaction──▶ PostgreSQL | SQLite
//! ```
//!
//! # The contract
//!
//! * **A commit is atomic and fenced.** [`commit::CommitStore::commit`] writes
//!   every row of every transition in it, or none, and only while the caller's
//!   epochs are those of the shards it touches.
//! * **History is the lock.** Events are unique by (run, event id). Two writers
//!   that both believe they own a run can't both append event *n*.
//! * **A history has no gap.** An event is written only if the one before it is
//!   there. A database that has lost events (it failed over to a copy that was
//!   behind) refuses those that follow: [`error::StoreError::WentBack`].
//! * **At most one open run per workflow id**, and at most one run per request
//!   id of a workflow id; both are unique keys, not checks.
//! * **Reads see every commit that was acknowledged before them.**
//! * An error without a verdict ([`error::StoreError::Unavailable`]) may have
//!   committed. Callers read again and decide again; they never assume.
//!
//! Each table family is one file here, and a file of the same name in each
//! backend. [`batch`] and [`record`] are what backends share. `conformance`
//! (feature `testing`) is the suite that every backend must pass.

pub mod access;
pub mod allowance;
pub mod attribute_json;
pub mod batch;
pub mod commit;
pub mod count;
pub mod deletion;
pub mod encryption_key;
pub mod error;
pub mod execution;
#[cfg(feature = "testing")]
pub mod faulty;
pub mod history;
pub mod limited_claim;
#[cfg(feature = "testing")]
pub mod memory;
pub mod migrations;
pub mod module;
pub mod namespace;
pub mod probe;
pub mod query_result;
pub mod queue_columns;
pub mod queue_settings;
pub mod record;
pub mod search_attribute;
pub mod shard;
pub mod size;
pub mod statistics;
pub mod task;
pub mod task_columns;
pub mod task_fold;
pub mod timer;
pub mod timer_columns;
pub mod update;

#[cfg(feature = "testing")]
pub mod conformance;

/// Everything the runtime keeps.
pub trait Store:
    access::AccessStore
    + commit::CommitStore
    + deletion::DeletionStore
    + encryption_key::EncryptionKeyStore
    + execution::ExecutionStore
    + history::HistoryStore
    + module::ModuleStore
    + namespace::NamespaceStore
    + probe::ProbeStore
    + query_result::QueryResultStore
    + queue_settings::QueueSettingsStore
    + search_attribute::SearchAttributeStore
    + shard::ShardStore
    + statistics::StatisticsStore
    + task::TaskStore
    + timer::TimerStore
    + update::UpdateStore
{
}

impl<T> Store for T where
    T: access::AccessStore
        + commit::CommitStore
        + deletion::DeletionStore
        + encryption_key::EncryptionKeyStore
        + execution::ExecutionStore
        + history::HistoryStore
        + module::ModuleStore
        + namespace::NamespaceStore
        + probe::ProbeStore
        + query_result::QueryResultStore
        + queue_settings::QueueSettingsStore
        + queue_settings::QueueSettingsStore
        + search_attribute::SearchAttributeStore
        + shard::ShardStore
        + statistics::StatisticsStore
        + task::TaskStore
        + timer::TimerStore
        + update::UpdateStore
{
}
