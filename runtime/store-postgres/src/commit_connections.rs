//! The connections that commits use.
//!
//! A pool tests a connection when it comes back, with a round trip of its own, and
//! hands its connections out in turn. For commits, which follow each other all the
//! time, that is a third of their cost: so those in use are kept out of the pool,
//! the last one used first. One on which a commit has failed is closed: its session
//! may be read-only for as long as it lives, or in a state that nobody knows.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::TEST_AFTER_IDLE;
use crate::lineage::{Lineage, now};

/// A pool, and the connections taken out of it.
#[derive(Debug)]
pub(crate) struct CommitConnections {
    pool: PgPool,
    lineage: Arc<Lineage>,
    /// One for each connection that the pool may open: who has a turn finds one
    /// kept, or the pool has one left. Without it, those who wait for the pool
    /// would wait for connections that never come back to it.
    turns: Semaphore,
    kept: Mutex<Vec<Kept>>,
}

/// A connection in use. Dropped, it is closed, whatever is under way on it.
pub(crate) struct Taken<'a> {
    connection: Closing,
    /// Of its session.
    pub(crate) generation: u64,
    turn: SemaphorePermit<'a>,
}

/// Closes the connection when it is dropped.
#[derive(Debug)]
struct Closing(Option<PoolConnection<Postgres>>);

#[derive(Debug)]
struct Kept {
    connection: Closing,
    generation: u64,
    used_at: Instant,
}

const EXPECT_OPEN: &str = "it is closed when it is dropped, and not before";

impl Drop for Closing {
    fn drop(&mut self) {
        // To say goodbye takes a task, and there may be no runtime any more; nor
        // does a server that is gone hear it.
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

impl Deref for Taken<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.0.as_ref().expect(EXPECT_OPEN)
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.0.as_mut().expect(EXPECT_OPEN)
    }
}

impl Kept {
    async fn works(&mut self) -> bool {
        let connection = self.connection.0.as_mut().expect(EXPECT_OPEN);
        self.used_at.elapsed() < TEST_AFTER_IDLE || connection.ping().await.is_ok()
    }
}

impl CommitConnections {
    /// Of a pool that opens at most `connections`.
    pub(crate) fn new(pool: PgPool, connections: usize, lineage: Arc<Lineage>) -> Self {
        Self { pool, lineage, turns: Semaphore::new(connections), kept: Mutex::default() }
    }

    /// A connection that works, as far as can be known. To be given back with
    /// [`Self::keep`] if it still does.
    pub(crate) async fn take(&self) -> sqlx::Result<Taken<'_>> {
        let turn = self.turns.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let generation = self.lineage.generation();
        while let Some(mut kept) = self.next_kept() {
            if kept.generation == generation && kept.works().await {
                return Ok(Taken { connection: kept.connection, generation, turn });
            }
        }
        let connection = Closing(Some(self.pool.acquire().await?));
        Ok(Taken { connection, generation, turn })
    }

    fn next_kept(&self) -> Option<Kept> {
        self.kept.lock().pop()
    }

    pub(crate) fn keep(&self, taken: Taken<'_>) {
        let Taken { connection, generation, turn } = taken;
        self.kept.lock().push(Kept { connection, generation, used_at: now() });
        // Not before: the next one is to find it there.
        drop(turn);
    }

    pub(crate) async fn close(&self) {
        let kept = std::mem::take(&mut *self.kept.lock());
        drop(kept);
        self.pool.close().await;
    }
}
