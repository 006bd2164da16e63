//! Lists and counts of runs. Their SQL is put together of the words in this file and in
//! `filter.rs`; everything else is bound.

use std::time::{Duration, Instant};

use dacapo_filter::OrderBy;
use dacapo_model::builtin::BUILTIN_IDS;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{NamespaceName, WorkflowHash};
use dacapo_store::count::{CountBy, CountGroup, ExecutionCount, GROUPS_MAX};
use dacapo_store::error::{Result, StoreError};
use dacapo_store::execution::{
    ExecutionCursor, ExecutionFilter, ListOrder, ListPlace, ListedExecution, SEARCH_TIME_MAX,
};
use dacapo_store::record::RowName;
use sqlx::pool::PoolConnection;
use sqlx::{QueryBuilder, Row as _, Sqlite};
use tokio::time::timeout;

use crate::error::unavailable;
use crate::execution::{COLUMNS, ExecutionRow, TABLE};
use crate::filter::{NOT_COMPLETED, push_filter};
use crate::{SqliteStore, error};

/// How many steps of its machine SQLite makes before the time is looked at.
const STEPS: i32 = 10_000;

/// The handler of progress has ended the statement.
const SQLITE_INTERRUPT: u32 = 9;

impl SqliteStore {
    pub(crate) async fn list(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        after: Option<&ExecutionCursor>,
        limit: u32,
    ) -> Result<Vec<ListedExecution>> {
        let mut query = list_statement(namespace, filter, after, limit);
        let query = query.build_query_as::<ExecutionRow>();
        let rows = match filter.is_plain() {
            true => query.fetch_all(self.statement()).await.map_err(error::on(TABLE))?,
            false => {
                let mut search = self.searching(SEARCH_TIME_MAX).await?;
                let rows = query.persistent(false).fetch_all(&mut *search.connection).await;
                rows.map_err(|error| search.told(error))?
            }
        };
        rows.into_iter().map(ExecutionRow::into_listed).collect()
    }

    pub(crate) async fn count(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        by: Option<CountBy>,
    ) -> Result<Vec<ExecutionCount>> {
        let mut query = count_statement(namespace, filter, by);
        let mut search = self.searching(SEARCH_TIME_MAX).await?;
        let rows = query.build().persistent(false).fetch_all(&mut *search.connection).await;
        let rows = rows.map_err(|error| search.told(error))?;
        rows.iter().map(|row| counted(row, by)).collect()
    }

    /// Waits for its turn. The next statement ends when the time is over, with the wait.
    async fn searching(&self, limit: Duration) -> Result<Search> {
        self.counters.add_statements(1);
        let begun = now();
        let ready = async {
            let mut connection = self.searches.acquire().await?;
            // Who had it before may have gone while SQLite works on.
            let mut handle = connection.lock_handle().await?;
            let end = begun + limit;
            handle.set_progress_handler(STEPS, move || now() < end);
            drop(handle);
            Ok(connection)
        };
        let ready = timeout(limit, ready).await;
        let connection = ready.map_err(|_| StoreError::SearchesBusy { limit })?;
        let connection = connection.map_err(|error: sqlx::Error| unavailable(error))?;
        Ok(Search { connection, limit, waited: begun.elapsed() })
    }
}

/// A list or a count that has its turn.
#[derive(Debug)]
struct Search {
    connection: PoolConnection<Sqlite>,
    limit: Duration,
    waited: Duration,
}

