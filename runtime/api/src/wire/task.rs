//! What workers send and get.

use std::collections::BTreeMap;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{OperationId, QueueName, RunId, TypeName, WorkerIdentity, WorkflowId};
use dacapo_model::task::{FairnessKey, Priority};
use dacapo_model::task_token::TaskToken;
use dacapo_model::time::Timestamp;
use dacapo_model::trace::{TraceContext, TraceHeaders};
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{
    self, HandedTask, HeartbeatAnswer, PollRequest, Report, TaskHeartbeat,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::activity::{FailureRequest, json};
use super::failure::Failure;
use super::object;
use super::payload::{RawJson, embed, extract};
use super::request::present;
use crate::error::ApiError;

/// What a worker asks for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PollTasksRequest {
    /// The worker's name for itself, for people: a host and a process, say.
    #[schema(value_type = String, example = "mailer-7")]
    identity: WorkerIdentity,
    /// The version of its code, for people.
    #[serde(default)]
    build_id: Option<String>,
    /// The activity types that it can run, at most 1000; all if absent or empty.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false)]
    activity_types: Vec<TypeName>,
    /// How many tasks it has room for: 1 to 1000, 1 if absent.
    #[serde(default)]
    max_tasks: Option<u32>,
    /// How long to wait for the first: 0 to 60, 20 if absent.
    #[serde(default)]
    wait_seconds: Option<f64>,
    /// How long it may be silent about a task: 1 to 3600, 30 if absent.
    #[serde(default)]
    lease_seconds: Option<f64>,
}

/// Tasks, each leased to the worker that asked.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolledTasks {
    /// At most as many as it asked for; none if there were none.
    tasks: Vec<Task>,
}

/// An attempt of an activity, in the hand of a worker.
#[derive(Serialize, ToSchema)]
pub(crate) struct Task {
    /// Names the attempt. A secret: whoever has it may say how the attempt ended.
    token: String,
    /// The workflow id of the run that waits for it.
    #[schema(value_type = String)]
    workflow_id: WorkflowId,
    /// The run that waits for it.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// The type of the workflow.
    #[schema(value_type = String)]
    workflow_type: TypeName,
    /// The workflow's name for the activity.
    #[schema(value_type = u32)]
    operation_id: OperationId,
    /// What is to run.
    #[schema(value_type = String)]
    activity_type: TypeName,
    /// Its argument, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<RawJson>,
    /// Its argument, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_base64: Option<String>,
    /// The attempt, from 1.
    attempt: u32,
    /// When the activity was scheduled.
    #[schema(value_type = String, format = DateTime)]
    scheduled_at: Timestamp,
    /// When this attempt began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it counts as failed unless the worker says that it is alive.
    #[schema(value_type = String, format = DateTime)]
    lease_until: Timestamp,
    /// How far a heartbeat prolongs that.
    lease_seconds: f64,
    /// Limit for this attempt; no heartbeat goes beyond it.
    start_to_close_timeout_seconds: f64,
    /// Limit for all attempts together.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_to_close_timeout_seconds: Option<f64>,
    /// Longest silence, if the workflow has set one.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_timeout_seconds: Option<f64>,
    /// What the attempt before failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<Failure>,
    /// What the last heartbeat of an attempt before said.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_details: Option<RawJson>,
    /// Headers of the trace that the attempt belongs to, for what the worker asks others:
    /// `traceparent`, and `tracestate` if there is one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    trace_context: BTreeMap<&'static str, String>,
    /// From 1, which comes first, to 5.
    priority: u8,
    /// Whose task it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    fairness_key: Option<FairnessKey>,
}

/// Says that a worker is alive.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeartbeatsRequest {
    /// One for each task, at most 1000.
    #[serde(deserialize_with = "object::list")]
    heartbeats: Vec<TaskHeartbeatRequest>,
}

/// How far a task has come.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskHeartbeatRequest {
    /// Of the task.
    token: String,
    /// What the next attempt is to be told if this one fails: any JSON value, at most 64 KiB.
    /// Without it, what was said before is kept.
    #[serde(default)]
    #[schema(value_type = serde_json::Value, required = false)]
    details: Option<Box<RawValue>>,
}

/// What a worker is to know of its tasks.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeartbeatsAnswer {
    /// In the order of the request.
    results: Vec<HeardTask>,
}

