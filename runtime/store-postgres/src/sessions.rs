//! The sessions for everything but commits and the lease.

use std::ops::{Deref, DerefMut};

use futures::channel::mpsc;
use futures::future::{BoxFuture, ready};
use futures::stream::{BoxStream, select};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _, TryStreamExt as _};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr};
use tokio::runtime::Handle;

use crate::patience::Patience;

/// A pool of sessions. Used as an executor, it waits for each answer for a while.
#[derive(Debug)]
pub(crate) struct Sessions {
    pool: PgPool,
    patience: Patience,
}

/// One that was taken out of the pool. Dropped, it is closed, unless it was
/// [given back](Self::give_back): nobody knows what it is doing.
pub(crate) struct Session {
    connection: Option<PoolConnection<Postgres>>,
    patience: Patience,
}

const EXPECT_OPEN: &str = "it is there until it is given back or dropped";

impl Sessions {
    pub(crate) fn new(pool: PgPool, patience: Patience) -> Self {
        Self { pool, patience }
    }

    /// A session that works, as far as can be known. The pool limits how long that
    /// takes.
    pub(crate) async fn take(&self) -> sqlx::Result<Session> {
        let connection = Some(self.pool.acquire().await?);
        Ok(Session { connection, patience: self.patience.clone() })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

impl Session {
    /// Back to the pool, which tests it first.
    pub(crate) fn give_back(mut self) {
        if let Some(mut connection) = self.connection.take()
            && let Ok(runtime) = Handle::try_current()
        {
            let patience = self.patience.clone();
            // What is dropped here is closed, and leaves its place in the pool.
            runtime.spawn(async move { patience.with_network(connection.return_to_pool()).await });
        }
    }

    /// The same if the server has answered, be it with an error.
    pub(crate) fn give_back_after<T>(self, answer: &sqlx::Result<T>) {
        if matches!(answer, Ok(_) | Err(sqlx::Error::Database(_) | sqlx::Error::RowNotFound)) {
            self.give_back();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // To say goodbye takes a task, and a server that is gone does not hear it.
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}

impl Deref for Session {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect(EXPECT_OPEN)
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect(EXPECT_OPEN)
    }
}

/// What an answer consists of.
type Part = Either<PgQueryResult, PgRow>;

impl<'c> Executor<'c> for &'c Sessions {
    type Database = Postgres;

    /// Rows are handed on as they come. If nobody wants the rest, the session is
    /// closed.
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Part>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (mut parts, received) = mpsc::channel(0);
        let reading = async move {
            let mut session = self.take().await?;
            let read = async {
                let mut answer = session.fetch_many(query);
                while let Some(part) = answer.try_next().await? {
                    // Who asked goes away together with this.
                    let _ = parts.send(Ok(part)).await;
                }
                sqlx::Result::Ok(())
            };
            let read = self.patience.with(read).await.flatten();
            session.give_back_after(&read);
            read
        };
        let failure = reading.into_stream().filter_map(|read| ready(read.err().map(Err)));
        select(received, failure).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        async move {
            let mut session = self.take().await?;
            let row = self.patience.with(session.fetch_optional(query)).await.flatten();
            session.give_back_after(&row);
            row
        }
        .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        async move {
            let mut session = self.take().await?;
            let prepared =
                self.patience.with(session.prepare_with(sql, parameters)).await.flatten();
            session.give_back_after(&prepared);
            prepared
        }
        .boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        async move {
            let mut session = self.take().await?;
            let described = self.patience.with(session.describe(sql)).await.flatten();
            session.give_back_after(&described);
            described
        }
        .boxed()
    }
}
