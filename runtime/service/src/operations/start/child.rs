//! Starts a child, for its parent.

use dacapo_model::event::ParentExecution;
use dacapo_model::ids::{RunId, WorkflowId};
use dacapo_model::module::ModuleDigest;

use super::super::check_start::check_own_id;
use crate::delivery::{Claim, LOOKS_MAX, is_here, no_answer};
use crate::error::Result;
use crate::tenancy::Tenant;
use crate::types::StartRequest;

/// A child to start: all but whether its workflow id is free is decided.
pub(crate) struct ChildStart {
    /// What and how. Its repeats are recognised by the run's id.
    pub(crate) request: StartRequest,
    /// Its name.
    pub(crate) workflow_id: WorkflowId,
    /// The code that it is pinned to.
    pub(crate) digest: ModuleDigest,
    /// Its run.
    pub(crate) run_id: RunId,
    /// Who starts it.
    pub(crate) parent: ParentExecution,
}

impl Tenant {
    /// Starts a child. Says that it has started also if that was done before, as long as it
    /// is open.
    pub(crate) async fn start_child(&self, child: ChildStart) -> Result<()> {
        let shared = &self.shared;
        shared.admit_write()?;
        let ChildStart { request, workflow_id, digest, run_id, parent } = child;
        let chosen = shared.catalog.choose().await?;
        check_own_id(&workflow_id)?;
        shared.catalog.look_up(|it| it.by_digest(&self.namespace, digest)).await?;
        self.check_sizes(&request)?;
        for _ in 0..LOOKS_MAX {
            if is_here(shared, run_id) {
                return Ok(());
            }
            let mut new = self.new_run(&request, digest, &workflow_id, run_id, shared.clock.now());
            new.started.parent = Some(Box::new(parent.clone()));
            match shared.directory.claim(new.key, &new.namespace, &workflow_id) {
                Claim::Free(claimed, mailbox) => {
                    return self.begin(&request, claimed, mailbox, new, &chosen).await.map(drop);
                }
                Claim::Taken(run) => {
                    if self.join(&request, &run, new, &chosen).await?.is_some() {
                        return Ok(());
                    }
                }
            }
        }
        Err(no_answer())
    }
}
