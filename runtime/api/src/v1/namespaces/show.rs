//! Shows a namespace.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dacapo_service::Runtime;

use crate::error::{ApiError, ErrorBody};
use crate::extract::Path;
use crate::v1::NamespacePath;
use crate::wire::namespace::Namespace;

/// Show a namespace.
///
/// One that is being deleted is shown until nothing is left of it.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}",
    operation_id = "describe_namespace",
    tag = "namespaces",
    params(NamespacePath),
    responses((status = 200, description = "What is known of it.", body = Namespace), ErrorBody)
)]
pub(crate) async fn show(
    State(runtime): State<Arc<Runtime>>,
    Path(path): Path<NamespacePath>,
) -> Result<Json<Namespace>, ApiError> {
    Ok(Json(runtime.describe_namespace(&path.namespace).await?.into()))
}
