//! Forgets a run.

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{RunId, RunKey, WorkflowId};
use dacapo_store::deletion::RunDeletion;

use super::RunRef;
use crate::delivery::find_run;
use crate::error::{Result, ServiceError};
use crate::run::OpenRun;
use crate::salvage::is_unreadable;
use crate::tenancy::Tenant;

impl Tenant {
    /// Deletes a certain run that has closed, with its history and whatever else is kept of
    /// it. False if it was not there: a repeat finds that it is gone.
    ///
    /// A child stays as long as its parent is open, which may not have heard yet how it
    /// ended, and would start it again.
    pub async fn delete_run(&self, run: &RunRef, run_id: RunId) -> Result<bool> {
        let shared = &self.shared;
        shared.admit()?;
        let key = self.key_of(run, run_id);
        if find_run(shared, run_id).is_some_and(|open| self.is_of(run, &open)) {
            // It may have closed on another node.
            shared.hold.confirm.held(key.hash).await?;
            return Err(is_open(&run.workflow_id, run_id));
        }
        // What follows goes by the hash of the workflow id, which others may share.
        match shared.store.find_execution(&self.namespace, &run.workflow_id, Some(run_id)).await {
            Ok(None) => return Ok(false),
            Ok(Some(_)) => {}
            // It is there, and can be deleted.
            Err(error) if is_unreadable(&error) => {}
            Err(error) => return Err(error.into()),
        }
        for (_, parent) in shared.store.find_parents(&[key]).await? {
            let hash = self.hash_of(&parent.workflow_id);
            let parent_key = RunKey { hash, run_id: parent.run_id };
            let found = shared.store.find_runs(&[parent_key]).await?;
            if found.iter().any(|parent| parent.status.is_open()) {
                return Err(has_open_parent(&run.workflow_id, &parent.workflow_id, parent.run_id));
            }
        }
        let deleted = shared.store.delete_run(&shared.hold.owned.current(), key).await;
        match shared.hold.loss.judge(deleted).await? {
            RunDeletion::Deleted => Ok(true),
            RunDeletion::Unknown => Ok(false),
            RunDeletion::Open => Err(is_open(&run.workflow_id, run_id)),
        }
    }

    /// Whether an open run is the one that was named. One of another namespace is not the
    /// caller's to know of.
    fn is_of(&self, named: &RunRef, open: &OpenRun) -> bool {
        open.namespace == self.namespace && open.workflow_id == named.workflow_id
    }
}

fn is_open(workflow_id: &WorkflowId, run_id: RunId) -> ServiceError {
    ServiceError::new(
        ErrorCode::RunNeeded,
        format!(
            "run {run_id} of workflow id `{workflow_id}` is open; only closed runs can be deleted. \
             Cancel or terminate it first"
        ),
    )
    .with("run_id", run_id)
}

fn has_open_parent(workflow_id: &WorkflowId, parent: &WorkflowId, run_id: RunId) -> ServiceError {
    ServiceError::new(
        ErrorCode::RunNeeded,
        format!(
            "the run of workflow id `{workflow_id}` is a child of `{parent}` (run {run_id}), which \
             is open and may still ask for it; delete it when that has closed"
        ),
    )
    .with("run_id", run_id)
}
