//! Failures.

use dacapo_model::failure;
use serde::Serialize;
use utoipa::ToSchema;

use super::mirror::mirror;
use super::payload::{self, RawJson};

mirror! {
    /// What went wrong, in the broadest terms.
    FailureKind = failure::FailureKind {
        /// Raised by the code of a workflow or an activity.
        Application,
        /// Ended by a cancellation request.
        Cancelled,
        /// A timeout of the runtime elapsed.
        Timeout,
        /// A run was terminated from outside.
        Terminated,
        /// An activity closed without a result; the cause says why.
        Activity,
        /// A child workflow closed without a result; the cause says why.
        Child,
        /// The code does not fit the recorded history.
        Nondeterminism,
    }
}

/// One link of a failure's chain.
#[derive(Serialize, ToSchema)]
pub(crate) struct FailureInfo {
    /// What went wrong, in the broadest terms.
    kind: FailureKind,
    /// A stable name for programs; retry policies match it exactly.
    #[serde(rename = "type")]
    type_name: String,
    /// A sentence for people.
    message: String,
    /// True if trying again can't help.
    non_retryable: bool,
    /// Wait before the next attempt, instead of what the retry policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_retry_delay_seconds: Option<f64>,
    /// Data for the program that handles the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    details_base64: Option<String>,
}

/// A failure with everything that led to it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Failure {
    #[serde(flatten)]
    info: FailureInfo,
    /// Its causes, the nearest first.
    causes: Vec<FailureInfo>,
}

impl From<failure::FailureInfo> for FailureInfo {
    fn from(info: failure::FailureInfo) -> Self {
        let (details, details_base64) =
            info.details.as_ref().map(payload::embed).unwrap_or_default();
        Self {
            kind: info.kind.into(),
            type_name: info.type_name,
            message: info.message,
            non_retryable: info.non_retryable,
            next_retry_delay_seconds: info.next_retry_delay.map(|delay| delay.as_secs_f64()),
            details,
            details_base64,
        }
    }
}

impl From<failure::Failure> for Failure {
    fn from(failure: failure::Failure) -> Self {
        Self {
            info: failure.info.into(),
            causes: failure.causes.into_iter().map(FailureInfo::from).collect(),
        }
    }
}
