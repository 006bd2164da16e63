//! Reads bodies, with a limit on their size, on the time they take and on what
//! all of them hold together.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;

use crate::error::ApiError;
use crate::memory;

/// What the first allocation for a body is at most: a client that announces a
/// large one has to send it before memory is spent on it.
const FIRST_ALLOCATION_MAX: usize = 64 * 1024;

/// Bytes for which a body of unknown length is charged at a time.
const STEP: usize = 256 * 1024;

/// How often it is looked at whether a body gets on.
const LOOK: Duration = Duration::from_secs(1);

/// Bytes that have to arrive between two looks while others wait for room. Who is
/// slower holds what they need.
const PROGRESS_MIN: usize = 64 * 1024;

/// How long a module that is refused may take to arrive.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(10);

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What a request says.
    Json,
    /// A module, which is there until it is compiled.
    Module,
}

/// What a body may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// What it is.
    pub(crate) kind: Kind,
    /// Bytes of it.
    pub(crate) bytes_max: usize,
    /// How long it may take to arrive.
    pub(crate) time_max: Duration,
    /// What the request costs for each byte until it is answered.
    pub(crate) factor: usize,
}

/// Why a body was not read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It has more bytes than are allowed. Nothing of it is kept.
    TooLarge,
    /// It did not arrive in time.
    Slow,
    /// It arrived slowly while others had no room.
    Crowded,
    /// There is no room for it.
    NoRoom(ApiError),
    /// The connection or the encoding broke.
    Broken(String),
}

/// The whole body, if it keeps the limits. The request is charged for it.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: BodyLimits,
) -> Result<Bytes, BodyError> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let announced = announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|length| length > limits.bytes_max) {
        return Err(BodyError::TooLarge);
    }
    let mut chunks = body.into_data_stream();
    // Before the first byte is read: who finds no room has sent little for nothing.
    if let Some(length) = announced.filter(|length| *length > 0)
        && let Err(refused) = charge(length, limits).await
    {
        return Err(refuse(&mut chunks, limits, refused).await);
    }
    let read = collect(chunks, limits, announced);
    tokio::time::timeout(limits.time_max, read).await.unwrap_or(Err(BodyError::Slow))
}

async fn charge(bytes: usize, limits: BodyLimits) -> Result<(), BodyError> {
    let bytes = bytes.saturating_mul(limits.factor);
    let reserved = match limits.kind {
        Kind::Json => memory::reserve(bytes).await,
        Kind::Module => memory::reserve_for_module(bytes).await,
    };
    reserved.map_err(BodyError::NoRoom)
}

/// Lets a module that there is no room for arrive, and throws it away: many clients send
/// all before they read the answer, and take a connection that is closed meanwhile for a
/// fault of the network.
async fn refuse(chunks: &mut BodyDataStream, limits: BodyLimits, refused: BodyError) -> BodyError {
    if limits.kind == Kind::Module {
        let discard = async {
            let mut left = limits.bytes_max;
            while let Ok(Some(chunk)) = chunks.try_next().await {
                let Some(rest) = left.checked_sub(chunk.len()) else { break };
                left = rest;
            }
        };
        // Whoever takes longer than that is not waited for.
        let _ = tokio::time::timeout(DISCARD_TIME_MAX, discard).await;
    }
    refused
}

