//! The processes of the server that work for sessions.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// How long the server waits for one of them to end before it is looked at again.
const END_TIME_MAX_MS: i64 = 1_000;

/// One of them. Numbers are used again, so its start belongs to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backend {
    pid: i32,
    started_at: DateTime<Utc>,
}

impl Backend {
    /// The one that works for a session.
    pub(crate) async fn of(connection: &mut PgConnection) -> sqlx::Result<Self> {
        sqlx::query_as!(
            Self,
            r#"SELECT pid AS "pid!", backend_start AS "started_at!"
               FROM pg_stat_get_activity(pg_backend_pid())"#
        )
        .fetch_one(connection)
        .await
    }
}

/// Returns once they are gone. Whatever they had not committed will never be.
///
/// A commit that waits for a synchronous standby is not cut short: it would count
/// without being there.
pub(crate) async fn end(connection: &mut PgConnection, backends: &[Backend]) -> sqlx::Result<()> {
    let (pids, starts): (Vec<_>, Vec<_>) =
        backends.iter().map(|backend| (backend.pid, backend.started_at)).unzip();
    loop {
        let left = sqlx::query_scalar!(
            r#"SELECT CASE WHEN wait_event = 'SyncRep' THEN pg_sleep(0.1) IS NULL
                      ELSE pg_terminate_backend(session.pid, $3) END AS "is_gone!"
               FROM unnest($1::int4[], $2::timestamptz[]) AS abandoned (pid, started_at)
               JOIN pg_stat_activity AS session
                   ON session.pid = abandoned.pid AND session.backend_start = abandoned.started_at"#,
            &pids,
            &starts,
            END_TIME_MAX_MS
        )
        .fetch_all(&mut *connection)
        .await?;
        if left.into_iter().all(|is_gone| is_gone) {
            return Ok(());
        }
    }
}
