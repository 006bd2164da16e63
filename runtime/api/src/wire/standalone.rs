//! Activities that no workflow asked for.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_model::event::{ActivityOptions, AskedActivityOptions};
use dacapo_model::ids::{ActivityId, QueueName, RequestId, RunId, TypeName};
use dacapo_model::retry::RetryPolicy;
use dacapo_model::tag::Tags;
use dacapo_model::task::{FairnessKey, FairnessWeight, InvalidRoute, Priority, TaskRoute};
use dacapo_model::time::Timestamp;
use dacapo_service::operations;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::failure::Failure;
use super::object;
use super::options::{
    RetryOptions, SearchAttribute, attributes, duration, show_memo, show_search_attributes,
};
use super::payload::{self, RawJson};
use super::request::{IdConflictPolicy, IdReusePolicy, present};
use super::result::Ending;
use super::run::{ActivityLease, Blocked, RunStatus};
use super::task_placement::TaskPlacement;
use crate::error::ApiError;

/// An activity to start without a workflow.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartActivityRequest {
    /// The activity type, as the workers of the queue know it.
    #[schema(example = "send_email")]
    activity: String,
    /// The task queue whose workers do it.
    #[serde(default)]
    #[schema(value_type = String, required = true, example = "emails")]
    task_queue: Option<String>,
    /// Your name for it; at most one activity of this name is open. One is made up if it is absent.
    #[serde(default)]
    #[schema(example = "welcome-17")]
    activity_id: Option<String>,
    /// Send the same one when you repeat a start: it is answered with the activity that the first one
    /// started. Needs an `activity_id`.
    #[serde(default)]
    request_id: Option<String>,
    /// The activity's argument: any JSON value, which it gets byte for byte; `null` if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Option<Box<RawValue>>,
    /// The argument as base64, if it is not JSON. Not together with `input`.
    #[serde(default)]
    input_base64: Option<String>,
    /// What is not always needed.
    #[serde(default, deserialize_with = "object::field")]
    options: StartActivityOptions,
}

/// How an activity without a workflow is to be made.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartActivityOptions {
    /// If the latest activity of this id is closed; `allow_duplicate` if absent.
    #[serde(default)]
    id_reuse_policy: Option<IdReusePolicy>,
    /// If an activity of this id is open; `fail` if absent.
    #[serde(default)]
    id_conflict_policy: Option<IdConflictPolicy>,
    /// How long one attempt may take; 60 s if absent.
    #[serde(default)]
    start_to_close_timeout_seconds: Option<f64>,
    /// How long all attempts and the waits between them may take. No limit if absent.
    #[serde(default)]
    schedule_to_close_timeout_seconds: Option<f64>,
    /// How long an attempt may wait for a worker. No limit if absent.
    #[serde(default)]
    schedule_to_start_timeout_seconds: Option<f64>,
    /// Longest silence between two heartbeats. No limit but that of the worker's lease if absent.
    #[serde(default)]
    heartbeat_timeout_seconds: Option<f64>,
    /// When and how often it is tried again; without end, with growing waits, if absent.
    #[serde(default, deserialize_with = "object::optional")]
    retry_policy: Option<RetryOptions>,
    /// How long it waits before a worker gets it. A request to cancel ends the wait, and it.
    #[serde(default)]
    start_delay_seconds: Option<f64>,
    /// From 1, which comes first, to 5; 3 if absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 5)]
    priority: Option<u8>,
    /// Whose it is: those of one priority are handed out in turn by key.
    #[serde(default)]
    fairness_key: Option<String>,
    /// How many turns its key has for each turn of one with the weight 1; 1 if absent.
    #[serde(default)]
    fairness_weight: Option<f64>,
    /// What is said about it for people: any JSON by name, 32 KiB in all.
    #[serde(default, deserialize_with = "object::unique")]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    memo: BTreeMap<String, Box<RawValue>>,
    /// What is said about it with types: `{"type": "Keyword", "value": "gold"}`, or plain JSON that
    /// says its type by itself.
    #[serde(default, deserialize_with = "object::unique")]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    search_attributes: BTreeMap<String, Box<RawValue>>,
    /// Labels: at most 32, of 64 bytes each.
    #[serde(default)]
    tags: Vec<String>,
}

