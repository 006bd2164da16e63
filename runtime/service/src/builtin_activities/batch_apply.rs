//! Does the operation of a batch with one run.

use dacapo_model::code::ErrorCode;
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{RequestId, RunId};
use dacapo_model::signal::Signal;

use crate::error::{Result, ServiceError};
use crate::operations::{MoveChange, ResetRequest};
use crate::tenancy::Tenant;
use crate::types::{BatchOperation, BatchSpec, RunRef};

/// What came of it.
pub(super) enum Applied {
    /// It was done, now or by an attempt before.
    Done,
    /// There was nothing to do.
    Skipped,
    /// The run refused.
    Refused(ServiceError),
}

/// May be called again for the same batch and run: it is done once. An error means that it is
/// not known whether it was done.
pub(super) async fn apply(
    tenant: &Tenant,
    spec: &BatchSpec,
    batch_run_id: RunId,
    execution: &Execution,
) -> Result<Applied> {
    let run_id = execution.key.run_id;
    let run = RunRef { workflow_id: execution.workflow_id.clone(), run_id: Some(run_id) };
    // A reset is recognised among those of its workflow id, which may have several runs here.
    let request_id = Some(RequestId::new(format!("dacapo:batch:{batch_run_id}:{run_id}"))?);
    let reason = spec.reason.clone();
    let done = match &spec.operation {
        BatchOperation::Signal { name, input } => {
            let signal = Signal { name: name.clone(), input: input.clone(), request_id };
            tenant.signal_run(&run, signal).await.map(|_| true)
        }
        BatchOperation::Cancel => {
            tenant.request_cancel(&run, reason, request_id).await.map(|_| true)
        }
        BatchOperation::Terminate => tenant.terminate_run(&run, reason).await.map(|_| true),
        BatchOperation::Reset { point, reapply, module } => {
            let request = ResetRequest {
                point: (*point).into(),
                reapply: (*reapply).into(),
                module: module.clone().map(Into::into),
                reason,
                request_id,
            };
            tenant.reset_run(&run, request).await.map(|_| true)
        }
        BatchOperation::Move { target } => {
            let moved = tenant.move_run(&run, &target.clone().into()).await;
            moved.map(|moved| moved.change != MoveChange::Nothing)
        }
        BatchOperation::Retry if execution.status != ExecutionStatus::Blocked => Ok(false),
        BatchOperation::Retry => tenant.retry_run(&run).await.map(|_| true),
        BatchOperation::Delete => tenant.delete_run(&run, run_id).await,
        BatchOperation::Tag { changes } => {
            tenant.tag_run(&run, changes.clone()).await.map(|_| true)
        }
    };
    match done {
        Ok(true) => Ok(Applied::Done),
        Ok(false) => Ok(Applied::Skipped),
        Err(error) if error.code.is_retryable() => Err(error),
        Err(error) if matches!(error.code, ErrorCode::RunClosed | ErrorCode::RunNotFound) => {
            Ok(Applied::Skipped)
        }
        Err(error) => Ok(Applied::Refused(error)),
    }
}