/// What a worker is to know of a task.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeardTask {
    /// Whether the worker still has it. If not, its work is to stop.
    held: bool,
    /// The workflow asked the activity to cancel.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_requested: Option<bool>,
    /// An operator holds the activity: no further attempt begins. This one may go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<bool>,
    /// The lease goes on until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    lease_until: Option<Timestamp>,
    /// Why it is not held; if it is, why the details are not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<TaskError>,
}

/// Why something was not done for a task.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskError {
    /// As of other refusals; each has a page in the documentation.
    #[schema(example = "lease_lost")]
    code: &'static str,
    /// What is wrong and what to do, for people.
    message: String,
    /// Whether the same may be sent again.
    retryable: bool,
}

/// How tasks ended.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportsRequest {
    /// One for each task, at most 1000.
    #[serde(deserialize_with = "object::list")]
    reports: Vec<TaskReport>,
}

/// How a task ended: one of a result, a failure, and as it was asked to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskReport {
    /// Of the task.
    token: String,
    /// Any JSON value, which the workflow gets byte for byte.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value, required = false)]
    result: Option<Box<RawValue>>,
    /// The same as base64, if it is not JSON.
    #[serde(default)]
    result_base64: Option<String>,
    /// Why it failed. It is tried again as its retry policy says.
    #[serde(default, deserialize_with = "object::optional")]
    failure: Option<FailureRequest>,
    /// It ended because it was asked to cancel.
    #[serde(default, deserialize_with = "object::optional")]
    canceled: Option<CanceledRequest>,
}

/// What a task has to say that ended because it was asked to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CanceledRequest {
    /// For people.
    #[serde(default)]
    message: String,
    /// For the workflow: any JSON value.
    #[serde(default)]
    #[schema(value_type = serde_json::Value, required = false)]
    details: Option<Box<RawValue>>,
}

/// What became of reports.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportsAnswer {
    /// In the order of the request.
    results: Vec<ReportResult>,
}

/// What became of a report.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportResult {
    /// Whether it is recorded, now or by the same report before.
    recorded: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<TaskError>,
}

impl PollTasksRequest {
    pub(crate) fn into_poll(self, queue: QueueName) -> PollRequest {
        PollRequest {
            queue,
            worker: self.identity,
            build_id: self.build_id,
            activity_types: self.activity_types,
            max_tasks: self.max_tasks,
            wait_seconds: self.wait_seconds,
            lease_seconds: self.lease_seconds,
        }
    }
}

impl From<Vec<HandedTask>> for PolledTasks {
    fn from(tasks: Vec<HandedTask>) -> Self {
        Self { tasks: tasks.into_iter().map(Task::from).collect() }
    }
}

impl From<HandedTask> for Task {
    fn from(task: HandedTask) -> Self {
        let (input, input_base64) = embed(&task.input);
        let options = task.options;
        let route = options.task_queue;
        Self {
            token: task.token.to_string(),
            workflow_id: task.workflow_id,
            run_id: task.run_id,
            workflow_type: task.workflow_type,
            operation_id: task.operation_id,
            activity_type: task.activity_type,
            input,
            input_base64,
            attempt: task.attempt,
            scheduled_at: task.scheduled_at,
            started_at: task.started_at,
            lease_until: task.lease_until,
            lease_seconds: task.lease.as_secs_f64(),
            start_to_close_timeout_seconds: options.start_to_close_timeout.as_secs_f64(),
            schedule_to_close_timeout_seconds: options
                .schedule_to_close_timeout
                .map(|limit| limit.as_secs_f64()),
            heartbeat_timeout_seconds: options.heartbeat_timeout.map(|limit| limit.as_secs_f64()),
            last_failure: task.last_failure.map(Failure::from),
            heartbeat_details: task.heartbeat_details.and_then(|details| embed(&details).0),
            trace_context: task.trace.map(headers).unwrap_or_default(),
            priority: route.as_ref().map_or_else(Priority::default, |it| it.priority).number(),
            fairness_key: route.and_then(|route| route.fairness_key),
        }
    }
}

fn headers(trace: TraceContext) -> BTreeMap<&'static str, String> {
    let TraceHeaders { traceparent, tracestate } = trace.into();
    let headers = [("traceparent", traceparent), ("tracestate", tracestate)];
    headers.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

