//! Every route, and what surrounds all of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, OriginalUri, Request};
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use dacapo_model::code::ErrorCode;
use dacapo_service::Runtime;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use tracing::Span;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{self, Access, Guard};
use crate::config::ApiConfig;
use crate::error::{self, ApiError};
use crate::request_id::{self, RequestId};
use crate::state::ApiState;
use crate::v1::{
    activities, api_keys, audit, batches, modules, namespaces, runs, schedules, search_attributes,
    standalone, task_queues,
};
use crate::{health, memory, metrics, openapi, site, unread};

/// The routes. Each handler names its own path; this is the list of handlers.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::default()
        // /api/v1/namespaces[/{namespace}]
        .routes(routes!(namespaces::list::list, namespaces::create::create))
        .routes(routes!(
            namespaces::show::show,
            namespaces::change::change,
            namespaces::delete::delete
        ))
        // /api/v1/namespaces/{namespace}/modules[/{name}]
        .routes(routes!(modules::list::list))
        .routes(routes!(modules::upload::upload, modules::show::show, modules::delete::delete))
        .routes(routes!(modules::replay::replay))
        // /api/v1/namespaces/{namespace}/runs[/{workflow_id}[/...]] and /run-count
        .routes(routes!(runs::start::start, runs::list::list))
        .routes(routes!(runs::count::count))
        .routes(routes!(runs::describe::describe, runs::delete::delete))
        .routes(routes!(runs::result::result))
        .routes(routes!(runs::history::history))
        .routes(routes!(runs::waiting::waiting))
        .routes(routes!(runs::signal::signal))
        .routes(routes!(runs::query::query))
        .routes(routes!(runs::update::update, runs::update::show))
        .routes(routes!(runs::cancel::cancel))
        .routes(routes!(runs::terminate::terminate))
        .routes(routes!(runs::tag::tag))
        .routes(routes!(runs::retry::retry))
        // /api/v1/namespaces/{namespace}/runs/{workflow_id}/activities/{operation_id}/...
        .routes(routes!(activities::pause::pause))
        .routes(routes!(activities::unpause::unpause))
        .routes(routes!(activities::reset::reset))
        .routes(routes!(activities::complete::with_operation))
        .routes(routes!(activities::fail::with_operation))
        .routes(routes!(activities::cancel::with_operation))
        .routes(routes!(activities::heartbeat::with_operation))
        // /api/v1/namespaces/{namespace}/activities[/{activity_id}[/...]]
        .routes(routes!(standalone::start::start, standalone::list::list))
        .routes(routes!(standalone::describe::describe))
        .routes(routes!(standalone::result::result))
        .routes(routes!(standalone::cancel::cancel))
        .routes(routes!(standalone::terminate::terminate))
        .routes(routes!(standalone::complete::complete))
        .routes(routes!(standalone::fail::fail))
        // /api/v1/namespaces/{namespace}/activities/...
        .routes(routes!(activities::complete::with_token))
        .routes(routes!(activities::fail::with_token))
        .routes(routes!(activities::cancel::with_token))
        .routes(routes!(activities::heartbeat::with_token))
        .routes(routes!(activities::heartbeats::heartbeats))
        .routes(routes!(activities::reports::reports))
        // /api/v1/namespaces/{namespace}/schedules[/{schedule_id}[/...]]
        .routes(routes!(schedules::create::create, schedules::list::list))
        .routes(routes!(
            schedules::describe::describe,
            schedules::update::update,
            schedules::delete::delete
        ))
        .routes(routes!(schedules::times::times))
        .routes(routes!(schedules::pause::pause))
        .routes(routes!(schedules::resume::resume))
        .routes(routes!(schedules::trigger::trigger))
        .routes(routes!(schedules::backfill::backfill))
        // /api/v1/namespaces/{namespace}/task-queues[/{queue}[/...]]
        .routes(routes!(task_queues::list::list))
        .routes(routes!(task_queues::show::show))
        .routes(routes!(task_queues::change::change))
        .routes(routes!(task_queues::poll::poll))
        // /api/v1/namespaces/{namespace}/search-attributes[/{name}]
        .routes(routes!(search_attributes::list::list, search_attributes::register::register))
        .routes(routes!(search_attributes::remove::remove))
        .routes(routes!(runs::move_run::move_run))
        .routes(routes!(runs::reset::reset))
        // /api/v1/namespaces/{namespace}/batches[/{batch_id}[/...]]
        .routes(routes!(batches::start::start, batches::list::list))
        .routes(routes!(batches::describe::describe))
        .routes(routes!(batches::pause::pause))
        .routes(routes!(batches::resume::resume))
        .routes(routes!(batches::stop::stop))
        // /api/v1/api-keys[/{id}] and /api/v1/audit
        .routes(routes!(api_keys::create::create, api_keys::list::list))
        .routes(routes!(api_keys::revoke::revoke))
        .routes(routes!(audit::list::list))
        // /api/v1/openapi.json
        .routes(routes!(openapi::document))
        // /health/...
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        // /metrics
        .routes(routes!(metrics::metrics))
}

