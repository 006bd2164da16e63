//! Waiting for conditions, never for time alone.

use std::time::Duration;

/// Longer than anything takes on a busy machine. Only a test that fails waits so
/// long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same for a whole test, with others beside it.
const TEST_PATIENCE: Duration = Duration::from_secs(1200);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something to see.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(seen) => seen,
        Err(_) => panic!("{what}: that did not happen within {} s", PATIENCE.as_secs()),
    }
}

/// Fails what would hang.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(TEST_PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what} was not done within {} s", TEST_PATIENCE.as_secs()),
    }
}
