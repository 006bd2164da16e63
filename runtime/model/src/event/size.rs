//! How much of a history one event is.

use super::EventAttributes;
use crate::failure::{Failure, FailureInfo};
use crate::payload::Payload;

/// Bytes that an event is counted for besides what guests and clients make as
/// long as they like.
pub const EVENT_BYTES: u64 = 128;

impl EventAttributes {
    /// About how many bytes the event takes. The same whenever it is asked: the
    /// guest sees it. What an event counts for never changes.
    pub fn bytes(&self) -> u64 {
        let payload = self.payload().map_or(0, |(_, payload)| payload.len());
        let texts = match self {
            Self::WorkflowExecutionCancelRequested { reason, .. }
            | Self::WorkflowExecutionTerminated { reason, .. } => reason.len(),
            Self::WorkflowExecutionCanceled { details } => details.len(),
            Self::WorkflowTaskFailed { message, .. } => message.len(),
            Self::WorkflowExecutionFailed { failure, .. }
            | Self::ActivityTaskFailed { failure, .. }
            | Self::ActivityTaskTimedOut { last_failure: Some(failure), .. } => {
                failure_bytes(failure)
            }
            Self::StartChildWorkflowExecutionInitiated(child) => child.options.guest_bytes(),
            Self::UpsertWorkflowSearchAttributes(upsert) => upsert.changes().bytes(),
            Self::WorkflowPropertiesModified(modified) => modified.changes().bytes(),
            Self::WorkflowTagsModified(tags) | Self::WorkflowExecutionTagsUpdated(tags) => {
                tags.changes().bytes()
            }
            _ => 0,
        };
        EVENT_BYTES + (payload + texts) as u64
    }
}

fn failure_bytes(failure: &Failure) -> usize {
    let info = |info: &FailureInfo| {
        info.message.len() + info.type_name.len() + info.details.as_ref().map_or(0, Payload::len)
    };
    std::iter::once(&failure.info).chain(&failure.causes).map(info).sum()
}
