//! Makes a schedule.

use dacapo_model::attributes::RunAttributes;
use dacapo_model::execution::{IdConflictPolicy, IdReusePolicy};
use dacapo_model::ids::RunId;
use dacapo_model::json::Json;
use dacapo_model::payload::Payload;
use serde_json::json;

use super::check::check_note;
use super::{WORKFLOW, invalid, workflow_id};
use crate::builtin::schedule::{NOTE, PAUSED, Recorded, State};
use crate::error::Result;
use crate::tenancy::Tenant;
use crate::types::{CreateScheduleRequest, StartOptions, StartRequest};

impl Tenant {
    /// Makes a schedule. When it returns, that is durable. False if the same request has made
    /// it before.
    pub async fn create_schedule(&self, request: CreateScheduleRequest) -> Result<(RunId, bool)> {
        let CreateScheduleRequest { schedule_id, request_id, mut definition, .. } = request;
        let workflow_id = workflow_id(&schedule_id)?;
        check_note(&request.note)?;
        self.check_definition(schedule_id.as_str(), &mut definition).await?;
        let memo = [(PAUSED, json!(request.paused)), (NOTE, json!(request.note))];
        let mut attributes = RunAttributes::default();
        for (name, value) in memo {
            let value = Json::parse(&value.to_string()).map_err(|it| invalid(it.to_string()))?;
            attributes.memo.insert(name.to_owned(), value);
        }
        let workflow_type = definition.action.workflow_type.clone();
        let recorded = Recorded {
            id: schedule_id.as_str().to_owned(),
            definition,
            state: State {
                paused: request.paused,
                note: request.note,
                remaining_actions: request.remaining_actions,
                ..State::default()
            },
        };
        let input = serde_json::to_vec(&recorded).map_err(|it| invalid(it.to_string()))?;
        let start = StartRequest {
            workflow_type,
            workflow_id: Some(workflow_id),
            request_id,
            input: Payload::from(input),
            module: None,
            reuse_policy: IdReusePolicy::default(),
            conflict_policy: Some(IdConflictPolicy::Fail),
            environment: request.environment,
            arguments: request.arguments,
            options: StartOptions { attributes, ..StartOptions::default() },
            signal: None,
            update: None,
        };
        // What it starts, for years perhaps, is no part of the request that makes it.
        let started = self.clone().in_trace(None).start_builtin(WORKFLOW, start).await;
        let started = started.map_err(|error| self.told_of_schedule(&schedule_id, error))?;
        Ok((started.started.run_id, started.started.started))
    }
}
