//! Lists runs.

use axum::Json;
use chrono::{DateTime, Utc};
use dacapo_model::ids::{TypeName, WorkflowId};
use dacapo_model::limits::{MEMO_BYTES_MAX, SEARCH_ATTRIBUTES_BYTES_MAX};
use dacapo_model::time::Timestamp;
use dacapo_service::operations::{Checked, ExecutionFilter, page_size_of};
use dacapo_service::tenancy::Tenant;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::memory;
use crate::page_token::List;
use crate::v1::NamespacePath;
use crate::wire::run::{RunList, RunStatus, RunSummary};

/// What a run in a list may cost: what is said about it, and its JSON.
pub(in crate::v1) const LISTED_BYTES_MAX: usize =
    2 * (MEMO_BYTES_MAX + SEARCH_ATTRIBUTES_BYTES_MAX);

/// Which runs to list. All conditions must hold.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Any of these; may be repeated.
    #[serde(default)]
    status: Vec<RunStatus>,
    /// Exactly this workflow type.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    workflow_type: Option<TypeName>,
    /// Exactly this workflow id.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    workflow_id: Option<WorkflowId>,
    /// Started at this time or later.
    #[serde(default, deserialize_with = "time")]
    #[param(value_type = Option<String>, format = DateTime)]
    started_from: Option<Timestamp>,
    /// Started before this time.
    #[serde(default, deserialize_with = "time")]
    #[param(value_type = Option<String>, format = DateTime)]
    started_before: Option<Timestamp>,
    /// A condition on runs, and an order, such as
    /// `WorkflowType = 'checkout' AND CloseTime IS NULL ORDER BY StartTime`.
    #[serde(default)]
    #[param(max_length = 8192)]
    filter: Option<String>,
    /// Runs on a page; 100 if absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_page_token` of the page before, with the same conditions.
    #[serde(default)]
    page_token: Option<String>,
}

/// List runs.
///
/// The newest start first, unless the filter has an order. What was acknowledged before is in the list. Activities without a workflow
/// have a list of their own.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/runs",
    operation_id = "list_runs",
    tag = "runs",
    params(NamespacePath, ListQuery),
    responses((status = 200, description = "A page of runs.", body = RunList), ErrorBody)
)]
pub(crate) async fn list(
    Door(tenant): Door,
    Query(query): Query<ListQuery>,
) -> Result<Json<RunList>, ApiError> {
    let limit = page_size_of(query.limit)?;
    memory::reserve(limit as usize * LISTED_BYTES_MAX).await?;
    let checked = filter(&tenant, query.filter.as_deref()).await?;
    let filter = ExecutionFilter {
        statuses: query.status.into_iter().map(Into::into).collect(),
        workflow_type: query.workflow_type,
        workflow_id: query.workflow_id,
        builtin: None,
        started_from: query.started_from,
        started_before: query.started_before,
        filter: checked.filter,
        order: checked.order,
    };
    let list = List::of(&filter);
    let after = query.page_token.map(|token| list.decode(&token)).transpose()?;
    let page = tenant.list_runs(&filter, after, limit).await?;
    Ok(Json(RunList {
        runs: page.executions.into_iter().map(RunSummary::from).collect(),
        next_page_token: page.next.map(|next| list.encode(&next)),
    }))
}

/// What the text of a filter asks for.
pub(in crate::v1) async fn filter(
    tenant: &Tenant,
    text: Option<&str>,
) -> Result<Checked, ApiError> {
    match text {
        Some(text) => Ok(tenant.filter(text).await?),
        None => Ok(Checked::default()),
    }
}

pub(in crate::v1) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let time = text.parse::<DateTime<Utc>>().map_err(|_| {
        D::Error::custom(format!("{text} is not a time such as 2026-01-31T08:30:00Z"))
    })?;
    Ok(Some(time.into()))
}
