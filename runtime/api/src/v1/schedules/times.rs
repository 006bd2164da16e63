//! The times of a schedule.

use axum::Json;
use dacapo_model::time::Timestamp;
use dacapo_service::operations::TimesRequest;
use serde::Deserialize;
use utoipa::IntoParams;

use super::SchedulePath;
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::v1::NamespacePath;
use crate::v1::runs::list::time;
use crate::wire::schedule::ScheduleTimes;

/// Which times.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TimesQuery {
    /// At this time or later; now if absent.
    #[serde(default, deserialize_with = "time")]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// At this time or before.
    #[serde(default, deserialize_with = "time")]
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// How many at most; 10 if absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// List the times of a schedule.
///
/// When it is due, or was, whether or not it is paused.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/schedules/{schedule_id}/times",
    operation_id = "list_schedule_times",
    tag = "schedules",
    params(NamespacePath, SchedulePath, TimesQuery),
    responses((status = 200, description = "The times.", body = ScheduleTimes), ErrorBody)
)]
pub(crate) async fn times(
    Door(tenant): Door,
    Path(SchedulePath { schedule_id }): Path<SchedulePath>,
    Query(TimesQuery { from, to, limit }): Query<TimesQuery>,
) -> Result<Json<ScheduleTimes>, ApiError> {
    let found = tenant.schedule_times(&schedule_id, TimesRequest { from, to, limit }).await?;
    let times = found.times.into_iter().map(Into::into).collect();
    Ok(Json(ScheduleTimes { times, more: found.more }))
}