async fn collect(
    mut chunks: BodyDataStream,
    limits: BodyLimits,
    announced: Option<usize>,
) -> Result<Bytes, BodyError> {
    let budget = memory::budget();
    let mut bytes = BytesMut::with_capacity(announced.unwrap_or(0).min(FIRST_ALLOCATION_MAX));
    let mut charged = announced.unwrap_or(0);
    let (mut looks, mut seen) = (tokio::time::interval(LOOK), 0);
    // Not at once: even that takes until the next millisecond of the timer.
    looks.reset();
    loop {
        let chunk = tokio::select! {
            chunk = chunks.try_next() => {
                chunk.map_err(|error| BodyError::Broken(error.to_string()))?
            }
            _ = looks.tick() => {
                let held = charged.saturating_mul(limits.factor);
                let is_short = budget.as_ref().is_some_and(|budget| match limits.kind {
                    Kind::Json => budget.is_short_of(held),
                    Kind::Module => budget.is_short_of_modules(),
                });
                if is_short && bytes.len() - seen < PROGRESS_MIN {
                    return Err(BodyError::Crowded);
                }
                seen = bytes.len();
                continue;
            }
        };
        let Some(chunk) = chunk else { return Ok(bytes.freeze()) };
        if chunk.len() > limits.bytes_max - bytes.len() {
            return Err(BodyError::TooLarge);
        }
        while announced.is_none() && charged < bytes.len() + chunk.len() {
            // The first step is small, as most bodies are.
            let step = if charged == 0 { STEP / limits.factor } else { STEP };
            if let Err(refused) = charge(step, limits).await {
                return Err(refuse(&mut chunks, limits, refused).await);
            }
            charged += step;
        }
        bytes.extend_from_slice(&chunk);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::HeaderValue;
    use futures::stream;

    use super::*;
    use crate::memory::{MemoryBudget, with_budget};

    const LIMITS: BodyLimits = BodyLimits {
        kind: Kind::Json,
        bytes_max: 30,
        time_max: Duration::from_secs(60),
        factor: 1,
    };

    fn announcing(length: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static(length))])
    }

    fn chunks(count: usize) -> Body {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789"));
        Body::from_stream(stream::iter((0..count).map(move |_| chunk())))
    }

    fn never() -> Body {
        Body::from_stream(stream::pending::<std::io::Result<Bytes>>())
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_limit_is_read() {
        let bytes = read(&HeaderMap::new(), chunks(3), LIMITS).await.expect("it is read");
        assert_eq!(&bytes[..], b"012345678901234567890123456789");
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_refused_before_reading() {
        let read = read(&announcing("31"), never(), LIMITS).await;
        assert!(matches!(read, Err(BodyError::TooLarge)), "{read:?}");
        let read = super::read(&announcing("18446744073709551615"), never(), LIMITS).await;
        assert!(matches!(read, Err(BodyError::TooLarge)), "{read:?}");
    }

    #[tokio::test]
    async fn an_endless_body_is_refused_once_it_passes_the_limit() {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[0; 64 * 1024]));
        let body = Body::from_stream(stream::repeat_with(chunk));
        let limits = BodyLimits { bytes_max: 1_000_000, ..LIMITS };
        let read = read(&HeaderMap::new(), body, limits).await;
        assert!(matches!(read, Err(BodyError::TooLarge)), "{read:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let read = read(&HeaderMap::new(), never(), LIMITS).await;
        assert!(matches!(read, Err(BodyError::Slow)), "{read:?}");
    }

    #[tokio::test]
    async fn a_broken_connection_is_told_apart() {
        let broken = stream::iter([Err::<Bytes, _>(std::io::Error::other("reset"))]);
        let read = read(&HeaderMap::new(), Body::from_stream(broken), LIMITS).await;
        assert!(matches!(read, Err(BodyError::Broken(_))), "{read:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_module_that_there_is_no_room_for_is_let_in_and_then_refused() {
        const MIB: usize = 1024 * 1024;
        let limits = BodyLimits { kind: Kind::Module, bytes_max: 8 * MIB, ..LIMITS };
        let budget = Arc::new(MemoryBudget::new(4 * MIB));
        let _held = budget.acquire_for_module(8 * MIB).await.expect("all of it is free");
        let sent = Arc::new(AtomicUsize::new(0));
        let is_refused =
            |read: &Result<Bytes, BodyError>| matches!(read, Err(BodyError::NoRoom(_)));
        for (headers, body_chunks) in [(announcing("4194304"), 4), (HeaderMap::new(), 4)] {
            sent.store(0, Ordering::Relaxed);
            let count = Arc::clone(&sent);
            let chunks = (0..body_chunks).map(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
                Ok::<_, std::io::Error>(Bytes::from(vec![0; MIB]))
            });
            let body = Body::from_stream(stream::iter(chunks));
            let read = with_budget(&budget, read(&headers, body, limits)).await;
            assert!(is_refused(&read));
            assert_eq!(sent.load(Ordering::Relaxed), 4, "all of it was read");
        }
        // But not for ever, nor without end.
        let headers = announcing("4194304");
        assert!(is_refused(&with_budget(&budget, read(&headers, never(), limits)).await));
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_room_and_does_not_send_gives_way_to_others() {
        const MIB: usize = 1024 * 1024;
        let limits = BodyLimits { bytes_max: 3 * MIB, ..LIMITS };
        let budget = Arc::new(MemoryBudget::new(4 * MIB));
        let headers = announcing("3145728");
        let slow = with_budget(&budget, read(&headers, never(), limits));
        let body = Body::from(vec![0; 3 * MIB]);
        let quick = with_budget(&budget, read(&headers, body, limits));
        let (slow, quick) = tokio::join!(slow, quick);
        assert!(matches!(slow, Err(BodyError::Crowded)), "{slow:?}");
        assert_eq!(quick.expect("it got the room").len(), 3 * MIB);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_announces_nothing_is_charged_for_as_it_comes() {
        const MIB: usize = 1024 * 1024;
        let limits = BodyLimits { bytes_max: 100 * MIB, ..LIMITS };
        let budget = Arc::new(MemoryBudget::new(4 * MIB));
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[0; 64 * 1024]));
        let body = Body::from_stream(stream::repeat_with(chunk));
        let read = with_budget(&budget, read(&HeaderMap::new(), body, limits)).await;
        assert!(matches!(read, Err(BodyError::NoRoom(_))), "{read:?}");
    }
}
