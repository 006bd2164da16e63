//! Operations that must not stop in the middle.

use tracing::{Instrument as _, Span};

/// Runs an operation to its end, even if its caller goes away meanwhile: what answers
/// a client is dropped wherever it waits, and half an operation is none. Every
/// operation that changes something is called in this way.
pub async fn to_the_end<T, F>(operation: F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    match tokio::spawn(operation.instrument(Span::current())).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Nothing aborts it; only the end of the process does.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt as _;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn an_operation_goes_on_without_its_client() {
        let (go, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let operation = {
            let (go, done) = (go.clone(), done.clone());
            to_the_end(async move {
                go.notified().await;
                done.notify_one();
            })
        };
        // Polled once, as for a client that then goes away, and dropped.
        assert_eq!(operation.now_or_never(), None);
        go.notify_one();
        done.notified().await;
    }

    #[tokio::test]
    #[should_panic(expected = "a defect")]
    async fn a_panic_stays_a_panic() {
        to_the_end(async { panic!("a defect") }).await
    }
}
