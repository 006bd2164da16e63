//! Lists activities without a workflow.

use axum::Json;
use dacapo_model::ids::{ActivityId, TypeName};
use dacapo_model::time::Timestamp;
use dacapo_service::operations::{StandaloneFilter, page_size_of};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::memory;
use crate::page_token::List;
use crate::v1::NamespacePath;
use crate::v1::runs::list::{LISTED_BYTES_MAX, filter, time};
use crate::wire::run::RunStatus;
use crate::wire::standalone::{ActivityList, ActivitySummary};

/// Which activities to list. All conditions must hold.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListActivitiesQuery {
    /// Any of these; may be repeated.
    #[serde(default)]
    status: Vec<RunStatus>,
    /// Exactly this activity type.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    activity_type: Option<TypeName>,
    /// Exactly this activity id.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    activity_id: Option<ActivityId>,
    /// Started at this time or later.
    #[serde(default, deserialize_with = "time")]
    #[param(value_type = Option<String>, format = DateTime)]
    started_from: Option<Timestamp>,
    /// Started before this time.
    #[serde(default, deserialize_with = "time")]
    #[param(value_type = Option<String>, format = DateTime)]
    started_before: Option<Timestamp>,
    /// A condition on their runs, and an order, such as `TaskQueue = 'emails'`.
    #[serde(default)]
    #[param(max_length = 8192)]
    filter: Option<String>,
    /// Activities on a page; 100 if absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_page_token` of the page before, with the same conditions.
    #[serde(default)]
    page_token: Option<String>,
}

/// List activities without a workflow.
///
/// The newest start first, unless the filter has an order. What was acknowledged before is in the list. Activities that workflows
/// asked for are not: they are in the descriptions of their runs.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/activities",
    operation_id = "list_activities",
    tag = "activities",
    params(NamespacePath, ListActivitiesQuery),
    responses((status = 200, description = "A page of activities.", body = ActivityList), ErrorBody)
)]
pub(crate) async fn list(
    Door(tenant): Door,
    Query(query): Query<ListActivitiesQuery>,
) -> Result<Json<ActivityList>, ApiError> {
    let limit = page_size_of(query.limit)?;
    memory::reserve(limit as usize * LISTED_BYTES_MAX).await?;
    let checked = self::filter(&tenant, query.filter.as_deref()).await?;
    let filter = StandaloneFilter {
        statuses: query.status.into_iter().map(Into::into).collect(),
        activity_type: query.activity_type,
        activity_id: query.activity_id,
        started_from: query.started_from,
        started_before: query.started_before,
        filter: checked.filter,
        order: checked.order,
    };
    let list = List::of(&filter);
    let after = query.page_token.map(|token| list.decode(&token)).transpose()?;
    let page = tenant.list_activities(filter, after, limit).await?;
    Ok(Json(ActivityList {
        activities: page.activities.into_iter().map(ActivitySummary::from).collect(),
        next_page_token: page.next.map(|next| list.encode(&next)),
    }))
}
