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
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::TEST_AFTER_IDLE;

/// A pool, and the connections taken out of it.
#[derive(Debug)]
pub(crate) struct CommitConnections {
    pool: PgPool,
    /// One for each connection that the pool may open: who has a turn finds one
    /// kept, or the pool has one left. Without it, those who wait for the pool
    /// would wait for connections that never come back to it.
    turns: Semaphore,
    kept: Mutex<Vec<Kept>>,
}

/// A connection in use. Dropped, it goes to the pool.
pub(crate) struct Taken<'a> {
    pub(crate) connection: PoolConnection<Postgres>,
    turn: SemaphorePermit<'a>,
}

#[derive(Debug)]
struct Kept {
    connection: PoolConnection<Postgres>,
    used_at: Instant,
}

impl CommitConnections {
    /// Of a pool that opens at most `connections`.
    pub(crate) fn new(pool: PgPool, connections: usize) -> Self {
        Self { pool, turns: Semaphore::new(connections), kept: Mutex::new(Vec::new()) }
    }

    /// A connection that works, as far as can be known. To be given back with
    /// [`Self::keep`] after a success.
    pub(crate) async fn take(&self) -> sqlx::Result<Taken<'_>> {
        let turn = self.turns.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let kept = self.kept.lock().pop();
        if let Some(Kept { mut connection, used_at }) = kept
            && (used_at.elapsed() < TEST_AFTER_IDLE || connection.ping().await.is_ok())
        {
            return Ok(Taken { connection, turn });
        }
        Ok(Taken { connection: self.pool.acquire().await?, turn })
    }

    pub(crate) fn keep(&self, taken: Taken<'_>) {
        let Taken { connection, turn } = taken;
        self.kept.lock().push(Kept { connection, used_at: now() });
        // Not before: the next one is to find it there.
        drop(turn);
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
