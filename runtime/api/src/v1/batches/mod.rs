//! Operations on all runs that a filter matches.

pub(crate) mod describe;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod resume;
pub(crate) mod start;
pub(crate) mod stop;

use dacapo_model::ids::BatchId;
use serde::Deserialize;
use utoipa::IntoParams;

/// Names a batch.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct BatchPath {
    /// The batch id, percent-encoded: any characters but control characters.
    #[param(value_type = String, example = "cancel-may")]
    batch_id: BatchId,
}