impl StartActivityRequest {
    pub(crate) fn into_operation(self) -> Result<operations::StartActivityRequest, ApiError> {
        let Self { activity, task_queue, activity_id, request_id, input, input_base64, options } =
            self;
        let queue = task_queue.map(QueueName::addressable).transpose()?;
        let route = queue.map(|queue| {
            route(queue, options.priority, options.fairness_key, options.fairness_weight)
        });
        let seconds = |name, seconds| duration(name, seconds);
        let (attributes, inferred) =
            attributes(options.memo, options.search_attributes, options.tags)?;
        Ok(operations::StartActivityRequest {
            activity_type: TypeName::new(activity)?,
            activity_id: activity_id.map(ActivityId::addressable).transpose()?,
            request_id: request_id.map(RequestId::new).transpose()?,
            input: payload::extract("input", input, input_base64)?,
            reuse_policy: options.id_reuse_policy.map(Into::into).unwrap_or_default(),
            conflict_policy: options.id_conflict_policy.map(Into::into).unwrap_or_default(),
            options: AskedActivityOptions {
                start_to_close_timeout: seconds(
                    "start_to_close_timeout_seconds",
                    options.start_to_close_timeout_seconds,
                )?,
                schedule_to_close_timeout: seconds(
                    "schedule_to_close_timeout_seconds",
                    options.schedule_to_close_timeout_seconds,
                )?,
                schedule_to_start_timeout: seconds(
                    "schedule_to_start_timeout_seconds",
                    options.schedule_to_start_timeout_seconds,
                )?,
                heartbeat_timeout: seconds(
                    "heartbeat_timeout_seconds",
                    options.heartbeat_timeout_seconds,
                )?,
                retry: options.retry_policy.map(RetryOptions::into_policy).transpose()?,
                task_queue: route.transpose()?,
                module: None,
            },
            start_delay: seconds("start_delay_seconds", options.start_delay_seconds)?,
            attributes,
            inferred,
        })
    }
}

fn route(
    queue: QueueName,
    priority: Option<u8>,
    fairness_key: Option<String>,
    fairness_weight: Option<f64>,
) -> Result<TaskRoute, ApiError> {
    let wrong = |error: InvalidRoute| ApiError::invalid_argument(error.to_string());
    Ok(TaskRoute {
        queue,
        priority: priority.map(Priority::new).transpose().map_err(wrong)?.unwrap_or_default(),
        fairness_key: fairness_key.map(FairnessKey::new).transpose().map_err(wrong)?,
        fairness_weight: fairness_weight
            .map(FairnessWeight::new)
            .transpose()
            .map_err(wrong)?
            .unwrap_or_default(),
    })
}

/// The activity that a start led to.
#[derive(Serialize, ToSchema)]
pub(crate) struct StartActivityAnswer {
    /// The caller's name for it.
    #[schema(value_type = String, example = "welcome-17")]
    activity_id: ActivityId,
    /// Its run: an id may be used again.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// False if it was there already.
    started: bool,
    /// Where it stood when the wait was over; absent without a wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<RunStatus>,
    #[serde(flatten)]
    ending: Ending,
}

impl StartActivityAnswer {
    pub(crate) fn new(
        started: operations::StartedActivity,
        waited: Option<operations::StandaloneResult>,
    ) -> Self {
        let status = waited.as_ref().map(|result| result.status.into());
        let closing = waited.and_then(|result| result.closing);
        Self {
            activity_id: started.activity_id,
            run_id: started.run_id,
            started: started.started,
            status,
            ending: closing.map(Ending::from).unwrap_or_default(),
        }
    }
}

/// The state of an activity when the wait was over.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityResult {
    /// The caller's name for it.
    #[schema(value_type = String, example = "welcome-17")]
    activity_id: ActivityId,
    /// Its run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// Where it stands.
    status: RunStatus,
    #[serde(flatten)]
    ending: Ending,
}

