//! Changes what is set of a namespace.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dacapo_service::Runtime;

use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, SmallJson};
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::namespace::{ChangeNamespaceRequest, Namespace};

/// Change what is set of a namespace.
///
/// What the body leaves out stays as it is, and `null` takes a setting away. The change holds for all
/// that is asked for from the answer on; what there is already stays, also if it is more than a new
/// limit allows.
#[utoipa::path(
    patch,
    path = "/api/v1/namespaces/{namespace}",
    operation_id = "change_namespace",
    tag = "namespaces",
    params(NamespacePath),
    request_body = ChangeNamespaceRequest,
    responses((status = 200, description = "As it is now.", body = Namespace), ErrorBody)
)]
pub(crate) async fn change(
    State(runtime): State<Arc<Runtime>>,
    Path(path): Path<NamespacePath>,
    SmallJson(request): SmallJson<ChangeNamespaceRequest>,
) -> Result<Json<Namespace>, ApiError> {
    let change = request.into_change()?;
    let changed = async move { runtime.change_namespace(&path.namespace, &change).await };
    Ok(Json(to_the_end(changed).await?.into()))
}
