//! Reads bodies, with a limit on their size and on the time they take.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _, TryStreamExt as _};

/// What the first allocation for a body is at most: a client that announces a
/// large one has to send it before memory is spent on it.
const FIRST_ALLOCATION_MAX: usize = 64 * 1024;

/// Bytes of a refused body that are still taken from the client.
const DISCARDED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How long they are taken.
const DISCARDING_TIME_MAX: Duration = Duration::from_secs(10);

/// Why a body was not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It has more bytes than are allowed. Nothing of it is kept.
    TooLarge,
    /// It did not arrive in time.
    Slow,
    /// The connection or the encoding broke.
    Broken(String),
}

/// The whole body, if it has at most `max` bytes and arrives in time.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    max: usize,
    time: Duration,
) -> Result<Bytes, BodyError> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| usize::try_from(length).map_or(true, |it| it > max)) {
        discard(body.into_data_stream());
        return Err(BodyError::TooLarge);
    }
    let expected = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    tokio::time::timeout(time, collect(body, max, expected)).await.unwrap_or(Err(BodyError::Slow))
}

async fn collect(body: Body, max: usize, expected: usize) -> Result<Bytes, BodyError> {
    let mut chunks = body.into_data_stream();
    let mut bytes = BytesMut::with_capacity(expected.min(FIRST_ALLOCATION_MAX));
    while let Some(chunk) =
        chunks.try_next().await.map_err(|error| BodyError::Broken(error.to_string()))?
    {
        if chunk.len() > max - bytes.len() {
            discard(chunks);
            return Err(BodyError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Takes the rest of a refused body off the client's hands while the refusal is
/// on its way. Most clients send all of a body before they look for an answer,
/// and would see only a broken connection if it was closed at once.
fn discard<E>(mut chunks: impl Stream<Item = Result<Bytes, E>> + Unpin + Send + 'static) {
    let discarding = async move {
        let mut left = DISCARDED_BYTES_MAX;
        while let Some(Ok(chunk)) = chunks.next().await
            && chunk.len() <= left
        {
            left -= chunk.len();
        }
    };
    tokio::spawn(tokio::time::timeout(DISCARDING_TIME_MAX, discarding));
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use futures::stream;

    use super::*;

    const TIME: Duration = Duration::from_secs(60);

    fn announcing(length: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static(length))])
    }

    fn chunks(count: usize) -> Body {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789"));
        Body::from_stream(stream::iter((0..count).map(move |_| chunk())))
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_limit_is_read() {
        let bytes = read(&HeaderMap::new(), chunks(3), 30, TIME).await;
        assert_eq!(bytes.as_deref(), Ok(b"012345678901234567890123456789".as_slice()));
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_refused_before_reading() {
        let never = Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
        assert_eq!(read(&announcing("31"), never, 30, TIME).await, Err(BodyError::TooLarge));
        let never = Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
        let huge = announcing("18446744073709551615");
        assert_eq!(read(&huge, never, 30, TIME).await, Err(BodyError::TooLarge));
    }

    #[tokio::test]
    async fn an_endless_body_is_refused_once_it_passes_the_limit() {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[0; 64 * 1024]));
        let body = Body::from_stream(stream::repeat_with(chunk));
        assert_eq!(read(&HeaderMap::new(), body, 1_000_000, TIME).await, Err(BodyError::TooLarge));
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let never = Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
        let time = Duration::from_millis(1);
        assert_eq!(read(&HeaderMap::new(), never, 30, time).await, Err(BodyError::Slow));
    }

    #[tokio::test]
    async fn a_broken_connection_is_told_apart() {
        let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("reset"))]);
        let read = read(&HeaderMap::new(), Body::from_stream(broken), 30, TIME).await;
        assert!(matches!(read, Err(BodyError::Broken(_))), "{read:?}");
    }
}
