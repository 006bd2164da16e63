//! What is said about activities from outside.

use std::time::Duration;

use dacapo_model::failure;
use dacapo_model::payload::Payload;
use dacapo_service::operations::{self, AttemptSignals, Report};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::failure::FailureKind;
use super::object;
use super::payload::extract;
use super::request::present;
use crate::error::ApiError;

/// The result of an attempt.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompleteActivityRequest {
    /// What the attempt was given, if the path does not name the activity.
    #[serde(default)]
    pub(crate) token: Option<String>,
    /// Any JSON value, which the workflow gets byte for byte; `null` if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value, required = false)]
    result: Option<Box<RawValue>>,
    /// The same as base64, if it is not JSON. Not together with `result`.
    #[serde(default)]
    result_base64: Option<String>,
}

/// Why an attempt failed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailActivityRequest {
    /// What the attempt was given, if the path does not name the activity.
    #[serde(default)]
    pub(crate) token: Option<String>,
    /// Why.
    #[serde(deserialize_with = "object::field")]
    pub(crate) failure: FailureRequest,
}

/// How an attempt ended that was asked to cancel.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelActivityRequest {
    /// What the attempt was given, if the path does not name the activity.
    #[serde(default)]
    pub(crate) token: Option<String>,
    /// For people.
    #[serde(default)]
    pub(crate) message: String,
    /// For the workflow: any JSON value.
    #[serde(default)]
    #[schema(value_type = serde_json::Value, required = false)]
    pub(crate) details: Option<Box<RawValue>>,
}

/// How far an attempt has come.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeartbeatRequest {
    /// What the attempt was given, if the path does not name the activity.
    #[serde(default)]
    pub(crate) token: Option<String>,
    /// What the next attempt is to be told if this one fails: any JSON value. Without it, what was
    /// said before is kept.
    #[serde(default)]
    #[schema(value_type = serde_json::Value, required = false)]
    pub(crate) details: Option<Box<RawValue>>,
}

/// What an attempt is to know.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeartbeatAnswer {
    /// The workflow asked the activity to cancel.
    cancel_requested: bool,
    /// An operator holds the activity: no further attempt begins. This one may go on.
    paused: bool,
}

/// Why an operator does something to an activity.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControlActivityRequest {
    /// For people; kept in the history.
    #[serde(default)]
    pub(crate) reason: String,
}

/// How an activity starts over.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetActivityRequest {
    /// For people; kept in the history.
    #[serde(default)]
    pub(crate) reason: String,
    /// Whether attempt 1 is not told what the last heartbeat said.
    #[serde(default)]
    pub(crate) forget_heartbeat: bool,
}

/// A failure with everything that led to it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailureRequest {
    /// `application` if absent.
    #[serde(default)]
    kind: Option<FailureKind>,
    /// A stable name for programs; retry policies match it exactly.
    #[serde(rename = "type")]
    type_name: String,
    /// A sentence for people.
    #[serde(default)]
    message: String,
    /// True if trying again can't help.
    #[serde(default)]
    non_retryable: bool,
    /// Wait before the next attempt, instead of what the retry policy says.
    #[serde(default)]
    next_retry_delay_seconds: Option<f64>,
    /// Data for the program that handles the failure: any JSON value.
    #[serde(default)]
    #[schema(value_type = serde_json::Value, required = false)]
    details: Option<Box<RawValue>>,
    /// Its causes, the nearest first; at most 16 are kept. Their own causes are not looked at.
    #[serde(default, deserialize_with = "object::list")]
    #[schema(no_recursion)]
    causes: Vec<FailureRequest>,
}

impl CompleteActivityRequest {
    pub(crate) fn result(self) -> Result<Payload, ApiError> {
        extract("result", self.result, self.result_base64)
    }
}

impl CancelActivityRequest {
    pub(crate) fn report(self) -> Report {
        operations::canceled_report(self.message, self.details.map(json))
    }
}

impl FailureRequest {
    pub(crate) fn into_failure(mut self) -> Result<failure::Failure, ApiError> {
        let causes = std::mem::take(&mut self.causes).into_iter().map(Self::into_info);
        let causes = causes.collect::<Result<_, _>>()?;
        Ok(failure::Failure { info: self.into_info()?, causes })
    }

    fn into_info(self) -> Result<failure::FailureInfo, ApiError> {
        let delay = self.next_retry_delay_seconds.map(Duration::try_from_secs_f64).transpose();
        let next_retry_delay = delay.map_err(|_| {
            ApiError::invalid_argument("next_retry_delay_seconds is a number of seconds from 0 on")
        })?;
        Ok(failure::FailureInfo {
            kind: self.kind.unwrap_or(FailureKind::Application).into(),
            type_name: self.type_name,
            message: self.message,
            non_retryable: self.non_retryable,
            next_retry_delay,
            details: self.details.map(json),
        })
    }
}

impl From<AttemptSignals> for HeartbeatAnswer {
    fn from(signals: AttemptSignals) -> Self {
        Self { cancel_requested: signals.cancel_requested, paused: signals.paused }
    }
}

/// As it was sent.
pub(crate) fn json(value: Box<RawValue>) -> Payload {
    Payload::new(Box::<str>::from(value).into_string())
}
