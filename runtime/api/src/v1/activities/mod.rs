//! Activities, for those who complete them and for operators.

pub(crate) mod cancel;
pub(crate) mod complete;
pub(crate) mod fail;
pub(crate) mod heartbeat;
pub(crate) mod heartbeats;
pub(crate) mod pause;
pub(crate) mod reports;
pub(crate) mod reset;
pub(crate) mod unpause;

use dacapo_model::ids::{OperationId, WorkflowId};
use dacapo_service::operations::{ActivityRef, RunRef};
use serde::Deserialize;
use utoipa::IntoParams;

use super::runs::RunQuery;
use crate::error::ApiError;

/// Names an activity of a run.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ActivityPath {
    /// The workflow id, percent-encoded: any characters but control characters.
    #[param(value_type = String, example = "order-17")]
    workflow_id: WorkflowId,
    /// The workflow's name for the activity: `operation_id` of its `ActivityTaskScheduled`.
    #[param(value_type = u32, example = 1)]
    operation_id: OperationId,
}

impl ActivityPath {
    fn run(self, query: RunQuery) -> (RunRef, OperationId) {
        let Self { workflow_id, operation_id } = self;
        (RunRef { workflow_id, run_id: query.run_id }, operation_id)
    }

    fn activity(self, query: RunQuery) -> ActivityRef {
        let (run, operation_id) = self.run(query);
        ActivityRef::Operation { run, operation_id }
    }
}

fn by_token(token: Option<&str>) -> Result<ActivityRef, ApiError> {
    let token = token
        .ok_or_else(|| {
            ApiError::invalid_argument("the body has no token, which names the attempt")
        })?
        .parse()
        .map_err(|error| ApiError::invalid_argument(format!("token: {error}")))?;
    Ok(ActivityRef::Token(token))
}

/// Two names for one thing may not agree.
pub(super) fn no_token(token: Option<&str>) -> Result<(), ApiError> {
    match token {
        None => Ok(()),
        Some(_) => Err(ApiError::invalid_argument(
            "the path names the activity, and the body has a token as well: send it without one, \
             or to .../activities/...",
        )),
    }
}
