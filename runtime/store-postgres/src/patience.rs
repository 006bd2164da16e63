//! How long an answer of the server is waited for.
//!
//! A network that swallows packets never says so: without a limit a statement would
//! wait for its answer for hours, and its connection with it. So every answer is
//! waited for as long as the server may take, and a little more. Then the session is
//! closed, and those that were opened beside it are, before they are used again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use dacapo_store::error::Result;
use tokio::time::timeout;

use crate::error::unavailable;
use crate::lineage::Lineage;

#[derive(Debug, Clone)]
pub(crate) struct Patience {
    lineage: Arc<Lineage>,
    /// For an answer that the server has to work for.
    answer: Duration,
    /// For one that costs it nothing.
    network: Duration,
}

impl Patience {
    /// With a server that gives statements up after `statement`, and a network that
    /// may take `network`.
    pub(crate) fn new(lineage: Arc<Lineage>, statement: Duration, network: Duration) -> Self {
        Self { lineage, answer: statement + network, network }
    }

    /// What comes of `work` on a session: of a statement, or of those of one
    /// transaction. Where it takes too long, the session must not be used again.
    pub(crate) async fn with<T>(&self, work: impl Future<Output = T>) -> sqlx::Result<T> {
        self.wait(self.answer, work).await
    }

    /// The same, where a time-out is an error like those of the work.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.with(work).await.map_err(unavailable).flatten()
    }

    /// What comes of something that costs the server nothing.
    pub(crate) async fn with_network<T>(&self, work: impl Future<Output = T>) -> sqlx::Result<T> {
        self.wait(self.network, work).await
    }

    async fn wait<T>(&self, limit: Duration, work: impl Future<Output = T>) -> sqlx::Result<T> {
        timeout(limit, work).await.map_err(|_| {
            // Those that are open beside it lead the same way.
            self.lineage.renew();
            let problem = format!("the server did not answer within {} s", limit.as_secs_f64());
            io::Error::new(io::ErrorKind::TimedOut, problem).into()
        })
    }
}
