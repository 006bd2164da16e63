//! What schedules are asked.

use std::collections::BTreeMap;

use dacapo_model::ids::{ModuleName, RequestId, ScheduleId, TypeName};
use dacapo_model::time::Timestamp;
use dacapo_service::operations;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::object;
use super::options::{RetryOptions, attributes, duration};
use super::payload;
use super::request::{IdReusePolicy, present};
use super::schedule::OverlapPolicy;
use super::schedule_spec::ScheduleSpec;
use crate::error::ApiError;

/// A schedule to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateScheduleRequest {
    /// Your name for it.
    #[schema(example = "nightly-report")]
    schedule_id: String,
    /// Send the same one when you repeat the request: it makes one schedule only.
    #[serde(default)]
    request_id: Option<String>,
    /// When.
    #[serde(default, deserialize_with = "object::field")]
    spec: ScheduleSpec,
    /// What.
    #[serde(deserialize_with = "object::field")]
    action: ScheduleActionRequest,
    /// How.
    #[serde(default, deserialize_with = "object::field")]
    policies: SchedulePoliciesRequest,
    /// Take no action until it is resumed.
    #[serde(default)]
    paused: bool,
    /// For people.
    #[serde(default)]
    note: String,
    /// How many actions it may take by itself; any number if absent.
    #[serde(default)]
    remaining_actions: Option<u64>,
}

/// Another definition of a schedule.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateScheduleRequest {
    /// Send the same one when you repeat the request.
    #[serde(default)]
    request_id: Option<String>,
    /// When.
    #[serde(default, deserialize_with = "object::field")]
    spec: ScheduleSpec,
    /// What.
    #[serde(deserialize_with = "object::field")]
    action: ScheduleActionRequest,
    /// How.
    #[serde(default, deserialize_with = "object::field")]
    policies: SchedulePoliciesRequest,
    /// For people; stays as it is if absent.
    #[serde(default)]
    note: Option<String>,
    /// How many actions it may take by itself; any number if `null`, and if absent as many as before.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>)]
    remaining_actions: Option<Option<u64>>,
}

fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::<u64>::deserialize(deserializer).map(Some)
}

/// The run that a schedule starts.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleActionRequest {
    /// The workflow type.
    #[schema(example = "report")]
    workflow: String,
    /// The workflow id, in which `{id}` stands for the id of the schedule and `{time}` for the time
    /// that it was due; `{id}-{time}` if absent.
    #[serde(default)]
    #[schema(example = "{id}-{time}")]
    workflow_id: Option<String>,
    /// The workflow's argument: any JSON value, which it gets byte for byte; `null` if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Option<Box<RawValue>>,
    /// The argument as base64, if it is not JSON. Not together with `input`.
    #[serde(default)]
    input_base64: Option<String>,
    /// What is rarely needed.
    #[serde(default, deserialize_with = "object::field")]
    options: ScheduleActionOptions,
}

/// What is rarely needed of the run that a schedule starts.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleActionOptions {
    /// The module that defines the workflow, where several do.
    #[serde(default)]
    module: Option<String>,
    /// If the latest run of the workflow id is closed; `allow_duplicate` if absent.
    #[serde(default)]
    id_reuse_policy: Option<IdReusePolicy>,
    /// Environment variables of the workflow. They can't be changed later.
    #[serde(default, deserialize_with = "object::unique")]
    environment: BTreeMap<String, String>,
    /// Command-line arguments of the workflow. They can't be changed later.
    #[serde(default)]
    arguments: Vec<String>,
    /// How long the run may take; one that follows it has as long again. No limit if absent.
    #[serde(default)]
    run_timeout_seconds: Option<f64>,
    /// How long the run and those that follow it may take together. No limit if absent.
    #[serde(default)]
    execution_timeout_seconds: Option<f64>,
    /// Start another run with the same input if this one fails or runs out of its time.
    #[serde(default, deserialize_with = "object::optional")]
    retry_policy: Option<RetryOptions>,
    /// What is said about the run for people: any JSON by name.
    #[serde(default, deserialize_with = "object::unique")]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    memo: BTreeMap<String, Box<RawValue>>,
    /// What is said about the run with types.
    #[serde(default, deserialize_with = "object::unique")]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    search_attributes: BTreeMap<String, Box<RawValue>>,
    /// Labels: at most 32, of 64 bytes each.
    #[serde(default)]
    tags: Vec<String>,
}

