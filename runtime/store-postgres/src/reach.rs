//! The first connection to a server: it says why there is none.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::{sleep, timeout};

/// How long a server that is just being started is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);

/// "The database system is starting up", or shutting down.
const CANNOT_CONNECT_NOW: &str = "57P03";

/// Connects once, and waits for a server that is just being started. A pool would try as
/// long, but then only know that the time is up.
pub(crate) async fn reach(options: &PgConnectOptions, limit: Duration) -> sqlx::Result<()> {
    let patience = PATIENCE.min(limit);
    let mut waited = Duration::ZERO;
    loop {
        let connected = match timeout(limit, options.connect()).await {
            Ok(connected) => connected,
            Err(_) => {
                let problem = format!("no answer within {} s", limit.as_secs_f64());
                return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, problem).into());
            }
        };
        match connected {
            Ok(connection) => return connection.close().await,
            Err(error) if is_starting(&error) && waited < patience => {
                if waited.is_zero() {
                    tracing::warn!(%error, ?patience, "waiting for the database to come up");
                }
                sleep(PAUSE).await;
                waited += PAUSE;
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.code().as_deref() == Some(CANNOT_CONNECT_NOW),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_refuses_is_told_as_such() {
        // Nothing can listen on port 0.
        let options = "postgres://nobody@127.0.0.1:0/nothing".parse().expect("an address");
        let error = reach(&options, Duration::from_millis(100)).await.expect_err("nobody there");
        let sqlx::Error::Io(error) = error else { panic!("{error}") };
        assert_ne!(error.kind(), std::io::ErrorKind::TimedOut, "{error}");
    }
}
