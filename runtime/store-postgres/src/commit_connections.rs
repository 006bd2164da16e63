//! The connections that commits use.
//!
//! A pool tests a connection when it comes back, with a round trip of its own, and
//! hands its connections out in turn. For commits, which follow each other all the
//! time, that is a third of their cost: so those in use are kept out of the pool,
//! the last one used first. One that has failed goes back, and the pool sees what
//! is wrong with it.

use std::time::Instant;

use parking_lot::Mutex;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, PgPool, Postgres};

use crate::TEST_AFTER_IDLE;

/// A pool, and the connections taken out of it.
#[derive(Debug)]
pub(crate) struct CommitConnections {
    pool: PgPool,
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    connection: PoolConnection<Postgres>,
    used_at: Instant,
}

impl CommitConnections {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool, kept: Mutex::new(Vec::new()) }
    }

    /// A connection that works, as far as can be known. To be given back with
    /// [`Self::keep`] after a success; dropped, it goes to the pool.
    pub(crate) async fn take(&self) -> sqlx::Result<PoolConnection<Postgres>> {
        let kept = self.kept.lock().pop();
        if let Some(Kept { mut connection, used_at }) = kept
            && (used_at.elapsed() < TEST_AFTER_IDLE || connection.ping().await.is_ok())
        {
            return Ok(connection);
        }
        self.pool.acquire().await
    }

    pub(crate) fn keep(&self, connection: PoolConnection<Postgres>) {
        let kept = Kept { connection, used_at: now() };
        self.kept.lock().push(kept);
    }

    pub(crate) async fn close(&self) {
        let kept = std::mem::take(&mut *self.kept.lock());
        drop(kept);
        self.pool.close().await;
    }
}

impl Drop for CommitConnections {
    fn drop(&mut self) {
        // Giving it back takes a task, and there may be no runtime any more.
        for kept in self.kept.get_mut().drain(..) {
            drop(kept.connection.detach());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a connection was idle is no run's time")]
fn now() -> Instant {
    Instant::now()
}
