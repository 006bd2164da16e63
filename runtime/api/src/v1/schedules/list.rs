//! Lists schedules.

use axum::Json;
use dacapo_model::ids::TypeName;
use dacapo_service::operations::{ScheduleFilter, page_size_of};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::memory;
use crate::page_token::List;
use crate::v1::NamespacePath;
use crate::v1::runs::list::LISTED_BYTES_MAX;
use crate::wire::schedule::ScheduleList;

/// Which schedules to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListSchedulesQuery {
    /// Those that start this workflow type.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    workflow_type: Option<TypeName>,
    /// Schedules on a page; 100 if absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_page_token` of the page before, with the same conditions.
    #[serde(default)]
    page_token: Option<String>,
}

/// List schedules.
///
/// Those that were made last, or have continued as new last, come first.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/schedules",
    operation_id = "list_schedules",
    tag = "schedules",
    params(NamespacePath, ListSchedulesQuery),
    responses((status = 200, description = "A page of schedules.", body = ScheduleList), ErrorBody)
)]
pub(crate) async fn list(
    Door(tenant): Door,
    Query(query): Query<ListSchedulesQuery>,
) -> Result<Json<ScheduleList>, ApiError> {
    let limit = page_size_of(query.limit)?;
    memory::reserve(limit as usize * LISTED_BYTES_MAX).await?;
    let filter = ScheduleFilter { workflow_type: query.workflow_type };
    let list = List::of(&filter);
    let after = query.page_token.map(|token| list.decode(&token)).transpose()?;
    let page = tenant.list_schedules(filter, after, limit).await?;
    Ok(Json(ScheduleList {
        schedules: page.schedules.into_iter().map(Into::into).collect(),
        next_page_token: page.next.map(|next| list.encode(&next)),
    }))
}