impl Search {
    /// Of one that ran out of time: it is to blame itself if it had most of it.
    fn told(&self, error: sqlx::Error) -> StoreError {
        let code = error.as_database_error().and_then(|error| error.code());
        let code = code.and_then(|code| code.parse::<u32>().ok());
        match code {
            Some(SQLITE_INTERRUPT) if self.waited < self.limit / 2 => {
                StoreError::TooSlow { limit: self.limit }
            }
            Some(SQLITE_INTERRUPT) => StoreError::SearchesBusy { limit: self.limit },
            _ => error::on(TABLE)(error),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a search may take is no input of it")]
fn now() -> Instant {
    Instant::now()
}

/// One page.
pub(crate) fn list_statement(
    namespace: &NamespaceName,
    filter: &ExecutionFilter,
    after: Option<&ExecutionCursor>,
    limit: u32,
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM workflow_executions");
    push_conditions(&mut query, namespace, filter);
    let key = match filter.list_order() {
        ListOrder::LastCommitted => "run_number DESC, started_at DESC, run_id DESC",
        ListOrder::By(order) => match (order.by, order.is_descending) {
            (OrderBy::StartTime, true) => "started_at DESC, run_id DESC",
            (OrderBy::StartTime, false) => "started_at, run_id",
            (OrderBy::CloseTime, true) => "closed_at DESC, run_id DESC",
            (OrderBy::CloseTime, false) => "closed_at, run_id",
            (OrderBy::WorkflowId, true) => "workflow_id DESC, run_id DESC",
            (OrderBy::WorkflowId, false) => "workflow_id, run_id",
        },
    };
    if filter.order.is_some_and(|order| order.by == OrderBy::CloseTime) {
        query.push(" AND closed_at IS NOT NULL");
    }
    if let Some(after) = after {
        push_after(&mut query, after, filter.is_descending());
    }
    query.push(" ORDER BY ").push(key).push(" LIMIT ").push_bind(i64::from(limit));
    query
}

/// Groups, the largest first, or one number.
pub(crate) fn count_statement(
    namespace: &NamespaceName,
    filter: &ExecutionFilter,
    by: Option<CountBy>,
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT count(*) AS runs");
    let key = by.map(|by| match by {
        CountBy::ExecutionStatus => "status",
        CountBy::WorkflowType => "workflow_type",
        CountBy::ModuleDigest => "module_digest",
        CountBy::StartDay => {
            // Rounded down, also before 1970.
            "(started_at - ((started_at % 86400000000) + 86400000000) % 86400000000) / 86400000000"
        }
    });
    if let Some(key) = key {
        query.push(", ").push(key).push(" AS key");
    }
    query.push(" FROM workflow_executions");
    push_conditions(&mut query, namespace, filter);
    if key.is_some() {
        query.push(" GROUP BY key ORDER BY runs DESC, key LIMIT ").push_bind(i64::from(GROUPS_MAX));
    }
    query
}

fn push_conditions(
    query: &mut QueryBuilder<Sqlite>,
    namespace: &NamespaceName,
    filter: &ExecutionFilter,
) {
    query.push(" WHERE namespace = ").push_bind(namespace.as_str().to_owned());
    match (&filter.workflow_id, filter.builtin) {
        (Some(workflow_id), _) => {
            query.push(" AND workflow_hash = ");
            query.push_bind(WorkflowHash::of(namespace, workflow_id).0);
            query.push(" AND workflow_id = ").push_bind(workflow_id.as_str().to_owned());
        }
        // Written as in the index of lists, to be recognised.
        (None, None) => {
            query.push(format_args!(" AND (substr(workflow_id, 1, 7) = '{BUILTIN_IDS}') = 0"));
        }
        (None, Some(workflow)) => {
            query.push(format_args!(" AND (substr(workflow_id, 1, 7) = '{BUILTIN_IDS}') = 1"));
            query.push(" AND substr(workflow_id, 1, ");
            query.push_bind(i64::try_from(workflow.id_prefix().len()).unwrap_or(i64::MAX));
            query.push(") = ").push_bind(workflow.id_prefix());
        }
    }
    if !filter.statuses.is_empty() {
        let statuses: Vec<_> =
            filter.statuses.iter().map(|status| format!("'{}'", status.as_str())).collect();
        query.push(" AND status IN (").push(statuses.join(", ")).push(")");
        if !filter.statuses.contains(&ExecutionStatus::Completed) {
            query.push(NOT_COMPLETED);
        }
    }
    if let Some(workflow_type) = &filter.workflow_type {
        query.push(" AND workflow_type = ").push_bind(workflow_type.as_str().to_owned());
    }
    if let Some(from) = filter.started_from {
        query.push(" AND started_at >= ").push_bind(from.as_micros());
    }
    if let Some(before) = filter.started_before {
        query.push(" AND started_at < ").push_bind(before.as_micros());
    }
    if let Some(filter) = &filter.filter {
        query.push(" AND ");
        push_filter(query, namespace, filter);
    }
}

fn push_after(query: &mut QueryBuilder<Sqlite>, after: &ExecutionCursor, is_descending: bool) {
    let key = match &after.place {
        ListPlace::Numbered { .. } => " AND (run_number, started_at, run_id)",
        ListPlace::Started(_) => " AND (started_at, run_id)",
        ListPlace::Closed(_) => " AND (closed_at, run_id)",
        ListPlace::Named(_) => " AND (workflow_id, run_id)",
    };
    query.push(key).push(if is_descending { " < (" } else { " > (" });
    match &after.place {
        ListPlace::Numbered { run_number, started_at } => {
            // Numbers were read from the database, so they fit.
            query.push_bind(i64::try_from(*run_number).unwrap_or(i64::MAX));
            query.push(", ").push_bind(started_at.as_micros())
        }
        ListPlace::Started(time) | ListPlace::Closed(time) => query.push_bind(time.as_micros()),
        ListPlace::Named(workflow_id) => query.push_bind(workflow_id.as_str().to_owned()),
    };
    query.push(", ").push_bind(after.run_id.0).push(")");
}

fn counted(row: &sqlx::sqlite::SqliteRow, by: Option<CountBy>) -> Result<ExecutionCount> {
    let on = || error::on(TABLE);
    let name = RowName { table: TABLE, key: &"a count" };
    let runs = name.unsigned("runs", row.try_get("runs").map_err(on())?)?;
    let text = || row.try_get::<&str, _>("key").map_err(on());
    let group = match by {
        None => None,
        Some(CountBy::ExecutionStatus) => {
            let status = ExecutionStatus::parse(text()?);
            Some(CountGroup::Status(status.ok_or_else(|| name.corrupt("status", "no status"))?))
        }
        Some(CountBy::WorkflowType) => {
            Some(CountGroup::Type(name.parse("workflow_type", text()?)?))
        }
        Some(CountBy::ModuleDigest) => {
            let digest = row.try_get("key").map_err(on())?;
            Some(CountGroup::Module(name.digest("module_digest", digest)?))
        }
        Some(CountBy::StartDay) => Some(CountGroup::Day(row.try_get("key").map_err(on())?)),
    };
    Ok(ExecutionCount { group, runs })
}

#[cfg(test)]
mod tests {
    use dacapo_store::execution::SEARCHES_AT_ONCE;

    use super::*;

    const ENDLESS: &str = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) \
                           SELECT count(*) FROM n";

    #[tokio::test]
    async fn a_search_ends_when_its_time_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(folder.path().join("dacapo.db")).await.expect("opens");
        let mut search = store.searching(Duration::from_millis(50)).await.expect("its turn");
        let ended = sqlx::query(ENDLESS).fetch_all(&mut *search.connection).await;
        let ended = search.told(ended.expect_err("it has no end"));
        assert!(matches!(ended, StoreError::TooSlow { .. }), "{ended:?}");
        // The connection serves the next one.
        drop(search);
        let mut search = store.searching(SEARCH_TIME_MAX).await.expect("its turn");
        sqlx::query("SELECT 1").fetch_all(&mut *search.connection).await.expect("reads");
    }

    #[tokio::test]
    async fn the_wait_for_a_turn_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(folder.path().join("dacapo.db")).await.expect("opens");
        let mut turns = Vec::new();
        for _ in 0..SEARCHES_AT_ONCE {
            turns.push(store.searching(SEARCH_TIME_MAX).await.expect("its turn"));
        }
        let none = store.searching(Duration::from_millis(50)).await;
        assert!(matches!(none, Err(StoreError::SearchesBusy { .. })), "{none:?}");
        turns.pop();
        store.searching(SEARCH_TIME_MAX).await.expect("its turn");
    }
}
