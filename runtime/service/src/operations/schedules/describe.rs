//! Describes a schedule, from what its run has recorded and published: that is in the store
//! since the transition which it shows, and nobody is woken.

use dacapo_model::event::{EventAttributes, WorkflowExecutionStarted};
use dacapo_model::execution::Execution;
use dacapo_model::ids::{EventId, QueryName, ScheduleId};
use dacapo_schedule::Schedule;
use serde::de::DeserializeOwned;

use super::{invalid, run_of};
use crate::builtin::schedule::{DEFINITION, Recorded, STATUS, recorded};
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;
use crate::types::{ScheduleDefinition, ScheduleDescription, ScheduleStatus};

/// Times that a description shows.
const NEXT_TIMES: usize = 10;

/// A schedule as the store has it.
pub(super) struct Found {
    pub(super) execution: Execution,
    pub(super) started: Box<WorkflowExecutionStarted>,
    pub(super) definition: ScheduleDefinition,
}

impl Tenant {
    /// Everything that is known of a schedule.
    pub async fn describe_schedule(&self, schedule_id: &ScheduleId) -> Result<ScheduleDescription> {
        let Found { execution, started, definition } = self.find_schedule(schedule_id).await?;
        let begun = |recorded: Recorded| recorded.state.shown(execution.started_at);
        let status: ScheduleStatus = match self.published(&execution, STATUS).await? {
            Some(status) => status,
            None => begun(recorded(&started).map_err(unreadable)?),
        };
        let idle = status.paused || status.remaining_actions == Some(0);
        let next_times = match idle {
            true => Vec::new(),
            false => {
                let schedule = Schedule::new(&definition.spec, schedule_id.as_str());
                let schedule = schedule.map_err(|error| invalid(error.to_string()))?;
                let (from, until) = (status.acted_until, super::times::latest());
                // What can't be found is said where the schedule looks for it.
                schedule.between(from, until, NEXT_TIMES).unwrap_or_default().times
            }
        };
        Ok(ScheduleDescription {
            schedule_id: schedule_id.clone(),
            definition,
            environment: started.environment,
            arguments: started.arguments,
            status,
            next_times,
            run_id: execution.key.run_id,
            blocked: execution.blocked,
        })
    }

    /// Finds a schedule that was not deleted.
    pub(super) async fn find_schedule(&self, schedule_id: &ScheduleId) -> Result<Found> {
        self.shared.admit()?;
        let workflow_id = run_of(schedule_id)?.workflow_id;
        let store = &self.shared.store;
        let found = store.find_execution(&self.namespace, &workflow_id, None).await?;
        let execution = found.filter(|execution| execution.status.is_open());
        let execution = execution.ok_or_else(|| self.no_schedule(schedule_id))?;
        let first = store.load_history(execution.key, EventId::FIRST, 1).await?;
        let started = match first.into_iter().next().map(|event| event.attributes) {
            Some(EventAttributes::WorkflowExecutionStarted(started)) => started,
            _ => return Err(unreadable("its history has no start".to_owned())),
        };
        let definition = match self.published(&execution, DEFINITION).await? {
            Some(definition) => definition,
            None => recorded(&started).map_err(unreadable)?.definition,
        };
        Ok(Found { execution, started, definition })
    }

    async fn published<T: DeserializeOwned>(
        &self,
        execution: &Execution,
        name: &str,
    ) -> Result<Option<T>> {
        let value = self.shared.store.query_result(execution.key, &QueryName::new(name)?).await?;
        let read = value.map(|value| serde_json::from_slice(value.as_bytes()));
        read.transpose().map_err(|error| unreadable(error.to_string()))
    }
}

fn unreadable(problem: String) -> ServiceError {
    let message = format!("the schedule can't be read: {problem}");
    ServiceError::new(dacapo_model::code::ErrorCode::Internal, message)
}
