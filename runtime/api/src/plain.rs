//! What somebody is told who speaks plain HTTP with a server that speaks HTTPS.

use axum::Router;
use axum::http::header;
use axum::response::{AppendHeaders, IntoResponse};
use dacapo_model::code::ErrorCode;

use crate::error::ApiError;
use crate::routes::layered;

/// Refuses everything, and then the connection.
pub fn tls_required() -> Router {
    layered(Router::new().fallback(refuse))
}

async fn refuse() -> impl IntoResponse {
    let message = "this server speaks HTTPS only; send the request to the same address with \
                   https:// in front. What was sent went over the network in the clear: if there \
                   was a key in it, revoke that key";
    (AppendHeaders([(header::CONNECTION, "close")]), ApiError::new(ErrorCode::TlsRequired, message))
}
