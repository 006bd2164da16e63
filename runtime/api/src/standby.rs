//! What a node answers before it serves: that it lives, and what it waits for.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use dacapo_model::code::ErrorCode;
use dacapo_service::ownership::Phase;
use tokio::sync::watch;

use crate::error::ApiError;
use crate::health;
use crate::routes::layered;

/// The routes of a node that has no runtime yet. Everything but the check whether
/// it lives is refused as unavailable.
pub fn standby(phase: watch::Receiver<Phase>) -> Router {
    let router = Router::new().route("/health/live", get(health::live)).fallback(refuse);
    layered(router.with_state(phase))
}

async fn refuse(State(phase): State<watch::Receiver<Phase>>) -> ApiError {
    let phase = *phase.borrow();
    let why = match phase {
        Phase::Starting => "this server is starting; send the request again".to_owned(),
        Phase::Recovering => "this server reads the runs that it has taken over; send the \
                              request again"
            .to_owned(),
        Phase::StandingBy { owner } => format!(
            "this server stands by: server {} has the runs of this database, and is alive. Send \
             the request to that one; this one takes over when that one ends",
            owner.0
        ),
    };
    let error = ApiError::new(ErrorCode::Unavailable, why);
    match phase {
        Phase::StandingBy { owner } => error.with("owner", owner.0),
        Phase::Starting | Phase::Recovering => error,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use dacapo_service::ownership::Phase;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    use uuid::Uuid;

    use super::*;

    async fn answer(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = router.clone().oneshot(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn a_node_that_stands_by_lives_is_not_ready_and_says_who_serves() {
        let owner = dacapo_service::ownership::NodeId(Uuid::from_u128(7));
        let (phase, watched) = watch::channel(Phase::StandingBy { owner });
        let router = standby(watched);
        assert_eq!(answer(&router, "/health/live").await.0, StatusCode::OK);
        for path in ["/health/ready", "/api/v1/namespaces/default/runs", "/nothing"] {
            let (status, body) = answer(&router, path).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert!(body.contains("stands by") && body.contains(&owner.0.to_string()), "{body}");
            assert!(body.contains(r#""code":"unavailable""#), "{body}");
        }
        phase.send_replace(Phase::Recovering);
        assert!(answer(&router, "/health/ready").await.1.contains("taken over"));
    }
}
