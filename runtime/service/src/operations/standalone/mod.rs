//! Activities that no workflow asked for. Each is a run of the built-in workflow
//! `activity`, under a workflow id that is made of the activity's id: what is done about
//! it is done about the run, and told in the words of the caller.

mod cancel;
mod describe;
mod list;
mod report;
mod result;
mod start;
mod terminate;

use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{ActivityId, WorkflowId};
use dacapo_model::limits::ID_BYTES_MAX;

pub use self::list::{StandaloneFilter, StandaloneList};
use super::RunRef;
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;
use crate::types::StandaloneRef;

const WORKFLOW: BuiltinWorkflow = BuiltinWorkflow::Activity;

/// Bytes of an activity id: it is a part of a workflow id.
const ACTIVITY_ID_BYTES_MAX: usize = ID_BYTES_MAX - WORKFLOW.id_prefix().len();

fn workflow_id(activity_id: &ActivityId) -> Result<WorkflowId> {
    let length = activity_id.as_str().len();
    if length > ACTIVITY_ID_BYTES_MAX {
        return Err(ServiceError::new(
            ErrorCode::InvalidArgument,
            format!(
                "the activity id has {length} bytes; at most {ACTIVITY_ID_BYTES_MAX} are allowed"
            ),
        ));
    }
    Ok(WORKFLOW.workflow_id(activity_id.as_str())?)
}

/// The caller's name for what the runtime calls so.
fn activity_id(workflow_id: &WorkflowId) -> Result<ActivityId> {
    let name = WORKFLOW.name_in(workflow_id).ok_or_else(|| {
        let problem = format!("workflow id `{workflow_id}` is not that of an activity");
        ServiceError::new(ErrorCode::Internal, problem)
    })?;
    Ok(ActivityId::new(name)?)
}

impl StandaloneRef {
    fn run(&self) -> Result<RunRef> {
        Ok(RunRef { workflow_id: workflow_id(&self.activity_id)?, run_id: self.run_id })
    }
}

impl Tenant {
    /// Says of the activity what was said of its run.
    fn told_of(&self, activity_id: &ActivityId, error: ServiceError) -> ServiceError {
        let (code, message) = match error.code {
            ErrorCode::RunNotFound => (
                ErrorCode::ActivityNotFound,
                format!(
                    "there is no activity `{activity_id}` in namespace `{}` that was started \
                     without a workflow, or not this run of it",
                    self.namespace
                ),
            ),
            ErrorCode::RunClosed => {
                (ErrorCode::RunClosed, format!("activity `{activity_id}` is closed already"))
            }
            ErrorCode::WorkflowAlreadyStarted => (
                ErrorCode::ActivityAlreadyStarted,
                format!(
                    "there is an activity `{activity_id}`, and the policies of the start forbid \
                     another"
                ),
            ),
            _ => return error,
        };
        let mut told = ServiceError::new(code, message).with("activity_id", activity_id);
        if let Some(run_id) = error.details.get("run_id") {
            told = told.with("run_id", run_id);
        }
        told
    }
}