impl HeartbeatsRequest {
    pub(crate) fn into_heartbeats(self) -> EachOf<TaskHeartbeat> {
        operations::check_count("heartbeats", self.heartbeats.len())?;
        let heartbeats = self.heartbeats.into_iter().enumerate().map(|(place, heartbeat)| {
            let token = token("heartbeats", place, &heartbeat.token)?;
            Ok(TaskHeartbeat { token, details: heartbeat.details.map(json) })
        });
        Ok(heartbeats.collect())
    }
}

impl From<Vec<Result<HeartbeatAnswer, ServiceError>>> for HeartbeatsAnswer {
    fn from(heard: Vec<Result<HeartbeatAnswer, ServiceError>>) -> Self {
        let heard = heard.into_iter().map(|heard| match heard {
            Ok(HeartbeatAnswer { lease, not_kept }) => HeardTask {
                held: true,
                cancel_requested: Some(lease.cancel_requested),
                paused: Some(lease.paused),
                lease_until: Some(lease.lease_until),
                error: not_kept.map(TaskError::from),
            },
            Err(error) => HeardTask {
                held: false,
                cancel_requested: None,
                paused: None,
                lease_until: None,
                error: Some(error.into()),
            },
        });
        Self { results: heard.collect() }
    }
}

impl ReportsRequest {
    pub(crate) fn into_reports(self) -> EachOf<(TaskToken, Report)> {
        operations::check_count("reports", self.reports.len())?;
        let reports = self.reports.into_iter().enumerate().map(|(place, report)| {
            let token = token("reports", place, &report.token)?;
            let report =
                report.into_report().map_err(|error| error.of(&format!("reports[{place}]")))?;
            Ok((token, report))
        });
        Ok(reports.collect())
    }
}

impl TaskReport {
    fn into_report(self) -> Result<Report, ApiError> {
        let has_result = self.result.is_some() || self.result_base64.is_some();
        match (has_result, self.failure, self.canceled) {
            (true, None, None) => {
                Ok(Report::Completed(extract("result", self.result, self.result_base64)?))
            }
            (false, Some(failure), None) => Ok(Report::Failed(failure.into_failure()?)),
            (false, None, Some(canceled)) => {
                let details = canceled.details.map(json);
                Ok(operations::canceled_report(canceled.message, details))
            }
            (false, None, None) => Err(ApiError::invalid_argument(
                "it does not say how the task ended: it has one of result, result_base64, failure \
                 and canceled. A task without a result has `null`",
            )),
            _ => Err(ApiError::invalid_argument(
                "it says several things at once: it has one of result, result_base64, failure and \
                 canceled",
            )),
        }
    }
}

impl From<Vec<Result<RunId, ServiceError>>> for ReportsAnswer {
    fn from(reported: Vec<Result<RunId, ServiceError>>) -> Self {
        let results = reported.into_iter().map(|reported| ReportResult {
            recorded: reported.is_ok(),
            error: reported.err().map(TaskError::from),
        });
        Self { results: results.collect() }
    }
}

impl From<ServiceError> for TaskError {
    fn from(error: ServiceError) -> Self {
        let ServiceError { code, message, .. } = error;
        Self { code: code.as_str(), message, retryable: code.is_retryable() }
    }
}

fn token(list: &str, place: usize, text: &str) -> Result<TaskToken, ServiceError> {
    text.parse().map_err(|error| {
        ServiceError::new(ErrorCode::InvalidArgument, format!("{list}[{place}].token: {error}"))
    })
}

/// Of a batch, each by itself, unless it can't be done at all.
pub(crate) type EachOf<T> = Result<Vec<Result<T, ServiceError>>, ServiceError>;

/// Does something for all that is valid, and answers the rest with what is wrong with it:
/// one that is wrong takes nothing from the others.
pub(crate) async fn for_each_valid<T, U, F>(
    items: Vec<Result<T, ServiceError>>,
    act: impl FnOnce(Vec<T>) -> F,
) -> EachOf<U>
where
    F: Future<Output = EachOf<U>>,
{
    let (mut valid, mut refusals) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Ok(item) => {
                valid.push(item);
                refusals.push(None);
            }
            Err(error) => refusals.push(Some(error)),
        }
    }
    let mut done = act(valid).await?.into_iter();
    let answered = refusals.into_iter().filter_map(|refusal| match refusal {
        Some(error) => Some(Err(error)),
        None => done.next(),
    });
    Ok(answered.collect())
}
