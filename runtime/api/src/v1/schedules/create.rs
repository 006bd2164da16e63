//! Makes a schedule.

use axum::Json;
use axum::http::StatusCode;

use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::Json as Body;
use crate::memory::to_the_end;
use crate::v1::NamespacePath;
use crate::wire::schedule::ScheduleCreated;
use crate::wire::schedule_request::CreateScheduleRequest;

/// Make a schedule.
///
/// It starts a run at each of its times. When this is answered, it is durable.
#[utoipa::path(
    post,
    path = "/api/v1/namespaces/{namespace}/schedules",
    operation_id = "create_schedule",
    tag = "schedules",
    params(NamespacePath),
    request_body = CreateScheduleRequest,
    responses(
        (status = 201, description = "It is there.", body = ScheduleCreated),
        (status = 200, description = "The same request has made it before.", body = ScheduleCreated),
        ErrorBody
    )
)]
pub(crate) async fn create(
    Door(tenant): Door,
    Body(request): Body<CreateScheduleRequest>,
) -> Result<(StatusCode, Json<ScheduleCreated>), ApiError> {
    let request = request.into_operation()?;
    let schedule_id = request.schedule_id.to_string();
    let made = to_the_end(async move { tenant.create_schedule(request).await });
    let (_, created) = made.await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(ScheduleCreated { schedule_id, created })))
}
