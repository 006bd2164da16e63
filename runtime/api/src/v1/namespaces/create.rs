//! Makes a namespace.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dacapo_service::Runtime;

use crate::error::{ApiError, ErrorBody};
use crate::extract::SmallJson;
use crate::memory::to_the_end;
use crate::wire::namespace::{CreateNamespaceRequest, Namespace};

/// Make a namespace.
///
/// It can be used from the answer on. Repeating the request is safe: a namespace that is there with the
/// same settings is answered with 200.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces",
    operation_id = "create_namespace",
    tag = "namespaces",
    request_body = CreateNamespaceRequest,
    responses(
        (status = 201, description = "It is there.", body = Namespace),
        (status = 200, description = "It was there already, with these settings.", body = Namespace),
        ErrorBody
    )
)]
pub(crate) async fn create(
    State(runtime): State<Arc<Runtime>>,
    SmallJson(request): SmallJson<CreateNamespaceRequest>,
) -> Result<(StatusCode, Json<Namespace>), ApiError> {
    let (name, settings) = request.into_operation()?;
    let created = async move { runtime.create_namespace(name, settings).await };
    let (namespace, is_new) = to_the_end(created).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(namespace.into())))
}
