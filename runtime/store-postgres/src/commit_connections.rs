//! The connections that commits use.
//!
//! A pool tests a connection when it comes back, with a round trip of its own, and
//! hands its connections out in turn. For commits, which follow each other all the
//! time, that is a third of their cost: so those in use are kept out of the pool,
//! the last one used first. One on which a commit has failed is closed: its session
//! may be read-only for as long as it lives, or in a state that nobody knows. What the
//! server does there is ended before another connection is used: a statement that
//! waits in the network must not be done after a later one of the same run.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::TEST_AFTER_IDLE;
use crate::backend::{self, Backend};
use crate::lineage::{Lineage, now};
use crate::patience::Patience;

/// A pool, and the connections taken out of it.
#[derive(Debug)]
pub(crate) struct CommitConnections {
    pool: PgPool,
    lineage: Arc<Lineage>,
    patience: Patience,
    /// One for each connection that the pool may open: who has a turn finds one
    /// kept, or the pool has one left. Without it, those who wait for the pool
    /// would wait for connections that never come back to it.
    turns: Semaphore,
    kept: Mutex<Vec<Kept>>,
    /// What was under way there may still be done: until it has come to an end, it
    /// could overwrite what is written after it.
    abandoned: Mutex<Vec<Backend>>,
}

/// A connection in use. Dropped, it is closed, whatever is under way on it; before
/// another is used, that has come to an end.
pub(crate) struct Taken<'a> {
    connections: &'a CommitConnections,
    connection: Option<PoolConnection<Postgres>>,
    backend: Backend,
    /// Of its session.
    pub(crate) generation: u64,
    /// Given back last: the next one is to find the connection among those kept.
    _turn: SemaphorePermit<'a>,
}

/// Closes the connection when it is dropped.
#[derive(Debug)]
struct Closing(Option<PoolConnection<Postgres>>);

#[derive(Debug)]
struct Kept {
    connection: Closing,
    backend: Backend,
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

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.connections.abandoned.lock().push(self.backend);
            drop(Closing(Some(connection)));
        }
    }
}

impl Deref for Taken<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect(EXPECT_OPEN)
    }
}

impl DerefMut for Taken<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect(EXPECT_OPEN)
    }
}

impl Kept {
    async fn works(&mut self, patience: &Patience) -> bool {
        let connection = self.connection.0.as_mut().expect(EXPECT_OPEN);
        self.used_at.elapsed() < TEST_AFTER_IDLE
            || patience.with_network(connection.ping()).await.flatten().is_ok()
    }
}

impl CommitConnections {
    /// Of a pool that opens at most `connections`.
    pub(crate) fn new(
        pool: PgPool,
        connections: usize,
        lineage: Arc<Lineage>,
        patience: Patience,
    ) -> Self {
        let turns = Semaphore::new(connections);
        let (kept, abandoned) = (Mutex::default(), Mutex::default());
        Self { pool, lineage, patience, turns, kept, abandoned }
    }

    /// A connection that works, as far as can be known. To be given back with
    /// [`Self::keep`] if it still does.
    pub(crate) async fn take(&self) -> sqlx::Result<Taken<'_>> {
        let turn = self.turns.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let (mut connection, backend, generation) = self.open().await?;
        let abandoned = self.abandoned.lock().clone();
        if !abandoned.is_empty() {
            let open = connection.0.as_mut().expect(EXPECT_OPEN);
            self.patience.with_network(backend::end(open, &abandoned)).await.flatten()?;
            self.abandoned.lock().retain(|it| !abandoned.contains(it));
        }
        let connection = connection.0.take();
        Ok(Taken { connections: self, connection, backend, generation, _turn: turn })
    }

    async fn open(&self) -> sqlx::Result<(Closing, Backend, u64)> {
        while let Some(mut kept) = self.next_kept() {
            let Kept { generation, backend, .. } = kept;
            if generation == self.lineage.generation() && kept.works(&self.patience).await {
                return Ok((kept.connection, backend, generation));
            }
        }
        let generation = self.lineage.generation();
        let mut connection = self.pool.acquire().await?;
        let asking = Backend::of(&mut connection);
        let backend = self.patience.with_network(asking).await.flatten();
        let connection = Closing(Some(connection));
        Ok((connection, backend?, generation))
    }

    fn next_kept(&self) -> Option<Kept> {
        self.kept.lock().pop()
    }

    pub(crate) fn keep(&self, mut taken: Taken<'_>) {
        let Taken { backend, generation, .. } = taken;
        let connection = Closing(taken.connection.take());
        self.kept.lock().push(Kept { connection, backend, generation, used_at: now() });
    }

    pub(crate) async fn close(&self) {
        let kept = std::mem::take(&mut *self.kept.lock());
        drop(kept);
        self.pool.close().await;
    }
}
