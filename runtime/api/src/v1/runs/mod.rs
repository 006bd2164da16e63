//! Runs.

pub(crate) mod cancel;
pub(crate) mod count;
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
pub(crate) mod tag;
pub(crate) mod terminate;
pub(crate) mod update;
pub(crate) mod waiting;

use dacapo_model::ids::{RunId, WorkflowId};
use dacapo_service::operations::RunRef;
use serde::Deserialize;
use utoipa::IntoParams;

/// Names a workflow.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RunPath {
    /// The workflow id, percent-encoded: any characters but control characters.
    #[param(value_type = String, example = "order-17")]
    workflow_id: WorkflowId,
}

impl RunPath {
    fn run(self, run_id: Option<RunId>) -> RunRef {
        RunRef { workflow_id: self.workflow_id, run_id }
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
