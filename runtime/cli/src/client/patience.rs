//! How long a server that is gone is waited for.

use std::time::Duration;

use tokio::time::Instant;

use super::ClientError;

/// Long enough for a server to be started again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Wait between two tries to reach it.
const PAUSE: Duration = Duration::from_millis(200);

/// The patience of somebody who waits for something that survives its server.
#[derive(Debug, Default)]
pub struct Patience {
    gone_since: Option<Instant>,
}

impl Patience {
    /// The server has answered.
    pub fn restore(&mut self) {
        self.gone_since = None;
    }

    /// Waits a moment before the next try; or gives the error back, if it will
    /// not pass or the server has been gone for too long.
    pub async fn bear(&mut self, error: ClientError) -> Result<(), ClientError> {
        if self.is_at_its_end(&error, now()) {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    fn is_at_its_end(&mut self, error: &ClientError, now: Instant) -> bool {
        let since = *self.gone_since.get_or_insert(now);
        !error.is_passing() || now.duration_since(since) > PATIENCE
    }
}

#[expect(clippy::disallowed_methods, reason = "a person's patience is measured in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone() -> ClientError {
        ClientError::Unavailable { message: "stopping".to_owned() }
    }

    #[test]
    fn it_ends_when_the_server_stays_away() {
        let (mut patience, start) = (Patience::default(), now());
        assert!(!patience.is_at_its_end(&gone(), start));
        assert!(!patience.is_at_its_end(&gone(), start + PATIENCE));
        assert!(patience.is_at_its_end(&gone(), start + PATIENCE + PAUSE));
    }

    #[test]
    fn it_is_restored_by_an_answer() {
        let (mut patience, start) = (Patience::default(), now());
        assert!(!patience.is_at_its_end(&gone(), start));
        patience.restore();
        assert!(!patience.is_at_its_end(&gone(), start + 2 * PATIENCE));
    }

    #[test]
    fn it_has_none_with_an_error_that_will_not_pass() {
        let error = ClientError::Answer { problem: "nonsense".to_owned() };
        assert!(Patience::default().is_at_its_end(&error, now()));
    }
}
