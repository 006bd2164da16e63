//! Lists batches.

use axum::Json;
use dacapo_service::operations::{BatchFilter, page_size_of};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::memory;
use crate::page_token::List;
use crate::v1::NamespacePath;
use crate::v1::runs::list::LISTED_BYTES_MAX;
use crate::wire::batch::{BatchList, BatchSummary};
use crate::wire::run::RunStatus;

/// Which batches to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListBatchesQuery {
    /// Any of these; may be repeated.
    #[serde(default)]
    status: Vec<RunStatus>,
    /// Batches on a page; 100 if absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next_page_token` of the page before, with the same conditions.
    #[serde(default)]
    page_token: Option<String>,
}

/// List batches.
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/batches",
    operation_id = "list_batches",
    tag = "batches",
    params(NamespacePath, ListBatchesQuery),
    responses((status = 200, description = "A page of batches.", body = BatchList), ErrorBody)
)]
pub(crate) async fn list(
    Door(tenant): Door,
    Query(query): Query<ListBatchesQuery>,
) -> Result<Json<BatchList>, ApiError> {
    let limit = page_size_of(query.limit)?;
    memory::reserve(limit as usize * LISTED_BYTES_MAX).await?;
    let filter = BatchFilter { statuses: query.status.into_iter().map(Into::into).collect() };
    let list = List::of(&("batches", &filter));
    let after = query.page_token.map(|token| list.decode(&token)).transpose()?;
    let page = tenant.list_batches(&filter, after, limit).await?;
    Ok(Json(BatchList {
        batches: page.batches.into_iter().map(BatchSummary::from).collect(),
        next_page_token: page.next.map(|next| list.encode(&next)),
    }))
}
