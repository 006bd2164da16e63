//! How an attempt ended, as the server is told.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cancellation::CancelReason;
use crate::failure::{self, Failure};
use crate::payload::{Payload, WirePayload};

/// How an attempt ended.
#[derive(Debug)]
pub(crate) struct Outcome(WireOutcome);

/// The field of a report, and what it holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WireOutcome {
    Result(Box<RawValue>),
    ResultBase64(String),
    Failure(Failure),
    Canceled(Canceled),
}

/// What one has to say that ended as it was asked to.
#[derive(Debug, Serialize)]
pub(crate) struct Canceled {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Box<RawValue>>,
}

impl Outcome {
    /// What it means that the function ended so, where it may have been asked to end.
    pub(crate) fn of(returned: Result<Payload, Failure>, asked: Option<CancelReason>) -> Self {
        let failure = match returned {
            Ok(result) => {
                return Self(match result.into_wire() {
                    WirePayload::Json(json) => WireOutcome::Result(json),
                    WirePayload::Base64(text) => WireOutcome::ResultBase64(text),
                });
            }
            Err(failure) => failure,
        };
        match asked {
            _ if !failure.is_cancelled() => Self::failed(failure),
            Some(CancelReason::Requested) => {
                let details = failure.info.details.map(Payload::into_wire);
                Self(WireOutcome::Canceled(Canceled {
                    message: failure.info.message,
                    details: details.and_then(WirePayload::into_json),
                }))
            }
            Some(CancelReason::Shutdown) => Self::shut_down(),
            Some(CancelReason::LeaseLost) | None => Self::failed(failure),
        }
    }

    pub(crate) fn failed(failure: Failure) -> Self {
        Self(WireOutcome::Failure(failure))
    }

    /// The worker stopped: another one is to try again.
    pub(crate) fn shut_down() -> Self {
        let message = "the worker stopped before the activity had ended";
        Self::failed(Failure::new(failure::WORKER_SHUTDOWN, message))
    }

    /// What to report in the place of an outcome that the server takes for wrong. Without
    /// it the task would be given out again when its lease is over, to end in the same
    /// way. None if a failure is refused as well.
    pub(crate) fn instead(&self, code: &str, message: &str) -> Option<Self> {
        let refused = failure::refused(code, message);
        match self.0 {
            // It may be another matter next time whether somebody asks to cancel.
            WireOutcome::Canceled(_) => Some(Self::failed(refused)),
            WireOutcome::Result(_) | WireOutcome::ResultBase64(_) => {
                Some(Self::failed(refused.non_retryable()))
            }
            WireOutcome::Failure(_) => None,
        }
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        match &self.0 {
            WireOutcome::Failure(failure) => Some(failure),
            _ => None,
        }
    }

    pub(crate) fn wire(&self) -> &WireOutcome {
        &self.0
    }

    /// About how many bytes of a request it takes.
    pub(crate) fn size(&self) -> usize {
        const FRAME: usize = 200;
        FRAME
            + match &self.0 {
                WireOutcome::Result(json) => json.get().len(),
                WireOutcome::ResultBase64(text) => text.len(),
                WireOutcome::Failure(failure) => failure.size(),
                WireOutcome::Canceled(Canceled { message, details }) => {
                    message.len() + details.as_ref().map_or(0, |details| details.get().len())
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::Report;

    fn sent(outcome: &Outcome) -> serde_json::Value {
        let report = Report { token: "t", outcome: outcome.wire() };
        let text = serde_json::to_string(&report).expect("JSON");
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn a_result_arrives_byte_for_byte() {
        let json = Outcome::of(Ok(Payload::new(r#"{"b":1.10, "a":2}"#)), None);
        let report = Report { token: "t", outcome: json.wire() };
        let text = serde_json::to_string(&report).expect("JSON");
        assert_eq!(text, r#"{"token":"t","result":{"b":1.10, "a":2}}"#);
        let bytes = Outcome::of(Ok(Payload::new([255])), None);
        assert_eq!(sent(&bytes), json!({"token": "t", "result_base64": "/w=="}));
    }

    #[test]
    fn ending_as_cancelled_means_so_only_if_the_workflow_asked() {
        let end = |asked| sent(&Outcome::of(Err(Failure::cancelled("undone")), asked));
        assert_eq!(
            end(Some(CancelReason::Requested)),
            json!({"token": "t", "canceled": {"message": "undone"}})
        );
        assert_eq!(end(Some(CancelReason::Shutdown))["failure"]["type"], "WorkerShutdown");
        assert_eq!(end(None)["failure"]["type"], "Cancelled");
    }

    #[test]
    fn a_result_that_is_refused_becomes_a_failure_for_good() {
        let result = Outcome::of(Ok(Payload::new("1")), None);
        let instead = result.instead("payload_too_large", "too much").expect("a failure");
        let failure = &sent(&instead)["failure"];
        assert_eq!(
            (&failure["type"], &failure["non_retryable"]),
            (&json!("ResultRefused"), &json!(true))
        );
        assert!(instead.instead("internal", "x").is_none(), "nothing is left to say");
    }
}
