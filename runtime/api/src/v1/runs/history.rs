//! Reads a history, page by page or live.

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use dacapo_model::event::{ExportFormat, ExportedEvent, ExportedHistory};
use dacapo_model::ids::{EventId, RunId};
use dacapo_service::operations::page_size_of;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{RunPath, follow};
use crate::door::Door;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Path, Query};
use crate::memory::{self, page_cost_max};
use crate::v1::NamespacePath;
use crate::wire::event::{DamagedEvent, HistoryPage};
use crate::wire::replay::ExportedPage;

/// The largest number that every JSON reader takes for itself. No history gets
/// there.
const EVENT_ID_MAX: u64 = (1 << 53) - 1;

/// The content type of an exported history.
const EXPORT_TYPE: &str = "application/vnd.dacapo.history+json";

/// Which part of which history.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// A certain run. Without it, the open one, or else the latest.
    #[serde(default)]
    #[param(value_type = Option<String>, format = "uuid")]
    run_id: Option<RunId>,
    /// The first event wanted, counted from 1.
    #[serde(default)]
    #[param(minimum = 1)]
    from: Option<u64>,
    /// Events on a page; 100 if absent. Not for a live history.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// True for the live history, as if `Accept: text/event-stream` was sent.
    #[serde(default)]
    follow: Option<bool>,
    /// `export` for a history that holds everything, and that `dacapo replay` reads.
    #[serde(default)]
    #[param(inline)]
    format: Option<HistoryFormat>,
}

/// How events are shown.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HistoryFormat {
    /// For people and programs that look at a run.
    Show,
    /// As they are stored.
    Export,
}

/// Read the history of a run.
///
/// Page by page as JSON; or live, with `Accept: text/event-stream` or `?follow=true`: one
/// server-sent event for each event of the history, with its id, its type and as data the same JSON
/// as on a page. The stream ends after the closing event; one that ends before, such as when the
/// server stops, is resumed with `Last-Event-ID`. Once there is nothing left to send, that is
/// answered with 204.
#[utoipa::path(
    get,
    path = "/api/v1/namespaces/{namespace}/runs/{workflow_id}/history",
    operation_id = "get_run_history",
    tag = "runs",
    params(
        NamespacePath,
        RunPath,
        HistoryQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "The last event you have, to resume a live history.")
    ),
    responses(
        (status = 200, description = "A page, or the live history.", content(
            (HistoryPage = "application/json"),
            (ExportedPage = "application/vnd.dacapo.history+json"),
            (String = "text/event-stream"),
        )),
        (status = 204, description = "A live history has nothing left to send."),
        ErrorBody
    )
)]
pub(crate) async fn history(
    Door(tenant): Door,
    Path(path): Path<RunPath>,
    Query(query): Query<HistoryQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let run = path.run(query.run_id);
    let from = from_of(query.from)?;
    let last = last_event_id(&headers)?;
    let limit = page_size_of(query.limit)?;
    if query.format == Some(HistoryFormat::Export) {
        memory::reserve(page_cost_max(&tenant.policy().limits)).await?;
        let page = tenant.run_history(&run, from, limit).await?;
        let events = page.events.into_iter().map(|event| ExportedEvent { event }).collect();
        let history = ExportedHistory {
            format: ExportFormat::V1,
            namespace: tenant.namespace().clone(),
            workflow_id: run.workflow_id,
            run_id: page.run_id,
            events,
        };
        let damaged = page.damaged.into_iter().map(DamagedEvent::from).collect();
        let page = Json(ExportedPage { history, damaged, next: page.next });
        return Ok(([(header::CONTENT_TYPE, EXPORT_TYPE)], page).into_response());
    }
    if query.follow.unwrap_or_else(|| accepts_events(&headers)) {
        return follow::follow(&tenant, run, from, last).await;
    }
    memory::reserve(page_cost_max(&tenant.policy().limits)).await?;
    let page = tenant.run_history(&run, from, limit).await?;
    Ok(Json(HistoryPage::from(page)).into_response())
}

fn from_of(from: Option<u64>) -> Result<EventId, ApiError> {
    match from {
        None => Ok(EventId::FIRST),
        Some(from) if (1..=EVENT_ID_MAX).contains(&from) => Ok(EventId(from)),
        Some(from) => Err(ApiError::invalid_argument(format!(
            "from is the id of an event, counted from 1, not {from}"
        ))),
    }
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = values.flat_map(|value| value.split(','));
    types.any(|it| {
        let essence = it.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("text/event-stream")
    })
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
    match id.filter(|id| *id < EVENT_ID_MAX) {
        Some(id) => Ok(Some(EventId(id))),
        None => Err(ApiError::invalid_argument(
            "the header Last-Event-ID is the id of the last event you have, a number",
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_client_gets_the_stream_if_it_accepts_one() {
        let accepts = |text| {
            let value = HeaderValue::from_static(text);
            accepts_events(&HeaderMap::from_iter([(header::ACCEPT, value)]))
        };
        assert!(accepts("text/event-stream"));
        assert!(accepts("application/json;q=0.5, Text/Event-Stream;q=0.9"));
        assert!(!accepts("application/json"));
        assert!(!accepts("*/*"));
        assert!(!accepts_events(&HeaderMap::new()));
    }

    #[test]
    fn ids_outside_any_history_are_refused() {
        assert_eq!(from_of(None).ok(), Some(EventId::FIRST));
        assert!(from_of(Some(0)).is_err());
        assert!(from_of(Some(u64::MAX)).is_err());
        let last = |text| {
            let value = HeaderValue::from_static(text);
            let name = HeaderName::from_static("last-event-id");
            last_event_id(&HeaderMap::from_iter([(name, value)]))
        };
        assert_eq!(last("7").ok(), Some(Some(EventId(7))));
        assert!(last("18446744073709551615").is_err());
        assert!(last("seven").is_err());
    }
}
