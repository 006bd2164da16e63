//! What events hold about a run's time, and the runs that follow each other.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_model::event;
use dacapo_model::ids::{EventId, RequestId, RunId, UpdateId};
use dacapo_model::json::Json;
use dacapo_model::retry;
use dacapo_model::tag::Tags;
use dacapo_model::time::Timestamp;
use dacapo_model::trace::TraceContext;
use serde::Serialize;
use utoipa::ToSchema;

use super::{RetryPolicy, RetryState};
use crate::wire::failure::Failure;
use crate::wire::mirror::mirror;
use crate::wire::options::{SearchAttribute, show_memo, show_search_attributes};
use crate::wire::payload::RawJson;

mirror! {
    /// Which timeout of a run elapsed.
    RunTimeoutType = event::RunTimeoutType {
        /// That of the one run.
        Run,
        /// That of all runs that followed each other.
        Execution,
    }
}

/// How a run is to run.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunOptions {
    /// How long the run may take, from its first activation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_timeout_seconds: Option<f64>,
    /// How long the runs that follow each other may take together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) execution_timeout_seconds: Option<f64>,
    /// Its workflow does not run before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) delayed_until: Option<Timestamp>,
    /// Whether another run follows if this one fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_policy: Option<RetryPolicy>,
    /// What is said about it, for people.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) memo: BTreeMap<String, RawJson>,
    /// What is said about it, with types.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) search_attributes: BTreeMap<String, SearchAttribute>,
    /// Its labels.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub(super) tags: Tags,
    /// The span of a trace that the run is a part of, as the W3C's Trace Context writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) traceparent: Option<String>,
    /// What vendors keep with that trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tracestate: Option<String>,
}

/// A run's place among those that follow each other.
#[derive(Serialize, ToSchema)]
pub(crate) struct Chain {
    /// The first of them; absent in the first itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(super) first_run_id: Option<RunId>,
    /// Counts the runs since one failed, from 1.
    pub(super) attempt: u32,
    /// When the execution timeout elapses.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) execution_deadline: Option<Timestamp>,
    /// What the attempt before failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) continued_failure: Option<Failure>,
    /// The run as which it passes until `WorkflowExecutionReset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(super) original_run_id: Option<RunId>,
    /// The requests by which repeats of signals are recognised that runs before this one have
    /// taken; the newest first, and not all of very many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub(super) taken_signals: Vec<RequestId>,
    /// The updates that runs before this one have accepted; the newest first, and not all of very
    /// many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) taken_updates: Vec<TakenUpdate>,
}

/// An update that a run before this one has accepted.
#[derive(Serialize, ToSchema)]
pub(crate) struct TakenUpdate {
    /// Which one.
    #[schema(value_type = String)]
    update_id: UpdateId,
    /// The run that has it.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
}

/// What a run that continues as new changes.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContinuationOptions {
    /// The run timeout of the new run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_timeout_seconds: Option<f64>,
    /// How long the new run waits before it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) backoff_start_interval_seconds: Option<f64>,
    /// Values of the memo; null removes one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Option<serde_json::Value>>)]
    pub(super) memo: BTreeMap<String, Option<RawJson>>,
    /// Search attributes; null removes one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, SearchAttribute>)]
    pub(super) search_attributes: BTreeMap<String, Option<SearchAttribute>>,
    /// Tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<TagsChanged>,
}

/// The time of a run was over.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionTimedOut {
    /// Which time.
    timeout_type: RunTimeoutType,
    /// Whether another run follows, or why not; absent without a retry policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_state: Option<RetryState>,
    /// The run that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    new_run_id: Option<RunId>,
}

/// The delay of a start was over.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionDelayEnded {}

/// A run began with the history of another.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowExecutionReset {
    /// The run that was copied from.
    #[schema(value_type = String, format = "uuid")]
    base_run_id: RunId,
    /// The first event that was not copied.
    #[schema(value_type = u64)]
    base_event_id: EventId,
    /// The run itself.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// Why, for people.
    reason: String,
}

/// Search attributes that a workflow changed.
#[derive(Serialize, ToSchema)]
pub(crate) struct UpsertWorkflowSearchAttributes {
    /// By name; null where one was removed.
    #[schema(value_type = BTreeMap<String, SearchAttribute>)]
    search_attributes: BTreeMap<String, Option<SearchAttribute>>,
}

