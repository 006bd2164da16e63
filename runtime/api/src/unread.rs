//! Takes the rest of a body off the client's hands when nobody reads it.
//!
//! Most clients send all of a body before they look for an answer, and would see
//! only a broken connection if it was closed while they send. So the answer
//! leaves, and what still comes is thrown away, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// Bytes of an unread body that are still taken from the client.
const DISCARDED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How long they are taken.
const DISCARDING_TIME_MAX: Duration = Duration::from_secs(60);

/// How long the next of them may take.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Watches over the body of a request, whatever becomes of the request.
pub(crate) async fn take_off(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let watched = Watched { body, waits_for_consent: waits_for_consent(&parts.headers) };
    next.run(Request::from_parts(parts, Body::new(watched))).await
}

/// A client that waits for `100 Continue` sends nothing until its body is asked
/// for; an answer instead of that tells it to keep it.
fn waits_for_consent(headers: &HeaderMap) -> bool {
    headers
        .get(header::EXPECT)
        .is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

struct Watched {
    body: Body,
    waits_for_consent: bool,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.waits_for_consent = false;
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.waits_for_consent || self.body.is_end_stream() {
            return;
        }
        // Outside of a runtime nobody sends anything.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let rest = discard(std::mem::take(&mut self.body));
            runtime.spawn(tokio::time::timeout(DISCARDING_TIME_MAX, rest));
        }
    }
}

async fn discard(body: Body) {
    let mut left = DISCARDED_BYTES_MAX;
    let mut chunks = body.into_data_stream();
    while let Ok(Some(Ok(chunk))) = tokio::time::timeout(SILENCE_MAX, chunks.next()).await
        && chunk.len() <= left
    {
        left -= chunk.len();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::http::{HeaderValue, StatusCode};
    use axum::middleware::from_fn;
    use axum::routing::post;
    use futures::stream;
    use tokio::sync::Notify;
    use tower::ServiceExt as _;

    use super::*;

    /// Answers without looking at the body, and counts the chunks that were taken.
    async fn unread(request: axum::http::request::Builder) -> (usize, Arc<Notify>, StatusCode) {
        let (taken, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (count, end) = (taken.clone(), ended.clone());
        let chunks = stream::unfold(0, move |at| {
            let (count, end) = (count.clone(), end.clone());
            async move {
                if at == 3 {
                    end.notify_one();
                    return None;
                }
                count.fetch_add(1, Ordering::SeqCst);
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b"chunk")), at + 1))
            }
        });
        let router = Router::new()
            .route("/", post(|| async { StatusCode::CONFLICT }))
            .layer(from_fn(take_off));
        let request = request.method("POST").body(Body::from_stream(chunks)).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        (taken.load(Ordering::SeqCst), ended, response.status())
    }

    #[tokio::test]
    async fn a_body_that_nobody_reads_is_taken_to_its_end() {
        let (_, ended, status) = unread(Request::builder()).await;
        assert_eq!(status, StatusCode::CONFLICT);
        ended.notified().await;
    }

    #[tokio::test]
    async fn a_client_that_asks_first_keeps_its_body() {
        let asks =
            Request::builder().header(header::EXPECT, HeaderValue::from_static("100-continue"));
        let (taken, ended, _) = unread(asks).await;
        // What was to be discarded would have been, by now.
        tokio::task::yield_now().await;
        assert_eq!(taken, 0);
        assert_eq!(Arc::strong_count(&ended), 1, "the body is gone");
    }
}
