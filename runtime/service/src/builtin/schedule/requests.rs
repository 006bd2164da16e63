//! What a schedule is asked: updates of its run.

use dacapo_model::ids::UpdateName;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::types::{ActionFailure, OverlapPolicy, ScheduleDefinition};

/// One request. Its name is that of the update, the rest its input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(crate) enum Request {
    /// To take no action by itself.
    Pause { note: Option<String> },
    /// To go on.
    Resume { note: Option<String> },
    /// To do something else from now on.
    Update(Box<Update>),
    /// To take an action now.
    Trigger { overlap: Option<OverlapPolicy> },
    /// To take the actions of these times.
    Backfill { times: Vec<Timestamp>, overlap: Option<OverlapPolicy> },
}

/// Another definition. What is absent stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Update {
    pub(crate) definition: ScheduleDefinition,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// The number, or no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) remaining_actions: Option<Option<u64>>,
}

/// What became of the actions that a request has asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionsAsked {
    /// Those whose runs were started at once.
    pub started: u64,
    /// Those that wait.
    pub buffered: u64,
    /// Those that the overlap policy has skipped.
    pub skipped: u64,
    /// Those for which the buffer had no room.
    pub dropped: u64,
    /// Those whose runs could not be started.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Why the last of them could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ActionFailure>,
    /// The workflow id of the last that was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Request {
    pub(crate) fn name(&self) -> UpdateName {
        let name = match self {
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Update(_) => "update",
            Self::Trigger { .. } => "trigger",
            Self::Backfill { .. } => "backfill",
        };
        UpdateName::new(name).expect("it is a name")
    }

    pub(crate) fn input(&self) -> Payload {
        Payload::from(serde_json::to_vec(self).expect("it is plain data"))
    }

    pub(super) fn read(input: &Payload) -> Result<Self, String> {
        serde_json::from_slice(input.as_bytes()).map_err(|error| error.to_string())
    }
}
