//! The answer to a poll: its tasks go back to their queue if the client has not taken all of
//! it, since then it has none of them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use dacapo_model::code::ErrorCode;
use dacapo_model::task_token::TaskToken;
use dacapo_service::operations::HandedTask;
use dacapo_service::tenancy::Tenant;
use hyper::body::{Frame, SizeHint};

use crate::error::ApiError;
use crate::wire::task::PolledTasks;

/// A part of the answer. The connection takes the next one once it has room, so that the
/// last is not taken long before the client has what comes before it.
const PART_BYTES: usize = 16 * 1024;

/// Bytes that the connection has not taken yet, and the tasks in them.
struct Handover {
    left: Bytes,
    tokens: Vec<TaskToken>,
    tenant: Tenant,
}

pub(super) fn answer(tenant: Tenant, tasks: Vec<HandedTask>) -> Response {
    let tokens = tasks.iter().map(|task| task.token).collect();
    let handover = |left| Handover { left, tokens, tenant };
    match serde_json::to_vec(&PolledTasks::from(tasks)) {
        Ok(json) => {
            let mut response = Response::new(Body::new(handover(json.into())));
            let kind = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        Err(error) => {
            // Nobody gets them.
            drop(handover(Bytes::from_static(b"-")));
            tracing::error!(%error, "tasks can't be written as JSON");
            ApiError::new(ErrorCode::Internal, "the tasks can't be written").into_response()
        }
    }
}

impl HttpBody for Handover {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let part = self.left.len().min(PART_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if !self.left.is_empty() {
            self.tenant.return_tasks(&self.tokens);
        }
    }
}
