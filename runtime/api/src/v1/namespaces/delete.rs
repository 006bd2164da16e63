//! Deletes a namespace.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dacapo_service::Runtime;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::namespace::Namespace;

/// That it is meant.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteNamespaceQuery {
    /// The name of the namespace once more.
    confirm: String,
}

/// Delete a namespace.
///
/// With all that is in it, for good: open runs are terminated, and no run, history or module is kept.
/// From the answer on nothing can be asked for in it; the rest is done in the background, also across a
/// restart. The namespace is shown with the state `deleting` until that has ended, and its name is free
/// then. Repeating the request is safe.
#[utoipa::path(
    delete,
    path = "/api/v1/namespaces/{namespace}",
    operation_id = "delete_namespace",
    tag = "namespaces",
    params(NamespacePath, DeleteNamespaceQuery),
    responses((status = 202, description = "It is being deleted.", body = Namespace), ErrorBody)
)]
pub(crate) async fn delete(
    State(runtime): State<Arc<Runtime>>,
    Path(path): Path<NamespacePath>,
    Query(query): Query<DeleteNamespaceQuery>,
) -> Result<(StatusCode, Json<Namespace>), ApiError> {
    let deleted = async move { runtime.delete_namespace(&path.namespace, &query.confirm).await };
    Ok((StatusCode::ACCEPTED, Json(to_the_end(deleted).await?.into())))
}
