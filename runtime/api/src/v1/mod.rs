//! Version 1: one folder per noun, one file per verb.

pub(crate) mod activities;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod batches;
pub(crate) mod modules;
pub(crate) mod namespaces;
pub(crate) mod runs;
pub(crate) mod schedules;
pub(crate) mod search_attributes;
pub(crate) mod standalone;
pub(crate) mod task_queues;

use dacapo_model::ids::NamespaceName;
use serde::Deserialize;
use utoipa::IntoParams;

/// Names a namespace.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct NamespacePath {
    /// The namespace.
    #[param(value_type = String, example = "default")]
    pub(crate) namespace: NamespaceName,
}
