//! What `run` returned, as the command that closes the run.

use std::time::Duration;

use dacapo_model::command::Outcome;
use dacapo_model::event::ContinuationOptions;
use dacapo_model::ids::TypeName;
use dacapo_model::limits::{FAILURE_MESSAGE_BYTES_MAX, Limits};
use dacapo_model::payload::Payload;

use crate::bindings::exports::dacapo::workflow::workflow as guest;
use crate::interfaces::{attribute_changes, duration, failure_from_guest};
use crate::trap::Stop;

/// Checks an outcome against the limits.
pub(super) fn outcome(returned: guest::Outcome, limits: &Limits) -> Result<Outcome, Stop> {
    Ok(match returned {
        guest::Outcome::Completed(result) => {
            Outcome::Completed(payload("the workflow's result", result, limits)?)
        }
        guest::Outcome::Failed(failure) => Outcome::Failed {
            failure: failure_from_guest(failure, limits),
            // The cursor knows.
            unread_signals: Vec::new(),
        },
        guest::Outcome::Cancelled(mut details) => {
            details.truncate(details.floor_char_boundary(FAILURE_MESSAGE_BYTES_MAX));
            Outcome::Cancelled(details)
        }
        guest::Outcome::ContinueAsNew(continuation) => Outcome::ContinueAsNew {
            workflow_type: TypeName::new(&continuation.workflow_type)
                .map_err(|error| Stop::Misuse(format!("continue-as-new: {error}")))?,
            options: Box::new(ContinuationOptions {
                run_timeout: run_timeout(continuation.run_timeout)?,
                backoff: duration(continuation.backoff_start_interval),
                attributes: attribute_changes(continuation.memo, continuation.search_attributes)?,
            }),
            input: payload("the input of continue-as-new", continuation.input, limits)?,
            // The cursor knows.
            unread_signals: Vec::new(),
        },
    })
}

fn run_timeout(nanos: Option<u64>) -> Result<Option<Duration>, Stop> {
    match nanos {
        Some(0) => {
            Err(Stop::Misuse("continue-as-new: `run-timeout` must be more than 0".to_owned()))
        }
        other => Ok(other.map(duration)),
    }
}

fn payload(what: &'static str, bytes: Vec<u8>, limits: &Limits) -> Result<Payload, Stop> {
    let max = limits.payload_bytes_max;
    if bytes.len() > max {
        return Err(Stop::PayloadTooLarge { what, bytes: bytes.len(), max });
    }
    Ok(Payload::from(bytes))
}