impl From<operations::StandaloneResult> for ActivityResult {
    fn from(result: operations::StandaloneResult) -> Self {
        Self {
            activity_id: result.activity_id,
            run_id: result.run_id,
            status: result.status.into(),
            ending: result.closing.map(Ending::from).unwrap_or_default(),
        }
    }
}

/// An activity without a workflow, in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivitySummary {
    /// The caller's name for it.
    #[schema(value_type = String, example = "welcome-17")]
    activity_id: ActivityId,
    /// Its run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// What runs.
    #[schema(value_type = String, example = "send_email")]
    activity_type: TypeName,
    /// Where it stands.
    status: RunStatus,
    /// Why the server can't go on with it; there exactly while it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<Blocked>,
    /// The request that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    request_id: Option<RequestId>,
    /// What is said about it, for people.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    memo: BTreeMap<String, RawJson>,
    /// What is said about it, with types.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    search_attributes: BTreeMap<String, SearchAttribute>,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    tags: Tags,
    /// When it started.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
    /// When a worker could get it for the first time: when it started, or when the delay of its
    /// start was over.
    #[schema(value_type = String, format = DateTime)]
    execution_time: Timestamp,
    /// The task queue whose workers do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "emails")]
    task_queue: Option<QueueName>,
}

impl From<operations::StandaloneSummary> for ActivitySummary {
    fn from(summary: operations::StandaloneSummary) -> Self {
        let operations::StandaloneSummary { activity_id, execution: run } = summary;
        let execution_time = run.execution_time();
        Self {
            activity_id,
            run_id: run.key.run_id,
            activity_type: run.workflow_type,
            status: run.status.into(),
            blocked: run.blocked.map(Blocked::from),
            request_id: run.request_id,
            memo: show_memo(run.attributes.memo),
            search_attributes: show_search_attributes(run.attributes.search_attributes),
            tags: run.attributes.tags,
            execution_time,
            task_queue: run.task_queue,
            started_at: run.started_at,
            closed_at: run.closed_at,
        }
    }
}

/// One page of a list of activities without a workflow, the newest start first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityList {
    /// The activities.
    pub(crate) activities: Vec<ActivitySummary>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

/// Everything that is known of an activity without a workflow.
#[derive(Serialize, ToSchema)]
pub(crate) struct ActivityDescription {
    #[serde(flatten)]
    activity: ActivitySummary,
    /// The workflow id of its run, by which it has a history and can be paused and reset.
    #[schema(value_type = String, example = "dacapo:activity:welcome-17")]
    workflow_id: String,
    /// Events in that history.
    history_length: u64,
    /// The attempt that runs or comes next, from 1, or that was the last. Absent if none has begun or
    /// is about to, and if it was ended from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// When the next attempt is due; absent while one runs or waits for a worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// What the attempt before failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<Failure>,
    /// What the last heartbeat said that was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_details: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_details_base64: Option<String>,
    /// The worker that has it; absent if none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<ActivityLease>,
    /// Whether it was asked to cancel.
    cancel_requested: bool,
    /// Whether an operator holds it: no further attempt begins.
    paused: bool,
    /// Until when its start is delayed; absent once it has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    delayed_until: Option<Timestamp>,
    /// How it was asked for, with every default; absent if that can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<ShownOptions>,
}

/// How an activity was asked for.
#[derive(Serialize, ToSchema)]
struct ShownOptions {
    /// Where its attempts wait for a worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_queue: Option<TaskPlacement>,
    /// How long one attempt may take.
    start_to_close_timeout_seconds: f64,
    /// How long all attempts and the waits between them may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_to_close_timeout_seconds: Option<f64>,
    /// How long an attempt may wait for a worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_to_start_timeout_seconds: Option<f64>,
    /// Longest silence between two heartbeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_timeout_seconds: Option<f64>,
    /// When and how often it is tried again.
    retry_policy: ShownRetryPolicy,
}

