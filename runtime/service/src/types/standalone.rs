//! Activities that no workflow asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use dacapo_model::attributes::RunAttributes;
use dacapo_model::event::{ActivityOptions, AskedActivityOptions};
use dacapo_model::execution::{Execution, ExecutionStatus, IdConflictPolicy, IdReusePolicy};
use dacapo_model::ids::{ActivityId, RequestId, RunId, TypeName};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;

use super::{ActivityDescription, Closing};

/// An activity to start.
#[derive(Debug, Clone, PartialEq)]
pub struct StartActivityRequest {
    /// What.
    pub activity_type: TypeName,
    /// The caller's name for it; one is made up if there is none.
    pub activity_id: Option<ActivityId>,
    /// By which a repeat of this request is recognised.
    pub request_id: Option<RequestId>,
    /// Its argument.
    pub input: Payload,
    /// If the latest activity of this id is closed.
    pub reuse_policy: IdReusePolicy,
    /// If one of this id is open.
    pub conflict_policy: IdConflictPolicy,
    /// How it is to be made. A task queue is needed.
    pub options: AskedActivityOptions,
    /// How long it waits before its first attempt can begin.
    pub start_delay: Option<Duration>,
    /// A memo and search attributes.
    pub attributes: RunAttributes,
    /// The search attributes whose type was inferred, as of a run.
    pub inferred: BTreeSet<String>,
}

/// The activity that a start led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedActivity {
    /// The caller's name for it.
    pub activity_id: ActivityId,
    /// Its run.
    pub run_id: RunId,
    /// False if it was there already.
    pub started: bool,
}

/// Names an activity that no workflow asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandaloneRef {
    /// The caller's name for it.
    pub activity_id: ActivityId,
    /// A certain run; without it, the open one, or else the latest.
    pub run_id: Option<RunId>,
}

/// The state of an activity when the wait was over.
#[derive(Debug, Clone, PartialEq)]
pub struct StandaloneResult {
    /// The caller's name for it.
    pub activity_id: ActivityId,
    /// Its run.
    pub run_id: RunId,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// How it ended; none while it is open.
    pub closing: Option<Closing>,
}

/// One activity of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct StandaloneSummary {
    /// The caller's name for it.
    pub activity_id: ActivityId,
    /// Its run, whose workflow type is the activity's type.
    pub execution: Execution,
}

/// Everything that is known of an activity without its history.
#[derive(Debug, Clone, PartialEq)]
pub struct StandaloneDescription {
    /// What a list says of it.
    pub summary: StandaloneSummary,
    /// Events in its history.
    pub history_length: u64,
    /// How it was asked for; none if that can't be read.
    pub options: Option<ActivityOptions>,
    /// Whether it was asked to cancel. Of a closed one: whether that is how it closed.
    pub cancel_requested: bool,
    /// Until when its start is delayed; none once it has begun.
    pub delayed_until: Option<Timestamp>,
    /// The attempt that runs or comes next, or was the last; none if there was none, or if
    /// it is not known.
    pub attempt: Option<u32>,
    /// What its attempts have said so far; none before it has begun and once it has ended.
    pub pending: Option<ActivityDescription>,
}
