//! Answers on a connection with several requests at a time (HTTP/2), in pieces of which it
//! is known when the client has taken them: it says so for each answer by itself, and one
//! that it does not take would stay in memory while the connection seems to get on.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use dacapo_api::MemoryBudget;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::connections::now;

/// Bytes of a piece.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// How often it is looked at whether a client takes its answers.
const LOOK: Duration = Duration::from_secs(1);

/// How long a client may leave a piece untaken.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same while others wait for memory.
const PATIENCE_SHORT: Duration = Duration::from_secs(2);

/// The pieces that the client of a connection has not taken yet.
#[derive(Default)]
pub(super) struct Untaken(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    next: u64,
    /// Since when, by number: the first is the oldest.
    since: BTreeMap<u64, Instant>,
}

impl Untaken {
    /// Resolves when the client has left a piece for too long.
    pub(super) async fn stalls(&self, memory: &MemoryBudget) {
        loop {
            tokio::time::sleep(LOOK).await;
            let oldest = self.0.lock().since.values().next().copied();
            let patience = if memory.is_short() { PATIENCE_SHORT } else { PATIENCE };
            if oldest.is_some_and(|since| since.elapsed() >= patience) {
                return;
            }
        }
    }

    fn hand_out<G>(self: &Arc<Self>, bytes: Bytes, guard: G) -> Piece<G> {
        let mut waiting = self.0.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.since.insert(number, now());
        Piece { bytes, number, untaken: Arc::clone(self), _guard: guard }
    }
}

/// A part of an answer, from when it is to be sent until it is.
struct Piece<G> {
    bytes: Bytes,
    number: u64,
    untaken: Arc<Untaken>,
    /// What stays until then.
    _guard: G,
}

impl<G> AsRef<[u8]> for Piece<G> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<G> Drop for Piece<G> {
    fn drop(&mut self) {
        self.untaken.0.lock().since.remove(&self.number);
    }
}

/// A body that goes out in pieces.
pub(super) struct InPieces<G> {
    body: Body,
    /// What the body has given and is not handed out yet.
    rest: Bytes,
    untaken: Arc<Untaken>,
    guard: G,
}

impl<G> InPieces<G> {
    /// `guard` stays until the last piece is taken.
    pub(super) fn new(body: Body, untaken: Arc<Untaken>, guard: G) -> Self {
        Self { body, rest: Bytes::new(), untaken, guard }
    }
}

impl<G: Clone + Send + Unpin + 'static> HttpBody for InPieces<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        let bytes = self.rest.len().min(PIECE_BYTES_MAX);
        let piece = self.rest.split_to(bytes);
        let piece = self.untaken.hand_out(piece, self.guard.clone());
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let mut hint = self.body.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use axum::body::HttpBody as _;

    use super::*;

    fn memory() -> MemoryBudget {
        MemoryBudget::new(1024 * 1024)
    }

    async fn next(body: &mut InPieces<()>) -> Option<Bytes> {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        frame.map(|it| it.expect("bytes").into_data().expect("no trailers"))
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_which_a_piece_is_not_taken_stalls_its_connection() {
        let untaken = Arc::new(Untaken::default());
        let answer = Body::from(vec![7; 2 * PIECE_BYTES_MAX + 1]);
        let mut body = InPieces::new(answer, Arc::clone(&untaken), ());
        let begun = now();
        let first = next(&mut body).await.expect("a piece");
        assert_eq!(first.len(), PIECE_BYTES_MAX);
        assert_eq!(body.size_hint().exact(), Some(PIECE_BYTES_MAX as u64 + 1));
        untaken.stalls(&memory()).await;
        assert!(begun.elapsed() >= PATIENCE);
        drop(first);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_their_pieces_may_take_long_for_all() {
        let untaken = Arc::new(Untaken::default());
        let answer = Body::from(vec![7; 3 * PIECE_BYTES_MAX]);
        let mut body = InPieces::new(answer, Arc::clone(&untaken), ());
        let takes = async {
            let mut taken = 0;
            while let Some(piece) = next(&mut body).await {
                tokio::time::sleep(PATIENCE / 2).await;
                taken += piece.len();
            }
            taken
        };
        let memory = memory();
        tokio::select! {
            () = untaken.stalls(&memory) => panic!("they were all taken in time"),
            taken = takes => assert_eq!(taken, 3 * PIECE_BYTES_MAX),
        }
        assert!(body.is_end_stream());
    }
}