/// When and how often an activity is tried again.
#[derive(Serialize, ToSchema)]
struct ShownRetryPolicy {
    /// Wait before the second attempt.
    initial_interval_seconds: f64,
    /// Factor from one wait to the next.
    backoff_coefficient: f64,
    /// No wait is longer than this.
    maximum_interval_seconds: f64,
    /// Attempts in total; 0 means no limit.
    maximum_attempts: u32,
    /// Failure types after which it is not tried again.
    non_retryable_types: Vec<String>,
}

impl From<RetryPolicy> for ShownRetryPolicy {
    fn from(policy: RetryPolicy) -> Self {
        Self {
            initial_interval_seconds: policy.initial_interval.as_secs_f64(),
            backoff_coefficient: policy.backoff_coefficient,
            maximum_interval_seconds: policy.maximum_interval.as_secs_f64(),
            maximum_attempts: policy.maximum_attempts,
            non_retryable_types: policy.non_retryable_types,
        }
    }
}

impl From<ActivityOptions> for ShownOptions {
    fn from(options: ActivityOptions) -> Self {
        let seconds = |timeout: Option<std::time::Duration>| timeout.map(|it| it.as_secs_f64());
        Self {
            task_queue: options.task_queue.map(TaskPlacement::from),
            start_to_close_timeout_seconds: options.start_to_close_timeout.as_secs_f64(),
            schedule_to_close_timeout_seconds: seconds(options.schedule_to_close_timeout),
            schedule_to_start_timeout_seconds: seconds(options.schedule_to_start_timeout),
            heartbeat_timeout_seconds: seconds(options.heartbeat_timeout),
            retry_policy: options.retry.into(),
        }
    }
}

impl From<operations::StandaloneDescription> for ActivityDescription {
    fn from(description: operations::StandaloneDescription) -> Self {
        let workflow_id = description.summary.execution.workflow_id.to_string();
        let pending = description.pending;
        let details = pending.as_ref().and_then(|pending| pending.heartbeat_details.as_ref());
        let (heartbeat_details, heartbeat_details_base64) =
            details.map(payload::embed).unwrap_or_default();
        Self {
            activity: description.summary.into(),
            workflow_id,
            history_length: description.history_length,
            attempt: description.attempt,
            next_attempt_at: pending.as_ref().and_then(|pending| pending.next_attempt_at),
            paused: pending.as_ref().is_some_and(|pending| pending.paused),
            heartbeat_details,
            heartbeat_details_base64,
            lease: pending
                .as_ref()
                .and_then(|pending| pending.lease.clone())
                .map(ActivityLease::from),
            last_failure: pending.and_then(|pending| pending.last_failure).map(Failure::from),
            cancel_requested: description.cancel_requested,
            delayed_until: description.delayed_until,
            options: description.options.map(ShownOptions::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<operations::StartActivityRequest, String> {
        let request: StartActivityRequest =
            serde_json::from_str(body).map_err(|error| error.to_string())?;
        request.into_operation().map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn a_start_says_where_and_what_and_the_rest_has_defaults() {
        let request = read(r#"{"activity": "send", "task_queue": "emails"}"#).expect("enough");
        assert_eq!(request.input.as_bytes(), b"null");
        let queue = QueueName::new("emails").expect("valid");
        assert_eq!(request.options.task_queue, Some(TaskRoute::to(queue)));
        let with = |options: &str| {
            let start = r#""activity": "send", "task_queue": "emails""#;
            read(&format!(r#"{{{start}, "options": {{{options}}}}}"#))
        };
        let placed = with(r#""priority": 1, "fairness_key": "a", "fairness_weight": 2"#);
        let route = placed.expect("valid").options.task_queue.expect("a route");
        assert_eq!((route.priority.number(), route.fairness_weight.number()), (1, 2.0));
        for (refused, about) in [
            (r#""priority": 6"#, "priority"),
            (r#""fairness_key": """#, "fairness key"),
            (r#""fairness_weight": 0"#, "fairness weight"),
            (r#""start_to_close_timeout_seconds": -1"#, "start_to_close_timeout_seconds"),
            (r#""run_timeout_seconds": 1"#, "run_timeout_seconds"),
        ] {
            let error = with(refused).expect_err("it breaks a rule");
            assert!(error.contains(about), "{refused}: {error}");
        }
    }
}
