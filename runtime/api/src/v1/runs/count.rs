//! Counts runs.

use axum::Json;
use dacapo_service::operations::ExecutionFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::list::filter;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::v1::NamespacePath;
use crate::wire::count::{GroupBy, RunCount};

/// Which runs to count, and by what.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CountQuery {
    /// A condition on runs, such as `WorkflowType = 'checkout'`; all runs if absent.
    #[serde(default)]
    #[param(max_length = 8192)]
    filter: Option<String>,
    /// Count them by this, too.
    #[serde(default)]
    #[param(inline)]
    group_by: Option<GroupBy>,
}

/// Count runs.
///
/// All, or those of a filter; on request also by status, type, module or day, the largest group
/// first. What was acknowledged before is counted. Activities without a workflow are not.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/run-count",
    operation_id = "count_runs",
    tag = "runs",
    params(NamespacePath, CountQuery),
    responses((status = 200, description = "The number of runs.", body = RunCount), ErrorBody)
)]
pub(crate) async fn count(
    Door(tenant): Door,
    Query(query): Query<CountQuery>,
) -> Result<Json<RunCount>, ApiError> {
    let checked = filter(&tenant, query.filter.as_deref()).await?;
    if checked.order.is_some() {
        return Err(ApiError::invalid_argument("a count has no order: leave ORDER BY out"));
    }
    let filter = ExecutionFilter { filter: checked.filter, ..ExecutionFilter::default() };
    Ok(Json(tenant.count_runs(&filter, query.group_by.map(Into::into)).await?.into()))
}