/// How a schedule acts.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchedulePoliciesRequest {
    /// If a run that it started is open; `skip` if absent.
    #[serde(default)]
    overlap: Option<OverlapPolicy>,
    /// A time that is longer ago than this when the schedule comes to it is missed; a year if absent,
    /// at least 10 s.
    #[serde(default)]
    catchup_window_seconds: Option<f64>,
    /// Pause the schedule when a run that it started fails or runs out of its time.
    #[serde(default)]
    pause_on_failure: bool,
}

/// A definition, and what the runs have that can't be changed.
struct Definition {
    definition: operations::ScheduleDefinition,
    environment: BTreeMap<String, String>,
    arguments: Vec<String>,
}

fn definition(
    spec: ScheduleSpec,
    action: ScheduleActionRequest,
    policies: SchedulePoliciesRequest,
) -> Result<Definition, ApiError> {
    let ScheduleActionRequest { workflow, workflow_id, input, input_base64, options } = action;
    let window = duration("catchup_window_seconds", policies.catchup_window_seconds)?;
    let (attributes, inferred) = attributes(options.memo, options.search_attributes, options.tags)?;
    let template = workflow_id.unwrap_or_else(|| operations::WORKFLOW_ID_DEFAULT.to_owned());
    let definition = operations::ScheduleDefinition {
        spec: spec.into(),
        action: operations::ScheduleAction {
            workflow_type: TypeName::new(workflow)?,
            workflow_id: template,
            module: options.module.map(ModuleName::new).transpose()?,
            input: payload::extract("input", input, input_base64)?,
            reuse_policy: options.id_reuse_policy.map(Into::into).unwrap_or_default(),
            run_timeout: duration("run_timeout_seconds", options.run_timeout_seconds)?,
            execution_timeout: duration(
                "execution_timeout_seconds",
                options.execution_timeout_seconds,
            )?,
            retry: options.retry_policy.map(RetryOptions::into_policy).transpose()?,
            attributes,
            inferred,
        },
        policies: operations::SchedulePolicies {
            overlap: policies.overlap.map(Into::into).unwrap_or_default(),
            catchup_window: window.unwrap_or(operations::CATCHUP_WINDOW_DEFAULT),
            pause_on_failure: policies.pause_on_failure,
        },
    };
    let (environment, arguments) = (options.environment, options.arguments);
    Ok(Definition { definition, environment, arguments })
}

impl CreateScheduleRequest {
    pub(crate) fn into_operation(self) -> Result<operations::CreateScheduleRequest, ApiError> {
        let Definition { definition, environment, arguments } =
            definition(self.spec, self.action, self.policies)?;
        Ok(operations::CreateScheduleRequest {
            schedule_id: ScheduleId::addressable(self.schedule_id)?,
            request_id: self.request_id.map(RequestId::new).transpose()?,
            definition,
            environment,
            arguments,
            paused: self.paused,
            note: self.note,
            remaining_actions: self.remaining_actions,
        })
    }
}

impl UpdateScheduleRequest {
    pub(crate) fn into_operation(
        self,
    ) -> Result<(operations::UpdateScheduleRequest, Option<RequestId>), ApiError> {
        let Definition { definition, environment, arguments } =
            definition(self.spec, self.action, self.policies)?;
        let request_id = self.request_id.map(RequestId::new).transpose()?;
        let request = operations::UpdateScheduleRequest {
            definition,
            environment,
            arguments,
            note: self.note,
            remaining_actions: self.remaining_actions,
        };
        Ok((request, request_id))
    }
}

/// To pause a schedule, or to resume it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PauseScheduleRequest {
    /// Why, for people. In place of the note before.
    #[serde(default)]
    pub(crate) note: Option<String>,
    /// Send the same one when you repeat the request.
    #[serde(default)]
    pub(crate) request_id: Option<String>,
}

/// To take the action now.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TriggerScheduleRequest {
    /// If a run that it started is open; that of the schedule if absent.
    #[serde(default)]
    pub(crate) overlap: Option<OverlapPolicy>,
    /// Send the same one when you repeat the request: the action is taken once.
    #[serde(default)]
    pub(crate) request_id: Option<String>,
}

/// To take the actions of a stretch of time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackfillScheduleRequest {
    /// The first time.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) from: Timestamp,
    /// The last time.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) to: Timestamp,
    /// If a run that it started is open; that of the schedule if absent.
    #[serde(default)]
    pub(crate) overlap: Option<OverlapPolicy>,
    /// Send the same one when you repeat the request: the actions are taken once.
    #[serde(default)]
    pub(crate) request_id: Option<String>,
}
