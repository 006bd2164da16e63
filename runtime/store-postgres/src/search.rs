//! The sessions for what callers look for. What that costs is theirs to say, so it has few
//! sessions, which nobody else waits for, and little time: the wait for one of them counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dacapo_store::error::{Result, StoreError};
use dacapo_store::execution::SEARCHES_AT_ONCE;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::error::{self, unavailable};
use crate::execution::TABLE;
use crate::patience::Patience;
use crate::sessions::{Session, Sessions};

/// The server gave the statement up, since its time was over.
const QUERY_CANCELED: &str = "57014";

#[derive(Debug)]
pub(crate) struct Searches {
    sessions: Sessions,
    /// One for each session. To wait for these, and not for the pool, tells a server that is
    /// busy from one that is not there.
    places: Arc<Semaphore>,
    limit: Duration,
    patience: Patience,
}

/// One that has its turn. Several statements have the time of it together.
pub(crate) struct Search<'a> {
    searches: &'a Searches,
    place: Option<OwnedSemaphorePermit>,
    /// None while the server works for it.
    session: Option<Session>,
    begun: Instant,
    waited: Duration,
}

impl Searches {
    pub(crate) fn new(sessions: Sessions, limit: Duration, patience: Patience) -> Self {
        let places = Arc::new(Semaphore::new(SEARCHES_AT_ONCE as usize));
        Self { sessions, places, limit, patience }
    }

    /// Waits for its turn.
    pub(crate) async fn begin(&self) -> Result<Search<'_>> {
        let begun = now();
        let place = timeout(self.limit, self.places.clone().acquire_owned()).await;
        let place = place.map_err(|_| StoreError::SearchesBusy { limit: self.limit })?;
        let waited = begun.elapsed();
        let place = Some(place.map_err(unavailable)?);
        let session = Some(self.sessions.take().await.map_err(unavailable)?);
        Ok(Search { searches: self, place, session, begun, waited })
    }

    pub(crate) async fn close(&self) {
        self.sessions.close().await;
    }
}

impl Search<'_> {
    /// All rows of a statement.
    pub(crate) async fn rows(&mut self, mut query: QueryBuilder<Postgres>) -> Result<Vec<PgRow>> {
        let Some(mut session) = self.session.take() else {
            return Err(self.out_of_time());
        };
        let rows = async {
            let left = format!("{}ms", self.left().as_millis().max(1));
            let set = sqlx::query("SELECT set_config('statement_timeout', $1, false)");
            set.bind(left).execute(&mut *session).await?;
            // Planned for its own values, and not kept.
            query.build().persistent(false).fetch_all(&mut *session).await
        };
        let rows = self.searches.patience.with(rows).await.flatten();
        match rows {
            Ok(rows) => {
                self.session = Some(session);
                Ok(rows)
            }
            Err(error) => {
                let failed: sqlx::Result<()> = Err(error);
                session.give_back_after(&failed);
                self.place = None;
                failed.map(|()| Vec::new()).map_err(|error| self.told(error))
            }
        }
    }

    fn left(&self) -> Duration {
        self.searches.limit.saturating_sub(self.begun.elapsed())
    }

    fn told(&self, error: sqlx::Error) -> StoreError {
        let code = error.as_database_error().and_then(|error| error.code());
        match code.as_deref() {
            Some(QUERY_CANCELED) => self.out_of_time(),
            _ => error::on(TABLE)(error),
        }
    }

    /// It is to blame itself if it had most of the time.
    fn out_of_time(&self) -> StoreError {
        let limit = self.searches.limit;
        match self.waited < limit / 2 {
            true => StoreError::TooSlow { limit },
            false => StoreError::SearchesBusy { limit },
        }
    }
}

impl Drop for Search<'_> {
    fn drop(&mut self) {
        match (self.session.take(), self.place.take(), Handle::try_current()) {
            (Some(session), ..) => session.give_back(),
            // Whoever asked has gone, and the server does not know: it works on until the
            // time is over. Nobody has its place meanwhile.
            (None, Some(place), Ok(runtime)) => {
                let left = self.left();
                runtime.spawn(async move {
                    sleep(left).await;
                    drop(place);
                });
            }
            (None, ..) => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a search may take is no input of it")]
fn now() -> Instant {
    Instant::now()
}
