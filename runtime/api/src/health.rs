//! For whatever watches the process.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use dacapo_model::code::ErrorCode;
use dacapo_service::Runtime;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorBody};

/// Time the store has to answer one read.
const STORE_TIME_MAX: Duration = Duration::from_secs(2);

/// The state of a process.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `live` or `ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Whether the process runs.
///
/// Always answers; restart the process when it does not.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "check_live",
    tag = "health",
    responses((status = 200, description = "It runs.", body = Health))
)]
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "live" })
}

/// Whether the process serves requests.
///
/// Send it requests while this answers 200. It does once the runs are recovered, while the store
/// answers, takes writes and says that the runs are this node's, and until the process stops. A node
/// that stands by for another is not ready.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "check_ready",
    tag = "health",
    responses((status = 200, description = "It serves.", body = Health), ErrorBody)
)]
pub(crate) async fn ready(State(runtime): State<Arc<Runtime>>) -> Result<Json<Health>, ApiError> {
    if !runtime.is_ready() {
        return Err(ApiError::new(
            ErrorCode::Unavailable,
            "the node is starting or stopping, or another node has taken its place",
        ));
    }
    match tokio::time::timeout(STORE_TIME_MAX, runtime.check_store()).await {
        Ok(checked) => checked?,
        Err(_) => {
            return Err(ApiError::new(
                ErrorCode::Unavailable,
                format!("the database did not answer within {} s", STORE_TIME_MAX.as_secs()),
            ));
        }
    }
    Ok(Json(Health { status: "ready" }))
}
