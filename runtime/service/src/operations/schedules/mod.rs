//! Schedules. Each is a run of the built-in workflow `schedule`, under a workflow id that
//! is made of the schedule's id. What it does and how it is was recorded and published by
//! that run; nothing here wakes it to read that.

mod change;
mod check;
mod create;
mod delete;
mod describe;
mod list;
mod times;

use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{ScheduleId, WorkflowId};
use dacapo_model::limits::ID_BYTES_MAX;

pub use self::change::{BackfillRequest, UpdateScheduleRequest};
pub use self::check::{CATCHUP_WINDOW_DEFAULT, WORKFLOW_ID_DEFAULT};
pub use self::list::{ScheduleFilter, ScheduleList};
pub use self::times::TimesRequest;
use super::RunRef;
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;

const WORKFLOW: BuiltinWorkflow = BuiltinWorkflow::Schedule;

/// Bytes of a schedule id: it is a part of a workflow id.
const SCHEDULE_ID_BYTES_MAX: usize = ID_BYTES_MAX - WORKFLOW.id_prefix().len();

fn workflow_id(schedule_id: &ScheduleId) -> Result<WorkflowId> {
    let length = schedule_id.as_str().len();
    if length > SCHEDULE_ID_BYTES_MAX {
        return Err(invalid(format!(
            "the schedule id has {length} bytes; at most {SCHEDULE_ID_BYTES_MAX} are allowed"
        )));
    }
    Ok(WORKFLOW.workflow_id(schedule_id.as_str())?)
}

fn run_of(schedule_id: &ScheduleId) -> Result<RunRef> {
    Ok(RunRef { workflow_id: workflow_id(schedule_id)?, run_id: None })
}

/// The caller's name for what the runtime calls so.
fn schedule_id(workflow_id: &WorkflowId) -> Result<ScheduleId> {
    let name = WORKFLOW.name_in(workflow_id).ok_or_else(|| {
        let problem = format!("workflow id `{workflow_id}` is not that of a schedule");
        ServiceError::new(ErrorCode::Internal, problem)
    })?;
    Ok(ScheduleId::new(name)?)
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new(ErrorCode::InvalidArgument, message)
}

impl Tenant {
    fn no_schedule(&self, schedule_id: &ScheduleId) -> ServiceError {
        ServiceError::new(
            ErrorCode::ScheduleNotFound,
            format!("there is no schedule `{schedule_id}` in namespace `{}`", self.namespace),
        )
        .with("schedule_id", schedule_id)
    }

    /// Says of the schedule what was said of its run.
    fn told_of_schedule(&self, schedule_id: &ScheduleId, error: ServiceError) -> ServiceError {
        match error.code {
            ErrorCode::RunNotFound | ErrorCode::RunClosed => self.no_schedule(schedule_id),
            ErrorCode::WorkflowAlreadyStarted => ServiceError::new(
                ErrorCode::ScheduleAlreadyExists,
                format!(
                    "there is a schedule `{schedule_id}` already: change it, delete it, or choose \
                     another id"
                ),
            )
            .with("schedule_id", schedule_id),
            _ => error,
        }
    }
}
