//! The JSON of requests and answers.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::outcome::WireOutcome;

/// Entries of one request.
pub(crate) const BATCH_MAX: usize = 1_000;

/// Bytes of one request. The server takes twice as many.
pub(crate) const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug, Serialize)]
pub(crate) struct PollRequest<'a> {
    pub(crate) identity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) build_id: Option<&'a str>,
    pub(crate) activity_types: &'a [String],
    pub(crate) max_tasks: usize,
    pub(crate) wait_seconds: f64,
    pub(crate) lease_seconds: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PollAnswer {
    pub(crate) tasks: Vec<Task>,
}

/// An attempt of an activity. Fields that are not here are of later versions.
#[derive(Debug, Deserialize)]
pub(crate) struct Task {
    pub(crate) token: String,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) workflow_type: String,
    pub(crate) operation_id: u32,
    pub(crate) activity_type: String,
    pub(crate) attempt: u32,
    #[serde(default)]
    pub(crate) input: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) input_base64: Option<String>,
    pub(crate) scheduled_at: DateTime<Utc>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) lease_seconds: f64,
    pub(crate) start_to_close_timeout_seconds: f64,
    #[serde(default)]
    pub(crate) schedule_to_close_timeout_seconds: Option<f64>,
    #[serde(default)]
    pub(crate) heartbeat_timeout_seconds: Option<f64>,
    #[serde(default)]
    pub(crate) last_failure: Option<Failure>,
    #[serde(default)]
    pub(crate) heartbeat_details: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) trace_context: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct HeartbeatsRequest<'a> {
    pub(crate) heartbeats: Vec<Heartbeat<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Heartbeat<'a> {
    pub(crate) token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct HeartbeatsAnswer {
    pub(crate) results: Vec<Heard>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Heard {
    pub(crate) held: bool,
    #[serde(default)]
    pub(crate) cancel_requested: bool,
    #[serde(default)]
    pub(crate) paused: bool,
    #[serde(default)]
    pub(crate) error: Option<TaskError>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ReportsRequest<'a> {
    pub(crate) reports: Vec<Report<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) token: &'a str,
    #[serde(flatten)]
    pub(crate) outcome: &'a WireOutcome,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ReportsAnswer {
    pub(crate) results: Vec<Reported>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reported {
    pub(crate) recorded: bool,
    #[serde(default)]
    pub(crate) error: Option<TaskError>,
}

/// Why something was not done for a task.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct TaskError {
    pub(crate) code: String,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) retryable: bool,
}

/// A length of time that the server says; none if it can't be one.
pub(crate) fn length(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|length| !length.is_zero())
}

/// How many of these sizes, in order, go into each batch. What is too large goes alone.
pub(crate) fn batches(sizes: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut batches = Vec::new();
    let (mut count, mut bytes) = (0, 0);
    for size in sizes {
        if count > 0 && (count == BATCH_MAX || bytes + size > BATCH_BYTES_MAX) {
            batches.push(count);
            (count, bytes) = (0, 0);
        }
        count += 1;
        bytes += size;
    }
    if count > 0 {
        batches.push(count);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_a_limit_in_entries_and_in_bytes() {
        assert_eq!(batches([]), Vec::<usize>::new());
        assert_eq!(batches([1; 2_500]), [1_000, 1_000, 500]);
        assert_eq!(batches([BATCH_BYTES_MAX * 2, 1, 1]), [1, 2]);
        assert_eq!(batches([BATCH_BYTES_MAX / 2; 3]), [2, 1]);
    }

    #[test]
    fn a_task_is_read_with_fields_of_later_versions() {
        let text = r#"{"token":"t","workflow_id":"w","run_id":"r","workflow_type":"W",
            "operation_id":3,"activity_type":"charge","attempt":2,"input":{"a":1},
            "scheduled_at":"2026-01-01T00:00:00Z","started_at":"2026-01-01T00:00:01.5Z",
            "lease_until":"2026-01-01T00:00:31Z","lease_seconds":30,
            "start_to_close_timeout_seconds":60,"priority":3,"new":[1]}"#;
        let task: Task = serde_json::from_str(text).expect("readable");
        assert_eq!((task.operation_id, task.attempt), (3, 2));
        assert_eq!(task.input.expect("an input").get(), r#"{"a":1}"#);
    }

    #[test]
    fn a_length_of_time_is_more_than_none() {
        assert_eq!(length(1.5), Some(Duration::from_millis(1_500)));
        assert_eq!([0.0, -1.0, f64::NAN, f64::MAX].map(length), [None; 4]);
    }
}
