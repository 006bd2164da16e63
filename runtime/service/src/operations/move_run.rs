//! Moves an open run to other code.

use dacapo_engine::decide::Input;
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::{Blocked, Execution};
use dacapo_model::ids::{ModuleName, RunId};
use dacapo_model::module::{ModuleDigest, ModuleVersion};
use tokio::sync::oneshot;

use super::RunRef;
use super::locate::{Located, closed};
use super::replay::VersionRef;
use crate::builtin;
use crate::delivery::{deliver, no_answer};
use crate::error::{Result, ServiceError};
use crate::run::{Message, MoveAnswer};
use crate::tenancy::Tenant;
use crate::types::BatchTarget;

/// Where a run is to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoveTarget {
    /// This code. Nothing else counts then.
    pub digest: Option<ModuleDigest>,
    /// A version of this module; without it, of the module that the run is pinned
    /// to.
    pub module: Option<ModuleName>,
    /// This version; the newest without it.
    pub version: Option<u32>,
}

impl MoveTarget {
    /// Refuses what names no code, or names it twice.
    pub fn new(
        digest: Option<ModuleDigest>,
        module: Option<ModuleName>,
        version: Option<u32>,
    ) -> Result<Self> {
        let invalid = |problem| Err(ServiceError::new(ErrorCode::InvalidArgument, problem));
        if version == Some(0) {
            return invalid("versions count from 1, so version is not 0");
        }
        if digest.is_some() && (module.is_some() || version.is_some()) {
            return invalid("digest names the code already; leave module and version out");
        }
        Ok(Self { digest, module, version })
    }
}

impl From<MoveTarget> for BatchTarget {
    fn from(MoveTarget { digest, module, version }: MoveTarget) -> Self {
        Self { digest, module, version }
    }
}

impl From<BatchTarget> for MoveTarget {
    fn from(BatchTarget { digest, module, version }: BatchTarget) -> Self {
        Self { digest, module, version }
    }
}

/// A run that goes on with other code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedRun {
    /// The run.
    pub run_id: RunId,
    /// The code that it is pinned to now.
    pub module: ModuleVersion,
    /// What the move did.
    pub change: MoveChange,
}

/// What a move did to its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveChange {
    /// It has other code than before.
    Moved,
    /// It had that code, and was blocked: it tries again.
    Retried,
    /// It had that code, and goes on as before.
    Nothing,
}

impl Tenant {
    /// Replays a run with other code and, if that fits, goes on with it. A run that
    /// was blocked goes on at once.
    pub async fn move_run(&self, run: &RunRef, target: &MoveTarget) -> Result<MovedRun> {
        self.shared.admit_write()?;
        let execution = self.describe_run(run).await?.execution;
        let run_id = execution.key.run_id;
        // From here on it is about this run, whatever else its workflow id gets.
        let run = &RunRef { run_id: Some(run_id), ..run.clone() };
        if !execution.status.is_open() {
            return Err(closed(run, run_id));
        }
        let module = self.target(&execution, target).await?;
        if !module.definitions.workflows.contains(&execution.workflow_type) {
            return Err(undefined(&execution, &module));
        }
        if module.digest == execution.module_digest {
            // It is there, but may be blocked for a reason that has passed.
            let retried =
                execution.blocked.is_some() && self.send(run, Input::Retry).await?.1.is_ok();
            let change = if retried { MoveChange::Retried } else { MoveChange::Nothing };
            return Ok(MovedRun { run_id, module, change });
        }
        let Located::Open(open) = self.locate(run).await? else {
            return Err(closed(run, run_id));
        };
        let (answer, answered) = oneshot::channel();
        let message = Message::Move { module_digest: module.digest, answer };
        if deliver(&self.shared, &open, message).await.is_err() {
            return Err(closed(run, run_id));
        }
        match self.shared.hold.health.answer(answered).await.ok_or_else(no_answer)?? {
            MoveAnswer::Moved => Ok(MovedRun { run_id, module, change: MoveChange::Moved }),
            MoveAnswer::Closed => Err(closed(run, run_id)),
            MoveAnswer::Refused(blocked) => Err(diverged(&execution, &module, &blocked)),
        }
    }

    /// The code that is meant.
    pub(super) async fn target(
        &self,
        execution: &Execution,
        target: &MoveTarget,
    ) -> Result<ModuleVersion> {
        if builtin::find(execution.module_digest).is_some() {
            return Err(ServiceError::new(
                ErrorCode::InvalidArgument,
                format!(
                    "run {} is one of a built-in workflow, whose code is a part of the server: it \
                     goes on with no other. Nothing was changed",
                    execution.key.run_id
                ),
            ));
        }
        let version = match (target.digest, &target.module) {
            (Some(digest), _) => VersionRef::Digest(digest),
            (None, Some(name)) => VersionRef::Numbered(name.clone(), target.version),
            (None, None) => {
                let catalog = &self.shared.catalog;
                let digest = execution.module_digest;
                let pinned = catalog.look_up(|it| it.by_digest(&self.namespace, digest)).await?;
                VersionRef::Numbered(pinned.name, target.version)
            }
        };
        self.module_version(&version).await
    }
}

pub(super) fn undefined(execution: &Execution, module: &ModuleVersion) -> ServiceError {
    let (workflow_type, name) = (&execution.workflow_type, &module.name);
    ServiceError::new(
        ErrorCode::ReplayDiverged,
        format!(
            "version {} of module `{name}` does not define workflow type `{workflow_type}`; the \
             run stays as it is",
            module.version
        ),
    )
    .with("workflow_id", &execution.workflow_id)
    .with("run_id", execution.key.run_id)
    .with("code", ErrorCode::WorkflowTypeNotFound.as_str())
    .with("runs", 1)
}

fn diverged(execution: &Execution, module: &ModuleVersion, blocked: &Blocked) -> ServiceError {
    let error = ServiceError::new(
        ErrorCode::ReplayDiverged,
        format!(
            "version {} of module `{}` does not fit the history of the run, which was not moved: \
             {}",
            module.version, module.name, blocked.message
        ),
    );
    with_report(error, execution, blocked).with("runs", 1)
}

/// Adds which run it is about, and where code and history part.
pub(super) fn with_report(
    error: ServiceError,
    execution: &Execution,
    blocked: &Blocked,
) -> ServiceError {
    let error = error
        .with("workflow_id", &execution.workflow_id)
        .with("run_id", execution.key.run_id)
        .with("code", &blocked.code);
    match &blocked.nondeterminism {
        Some(report) => error.with("event_id", report.event_id),
        None => error,
    }
}