/// The whole API over a runtime: over the one that is current when a request comes.
pub fn router(runtime: watch::Receiver<Arc<Runtime>>, config: ApiConfig) -> Router {
    let (router, _) = routes().split_for_parts();
    let guard = match config.access {
        Access::Open => None,
        Access::Keys => Some(Arc::new(Guard::new(runtime.clone(), config.oidc.clone()))),
    };
    let state = ApiState::new(runtime, config.metrics.clone());
    surround(router.with_state(state), guard, config)
}

/// What holds for all routes: no foreign pages, bounded memory, answers in the one
/// shape, whatever happens, and a line in the log for each request. The last layer
/// is the first that a request comes to.
fn surround(router: Router, guard: Option<Arc<Guard>>, config: ApiConfig) -> Router {
    let mut router = router
        .fallback(route_not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(config.memory, memory::keep_account));
    if let Some(guard) = guard {
        router = router.layer(from_fn_with_state(guard, access::guard));
    }
    let router = router
        .layer(from_fn(unread::take_off))
        .layer(from_fn_with_state(Arc::new(config.names), site::guard));
    layered(router)
}

/// The layers around all handlers, also of a server that stands by.
pub(crate) fn layered(router: Router) -> Router {
    router
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_request(())
                .on_response(log_response)
                .on_failure(()),
        )
        .layer(axum::middleware::from_fn(request_id::identify))
}

async fn route_not_found(OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::new(
        ErrorCode::RouteNotFound,
        format!("there is no route {}; GET /api/v1/openapi.json lists all", uri.path()),
    )
}

async fn method_not_allowed(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    ApiError::new(
        ErrorCode::MethodNotAllowed,
        format!("{} does not answer to {method}; the Allow header says what it does", uri.path()),
    )
}

fn span(request: &Request) -> Span {
    // The route, not the path: ids are for the operation to log.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let id = request.extensions().get::<RequestId>().map(RequestId::as_str);
    tracing::info_span!("request", method = %request.method(), route, request_id = id)
}

fn log_response(response: &Response, latency: Duration, _: &Span) {
    tracing::debug!(
        status = response.status().as_u16(),
        latency_ms = latency.as_secs_f64() * 1e3,
        "answered"
    );
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn panics() -> &'static str {
        panic!("a secret of the server")
    }

    #[tokio::test]
    async fn a_panic_is_answered_as_an_internal_error_that_gives_nothing_away() {
        let router = surround(Router::new().route("/", get(panics)), None, ApiConfig::default());
        let request = Request::get("/").body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let id = response.headers()[request_id::HEADER].to_str().expect("text").to_owned();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["code"], "internal");
        assert_eq!(body["request_id"], id);
        assert_eq!(body["retryable"], true);
        assert!(!body.to_string().contains("secret"), "{body}");
    }
}
