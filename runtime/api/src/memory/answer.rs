//! The charge for an answer, which stays until the client has taken it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use dacapo_model::code::ErrorCode;
use hyper::body::{Frame, SizeHint};

use super::{Account, Charge};
use crate::error::ApiError;

/// Answers up to this are not counted: they fit into what each connection has.
const FREE_BYTES_MAX: usize = 8 * 1024;

/// Charges for an answer what it has, instead of what the request was charged for
/// until now.
pub(super) async fn charge(account: &Account, response: Response) -> Response {
    // A live history has no length. It charges for each of its pages itself.
    let Some(bytes) = response.body().size_hint().exact() else {
        account.clear();
        return response;
    };
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if bytes <= FREE_BYTES_MAX {
        account.clear();
        return response;
    }
    // What it has is kept as far as it goes: others may wait for it.
    let charge = match account.keep(bytes) {
        Some(charge) => charge,
        None => match account.budget.acquire_for_answer(bytes).await {
            Some(charge) => charge,
            None => return no_room().into_response(),
        },
    };
    hold(charge, response)
}

/// Keeps a charge until the answer is gone.
pub(super) fn hold(charge: Charge, response: Response) -> Response {
    let charge = Arc::new(charge);
    response.map(|body| Body::new(Charged { body, charge }))
}

fn no_room() -> ApiError {
    ApiError::new(
        ErrorCode::Unavailable,
        "the server has no memory left for the answer; the request may have been carried out, so \
         send it again in a moment, with the same request id if it changes something",
    )
}

/// A body whose bytes keep the charge, wherever they go.
struct Charged {
    body: Body,
    charge: Arc<Charge>,
}

struct ChargedBytes {
    bytes: Bytes,
    _charge: Arc<Charge>,
}

impl AsRef<[u8]> for ChargedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for Charged {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let charge = &self.charge;
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| {
                frame.map_data(|bytes| {
                    Bytes::from_owner(ChargedBytes { bytes, _charge: charge.clone() })
                })
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use http_body_util::BodyExt as _;

    use super::super::MemoryBudget;
    use super::*;

    const MIB: usize = 1024 * 1024;

    async fn answer(account: &Account, bytes: usize) -> Response {
        charge(account, Response::new(Body::from(vec![b'x'; bytes]))).await
    }

    fn account() -> Account {
        Account::new(Arc::new(MemoryBudget::new(4 * MIB)))
    }

    #[tokio::test]
    async fn an_answer_is_charged_for_until_its_bytes_are_gone() {
        let account = account();
        let response = answer(&account, 2 * MIB).await;
        assert_eq!(account.budget.free(), MIB);
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(account.budget.free(), MIB, "they are still here");
        assert_eq!(bytes.len(), 2 * MIB);
        drop(bytes);
        assert_eq!(account.budget.free(), 3 * MIB);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_for_which_there_is_no_room_is_not_kept() {
        let account = account();
        let first = answer(&account, 2 * MIB).await;
        assert_eq!(answer(&account, 2 * MIB).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer(&account, 100).await.status(), StatusCode::OK);
        drop(first);
        assert_eq!(answer(&account, 2 * MIB).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_charge_is_held_until_the_answer_is_gone_however_small_it_is() {
        let account = account();
        let charge = account.budget.try_acquire(2 * MIB).expect("there is room");
        let response = hold(charge, answer(&account, 1).await);
        assert_eq!(account.budget.free(), MIB);
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(account.budget.free(), MIB);
        drop(bytes);
        assert_eq!(account.budget.free(), 3 * MIB);
    }

    #[tokio::test]
    async fn an_answer_takes_the_place_of_what_the_request_was_charged_for() {
        let account = account();
        account.add(account.budget.try_acquire(3 * MIB).expect("there is room"));
        // Somebody is the next to get what becomes free.
        let next = account.budget.clone();
        let next = tokio::spawn(async move { next.acquire(3 * MIB).await.is_ok() });
        tokio::task::yield_now().await;
        let response = answer(&account, 3 * MIB).await;
        assert_eq!(response.status(), StatusCode::OK);
        drop(response);
        assert!(next.await.expect("it ends"));
        assert_eq!(account.budget.free(), 3 * MIB);
    }
}
