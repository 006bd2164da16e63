//! Forgetting runs and modules that nobody needs any more.
//!
//! Each of these is one transaction: all rows are gone, or none. Both are fenced like
//! commits. The next owner has read the modules, and starts runs with them. And it may
//! have committed the last events of a run: if they vanished behind its back, it would
//! take that for a database that has lost them.

use async_trait::async_trait;
use dacapo_model::ids::{ModuleName, NamespaceName, RunId, RunKey, WorkflowId};
use dacapo_model::time::Timestamp;

use crate::error::Result;
use crate::shard::Ownership;

/// What became of the deletion of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunDeletion {
    /// It is gone, with everything that was kept of it.
    Deleted,
    /// It was not there.
    Unknown,
    /// It is open, and still there.
    Open,
}

/// What became of the deletion of versions of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleDeletion {
    /// These versions are gone, in their order. A content that neither a version nor an
    /// open run refers to is gone as well.
    Deleted(Vec<u32>),
    /// An open run is pinned to the content of one of them, which no other version of the
    /// namespace has. All are still there.
    Needed {
        /// Its name.
        workflow_id: WorkflowId,
        /// Such a run.
        run_id: RunId,
    },
}

/// A run that has closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedRun {
    /// The run.
    pub key: RunKey,
    /// When it closed.
    pub closed_at: Timestamp,
}

impl ClosedRun {
    /// Its place among the runs of its namespace that have closed.
    pub fn place(&self) -> (Timestamp, RunId) {
        (self.closed_at, self.key.run_id)
    }
}

/// Deleting.
#[async_trait]
pub trait DeletionStore: Send + Sync {
    /// At most `limit` runs of the namespace, also of built-in workflows, that closed before
    /// `before`, those first that closed first; only those that come after `after` in this
    /// order.
    async fn closed_runs(
        &self,
        namespace: &NamespaceName,
        before: Timestamp,
        after: Option<ClosedRun>,
        limit: u32,
    ) -> Result<Vec<ClosedRun>>;

    /// Deletes a run that has closed: its summary, history and whatever else is kept of it.
    ///
    /// [`Fenced`](crate::error::StoreError::Fenced), and nothing was deleted, if its shard
    /// is not held under its epoch any more.
    async fn delete_run(&self, ownership: &Ownership, key: RunKey) -> Result<RunDeletion>;

    /// Deletes one version of a module, or without one all of them.
    ///
    /// [`Fenced`](crate::error::StoreError::Fenced), and nothing was deleted, if a shard is
    /// not held under its epoch any more.
    async fn delete_modules(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &ModuleName,
        version: Option<u32>,
    ) -> Result<ModuleDeletion>;
}
