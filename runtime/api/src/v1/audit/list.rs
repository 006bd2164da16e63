//! Lists entries of the audit log.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dacapo_model::ids::NamespaceName;
use dacapo_service::Runtime;
use dacapo_service::operations::AuditFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::{ApiError, ErrorBody};
use crate::extract::Query;
use crate::wire::access::AuditList;

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1000;

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Those of one namespace.
    #[param(
        value_type = Option<String>,
        min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9._-]+$"
    )]
    namespace: Option<NamespaceName>,
    /// Those with lower numbers: the `next` of the page before.
    #[param(minimum = 0)]
    before: Option<u64>,
    /// How many, at most 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// List what was changed, and by whom.
///
/// The newest first. Each entry says whether it was written before what it names was done, so that it may
/// have been refused afterwards, or together with it. Entries are kept for 90 days.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "list_audit",
    tag = "access",
    params(AuditQuery),
    responses((status = 200, description = "A page of entries.", body = AuditList), ErrorBody)
)]
pub(crate) async fn list(
    State(runtime): State<Arc<Runtime>>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditList>, ApiError> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::invalid_argument(format!("the limit is 1 to {LIMIT_MAX}")));
    }
    let filter = AuditFilter { namespace: query.namespace, before: query.before };
    let entries = runtime.list_audit(&filter, limit).await?;
    Ok(Json(AuditList::page(entries, limit)))
}
