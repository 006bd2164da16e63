//! Modules.

pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod replay;
pub(crate) mod show;
pub(crate) mod upload;

use dacapo_model::ids::ModuleName;
use serde::Deserialize;
use utoipa::IntoParams;

/// Names a module.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ModulePath {
    /// The module's name there: letters, digits, `-`, `_` and `.`.
    #[param(value_type = String, example = "checkout")]
    name: ModuleName,
}
