//! Runs.

pub(crate) mod cancel;
pub(crate) mod delete;
pub(crate) mod describe;
mod follow;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod move_run;
pub(crate) mod query;
pub(crate) mod reset;
pub(crate) mod result;
pub(crate) mod retry;
pub(crate) mod signal;
pub(crate) mod start;
pub(crate) mod terminate;
pub(crate) mod update;
pub(crate) mod waiting;

use std::time::Duration;

use dacapo_model::ids::{NamespaceName, RunId, WorkflowId};
use dacapo_model::limits::{FAILURE_MESSAGE_BYTES_MAX, PAGE_SIZE_MAX, WAIT_SECONDS_MAX};
use dacapo_service::operations::RunRef;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::ApiError;

/// Entries on a page, unless the request says otherwise.
const PAGE_SIZE_DEFAULT: u32 = 100;

/// Names a workflow.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RunPath {
    /// The namespace.
    #[param(value_type = String, example = "default")]
    namespace: NamespaceName,
    /// The workflow id, percent-encoded: any characters but control characters.
    #[param(value_type = String, example = "order-17")]
    workflow_id: WorkflowId,
}

impl RunPath {
    fn run(self, run_id: Option<RunId>) -> RunRef {
        RunRef { namespace: self.namespace, workflow_id: self.workflow_id, run_id }
    }
}

/// Chooses among the runs of a workflow id.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunQuery {
    /// A certain run. Without it, the open one, or else the latest.
    #[serde(default)]
    #[param(value_type = Option<String>, format = "uuid")]
    pub(super) run_id: Option<RunId>,
}

/// How long a request waits for a run to close.
fn wait_of(seconds: f64) -> Result<Duration, ApiError> {
    // Rules out what is not a number, too.
    if (0.0..=WAIT_SECONDS_MAX as f64).contains(&seconds) {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(ApiError::invalid_argument(format!(
        "wait is a number of seconds from 0 to {WAIT_SECONDS_MAX}, not {seconds}; ask again to \
         wait longer"
    )))
}

pub(super) fn page_size_of(limit: Option<u32>) -> Result<u32, ApiError> {
    let limit = limit.unwrap_or(PAGE_SIZE_DEFAULT);
    if (1..=PAGE_SIZE_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::invalid_argument(format!(
        "limit is a number from 1 to {PAGE_SIZE_MAX}, not {limit}"
    )))
}

/// Reasons are for people, and kept in the history for good.
fn check_reason(reason: &str) -> Result<(), ApiError> {
    if reason.len() <= FAILURE_MESSAGE_BYTES_MAX {
        return Ok(());
    }
    Err(ApiError::invalid_argument(format!(
        "the reason has {} bytes; at most {FAILURE_MESSAGE_BYTES_MAX} are allowed",
        reason.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_bounded_number_of_seconds() {
        assert_eq!(wait_of(0.0).ok(), Some(Duration::ZERO));
        assert_eq!(wait_of(0.25).ok(), Some(Duration::from_millis(250)));
        assert_eq!(wait_of(300.0).ok(), Some(Duration::from_secs(300)));
        for refused in [-1.0, 300.1, f64::NAN, f64::INFINITY, f64::MAX] {
            assert!(wait_of(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_page_has_at_least_one_and_at_most_the_allowed_entries() {
        assert_eq!(page_size_of(None).ok(), Some(PAGE_SIZE_DEFAULT));
        assert_eq!(page_size_of(Some(PAGE_SIZE_MAX)).ok(), Some(PAGE_SIZE_MAX));
        assert!(page_size_of(Some(0)).is_err());
        assert!(page_size_of(Some(PAGE_SIZE_MAX + 1)).is_err());
    }
}
