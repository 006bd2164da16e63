//! Queries and updates, and what comes of them.

use dacapo_model::ids::{RunId, UpdateId, UpdateName};
use dacapo_model::payload::Payload;
use dacapo_model::update::Update;
use dacapo_service::operations::{self, QueryOutcome, UpdateProgress};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::failure::Failure;
use super::mirror::mirror;
use super::payload::{self, RawJson};
use super::request::present;
use super::run::RunStatus;
use crate::error::ApiError;

mirror! {
    /// When a query is to be refused because of where the run stands.
    RejectIf = operations::RejectIf {
        /// Never.
        None,
        /// If the run is closed.
        NotOpen,
        /// If the run is closed and has not completed.
        NotCompletedCleanly,
    }
}

mirror! {
    /// What the caller of an update waits for.
    WaitFor = operations::WaitFor {
        /// That the workflow has decided about it.
        Accepted,
        /// That it has its outcome.
        Completed,
    }
}

/// What a query asks.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryRequest {
    /// Its argument: any JSON value, which the workflow gets byte for byte; `null` if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Option<Box<RawValue>>,
    /// The same as base64, if it is not JSON. Not together with `input`.
    #[serde(default)]
    input_base64: Option<String>,
    /// When not to ask at all; `none` if absent. That is no error: see `rejected` of the answer.
    #[serde(default)]
    reject_if: Option<RejectIf>,
}

impl QueryRequest {
    pub(crate) fn into_parts(self) -> Result<(Payload, operations::RejectIf), ApiError> {
        let input = payload::extract("input", self.input, self.input_base64)?;
        Ok((input, self.reject_if.map(Into::into).unwrap_or_default()))
    }
}

/// What a run says.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueryAnswer {
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_base64: Option<String>,
    /// Present if the run was not asked because of where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<Rejected>,
}

/// Why a run was not asked.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rejected {
    /// Where it stands.
    status: RunStatus,
}

impl From<operations::QueryResult> for QueryAnswer {
    fn from(answered: operations::QueryResult) -> Self {
        let run_id = answered.run_id;
        match answered.outcome {
            QueryOutcome::Answered(value) => {
                let (result, result_base64) = payload::embed(&value);
                Self { run_id, result, result_base64, rejected: None }
            }
            QueryOutcome::Rejected(status) => {
                let rejected = Some(Rejected { status: status.into() });
                Self { run_id, result: None, result_base64: None, rejected }
            }
        }
    }
}

/// What an update asks for.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateRequest {
    /// Its argument: any JSON value, which the workflow gets byte for byte; `null` if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Option<Box<RawValue>>,
    /// The same as base64, if it is not JSON. Not together with `input`.
    #[serde(default)]
    input_base64: Option<String>,
    /// Send the same one when you repeat the request: it is one update. Made up if absent.
    #[serde(default)]
    update_id: Option<String>,
    /// What to wait for; `completed` if absent.
    #[serde(default)]
    wait_for: Option<WaitFor>,
}

/// An update that goes with a start.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartUpdate {
    /// What it asks for.
    #[schema(example = "add-item")]
    name: String,
    /// Its argument: any JSON value, which the workflow gets byte for byte; `null` if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Option<Box<RawValue>>,
    /// The same as base64, if it is not JSON. Not together with `input`.
    #[serde(default)]
    input_base64: Option<String>,
    /// By which a repeat of the update is recognised. Made up if absent.
    #[serde(default)]
    update_id: Option<String>,
    /// What to wait for, for as long as the `wait` of the start, or 30 s; `completed` if absent.
    #[serde(default)]
    wait_for: Option<WaitFor>,
}

impl UpdateRequest {
    pub(crate) fn into_update(
        self,
        name: UpdateName,
    ) -> Result<(Update, Option<operations::WaitFor>), ApiError> {
        let update = Update {
            id: match self.update_id {
                Some(id) => UpdateId::addressable(id)?,
                None => operations::made_up_update_id(),
            },
            name,
            input: payload::extract("input", self.input, self.input_base64)?,
        };
        Ok((update, self.wait_for.map(Into::into)))
    }
}

impl StartUpdate {
    pub(crate) fn into_update(self) -> Result<(Update, Option<operations::WaitFor>), ApiError> {
        let Self { name, input, input_base64, update_id, wait_for } = self;
        let request = UpdateRequest { input, input_base64, update_id, wait_for };
        request.into_update(UpdateName::addressable(name)?)
    }
}

/// How far an update has come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpdateStage {
    /// It is durable, and the workflow has not decided about it: it is busy, waits where it takes no
    /// updates, or is blocked.
    Admitted,
    /// The workflow took it on, and will answer.
    Accepted,
    /// Final: the workflow will not do it. Nothing of it is kept.
    Rejected,
    /// Final: it has its outcome.
    Completed,
}

/// An update, and how far it has come.
#[derive(Serialize, ToSchema)]
pub(crate) struct UpdateAnswer {
    /// The run that has it.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// Which update.
    #[schema(value_type = String)]
    update_id: UpdateId,
    /// How far it has come.
    stage: UpdateStage,
    /// What it came to, if it was completed and did not fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<RawJson>,
    /// The same, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_base64: Option<String>,
    /// Why it failed or was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

impl From<operations::UpdateResult> for UpdateAnswer {
    fn from(update: operations::UpdateResult) -> Self {
        let operations::UpdateResult { run_id, update_id, progress } = update;
        let (stage, outcome) = match progress {
            UpdateProgress::Admitted => (UpdateStage::Admitted, None),
            UpdateProgress::Accepted => (UpdateStage::Accepted, None),
            UpdateProgress::Rejected(failure) => (UpdateStage::Rejected, Some(Err(failure))),
            UpdateProgress::Completed(outcome) => (UpdateStage::Completed, Some(outcome)),
        };
        let (result, result_base64, failure) = match outcome {
            None => (None, None, None),
            Some(Ok(value)) => {
                let (result, result_base64) = payload::embed(&value);
                (result, result_base64, None)
            }
            Some(Err(failure)) => (None, None, Some(failure.into())),
        };
        Self { run_id, update_id, stage, result, result_base64, failure }
    }
}
