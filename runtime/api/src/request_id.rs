//! An id for each request: in its answer, in what an error says, and in the lines that
//! it leaves in the log. Whoever asks why a request went wrong finds the lines by it.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

/// The header of requests and answers.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Bytes of an id that a client or a proxy made.
const BYTES_MAX: usize = 64;

tokio::task_local! {
    /// Of the request that this task answers.
    static CURRENT: RequestId;
}

/// The id of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The one that came with the request, if it can be shown everywhere.
    fn of(request: &Request) -> Self {
        let theirs = request.headers().get(HEADER).filter(|id| is_plain(id.as_bytes()));
        Self(theirs.cloned().unwrap_or_else(made_up))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Gives the request its id, and the answer the same.
pub(crate) async fn identify(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(&request);
    request.extensions_mut().insert(id.clone());
    let mut response = CURRENT.scope(id.clone(), next.run(request)).await;
    response.headers_mut().insert(HEADER, id.0);
    response
}

/// The id of the request that is being answered.
pub(crate) fn current() -> Option<String> {
    CURRENT.try_with(|id| id.as_str().to_owned()).ok()
}

fn is_plain(id: &[u8]) -> bool {
    (1..=BYTES_MAX).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte))
}

fn made_up() -> HeaderValue {
    #[expect(clippy::disallowed_methods, reason = "a request is named where it comes in")]
    let id = Uuid::new_v4();
    let mut text = [0; uuid::fmt::Simple::LENGTH];
    let text = id.simple().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
}