/// Values of the memo that a workflow changed.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowPropertiesModified {
    /// By name; null where one was removed.
    #[schema(value_type = BTreeMap<String, Option<serde_json::Value>>)]
    memo: BTreeMap<String, Option<RawJson>>,
}

/// Tags that were changed.
#[derive(Serialize, ToSchema)]
pub(crate) struct TagsChanged {
    /// Those that it has from then on.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    added: Tags,
    /// Those that it does not have any more.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    removed: Tags,
}

fn seconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64()
}

/// None if nothing was asked for.
pub(super) fn run_options(options: event::RunOptions) -> Option<RunOptions> {
    (options != event::RunOptions::default()).then(|| RunOptions {
        run_timeout_seconds: options.run_timeout.map(seconds),
        execution_timeout_seconds: options.execution_timeout.map(seconds),
        delayed_until: options.delayed_until,
        retry_policy: options.retry.map(RetryPolicy::from),
        memo: show_memo(options.attributes.memo),
        search_attributes: show_search_attributes(options.attributes.search_attributes),
        tags: options.attributes.tags,
        traceparent: options.trace.as_deref().map(TraceContext::traceparent),
        tracestate: options.trace.map(|it| it.tracestate).filter(|it| !it.is_empty()),
    })
}

/// None of the first attempt of a first run without a deadline.
pub(super) fn chain(chain: event::Chain) -> Option<Chain> {
    (chain != event::Chain::default()).then(|| Chain {
        first_run_id: chain.first_run_id,
        attempt: chain.attempt,
        execution_deadline: chain.execution_deadline,
        continued_failure: chain.continued_failure.map(Failure::from),
        original_run_id: chain.original_run_id,
        taken_signals: chain.taken.signals,
        taken_updates: chain.taken.updates.into_iter().map(TakenUpdate::from).collect(),
    })
}

impl From<event::TakenUpdate> for TakenUpdate {
    fn from(update: event::TakenUpdate) -> Self {
        Self { update_id: update.update_id, run_id: update.run_id }
    }
}

/// None if nothing changes.
pub(crate) fn continuation(options: event::ContinuationOptions) -> Option<ContinuationOptions> {
    (options != event::ContinuationOptions::default()).then(|| ContinuationOptions {
        run_timeout_seconds: options.run_timeout.map(seconds),
        backoff_start_interval_seconds: Some(seconds(options.backoff)).filter(|it| *it > 0.0),
        memo: memo_changes(options.attributes.memo),
        search_attributes: changes(options.attributes.search_attributes),
        tags: (!options.attributes.tags.is_empty())
            .then(|| event::TagsChanged::from(options.attributes.tags).into()),
    })
}

fn memo_changes(changes: BTreeMap<String, Option<Json>>) -> BTreeMap<String, Option<RawJson>> {
    changes.into_iter().map(|(name, value)| (name, value.map(RawJson::from))).collect()
}

fn changes(
    changes: BTreeMap<String, Option<dacapo_model::attributes::SearchAttribute>>,
) -> BTreeMap<String, Option<SearchAttribute>> {
    changes.into_iter().map(|(name, value)| (name, value.map(SearchAttribute::from))).collect()
}

pub(crate) fn retry_state(state: Option<retry::RetryState>) -> Option<RetryState> {
    state.map(RetryState::from)
}

impl From<event::WorkflowExecutionTimedOut> for WorkflowExecutionTimedOut {
    fn from(event: event::WorkflowExecutionTimedOut) -> Self {
        Self {
            timeout_type: event.timeout_type.into(),
            retry_state: retry_state(event.retry_state),
            new_run_id: event.new_run_id,
        }
    }
}

impl From<event::WorkflowExecutionReset> for WorkflowExecutionReset {
    fn from(event: event::WorkflowExecutionReset) -> Self {
        Self {
            base_run_id: event.base_run_id,
            base_event_id: event.base_event_id,
            run_id: event.run_id,
            reason: event.reason,
        }
    }
}

impl From<event::UpsertWorkflowSearchAttributes> for UpsertWorkflowSearchAttributes {
    fn from(event: event::UpsertWorkflowSearchAttributes) -> Self {
        Self { search_attributes: changes(event.search_attributes) }
    }
}

impl From<event::TagsChanged> for TagsChanged {
    fn from(event: event::TagsChanged) -> Self {
        Self { added: event.added, removed: event.removed }
    }
}

impl From<event::WorkflowPropertiesModified> for WorkflowPropertiesModified {
    fn from(event: event::WorkflowPropertiesModified) -> Self {
        Self { memo: memo_changes(event.memo) }
    }
}
