//! Operations on all runs that a filter matches. Each is a run of the built-in workflow
//! `batch`, under a workflow id that is made of the batch's id.

mod control;
mod describe;
mod list;
mod place;
mod select;
mod start;

use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{BatchId, WorkflowId};
use dacapo_model::limits::ID_BYTES_MAX;

pub use self::list::{BatchFilter, BatchList};
pub(crate) use self::place::Place;
use super::RunRef;
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;

const WORKFLOW: BuiltinWorkflow = BuiltinWorkflow::Batch;

/// Bytes of a batch id: it is a part of a workflow id.
const BATCH_ID_BYTES_MAX: usize = ID_BYTES_MAX - WORKFLOW.id_prefix().len();

fn workflow_id(batch_id: &BatchId) -> Result<WorkflowId> {
    let length = batch_id.as_str().len();
    if length > BATCH_ID_BYTES_MAX {
        return Err(invalid(format!(
            "the batch id has {length} bytes; at most {BATCH_ID_BYTES_MAX} are allowed"
        )));
    }
    Ok(WORKFLOW.workflow_id(batch_id.as_str())?)
}

/// The latest batch of this id.
fn run(batch_id: &BatchId) -> Result<RunRef> {
    Ok(RunRef { workflow_id: workflow_id(batch_id)?, run_id: None })
}

/// The caller's name for what the runtime calls so.
fn batch_id(workflow_id: &WorkflowId) -> Result<BatchId> {
    let name = WORKFLOW.name_in(workflow_id).ok_or_else(|| {
        let problem = format!("workflow id `{workflow_id}` is not that of a batch");
        ServiceError::new(ErrorCode::Internal, problem)
    })?;
    Ok(BatchId::new(name)?)
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new(ErrorCode::InvalidArgument, message)
}

impl Tenant {
    /// Says of the batch what was said of its run.
    fn told_of_batch(&self, batch_id: &BatchId, error: ServiceError) -> ServiceError {
        let (code, message) = match error.code {
            ErrorCode::RunNotFound => (
                ErrorCode::BatchNotFound,
                format!("there is no batch `{batch_id}` in namespace `{}`", self.namespace),
            ),
            ErrorCode::RunClosed => {
                (ErrorCode::RunClosed, format!("batch `{batch_id}` is closed already"))
            }
            ErrorCode::WorkflowAlreadyStarted => (
                ErrorCode::BatchAlreadyStarted,
                format!("batch `{batch_id}` is open already; choose another batch_id"),
            ),
            _ => return error,
        };
        let mut told = ServiceError::new(code, message).with("batch_id", batch_id);
        if let Some(run_id) = error.details.get("run_id") {
            told = told.with("run_id", run_id);
        }
        told
    }
}
