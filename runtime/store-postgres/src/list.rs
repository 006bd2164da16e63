//! Lists and counts of runs. Their SQL is put together of the words in this file and in
//! `filter.rs`; everything else is bound.

use dacapo_filter::{Condition, Field, Filter, OrderBy, Test};
use dacapo_model::builtin::BUILTIN_IDS;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{NamespaceName, WorkflowHash};
use dacapo_store::count::{CountBy, CountGroup, ExecutionCount, GROUPS_MAX};
use dacapo_store::error::Result;
use dacapo_store::execution::{
    ExecutionCursor, ExecutionFilter, ListOrder, ListPlace, ListedExecution,
};
use dacapo_store::record::RowName;
use sqlx::postgres::PgRow;
use sqlx::{FromRow as _, Postgres, QueryBuilder, Row as _};

use crate::execution::{COLUMNS, ExecutionRow, TABLE};
use crate::filter::push_filter;
use crate::search::Search;
use crate::time::to_database;
use crate::{PostgresStore, error};

impl PostgresStore {
    pub(crate) async fn list(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        after: Option<&ExecutionCursor>,
        limit: u32,
    ) -> Result<Vec<ListedExecution>> {
        let list = List { namespace, filter, after, limit };
        if filter.is_plain() {
            let mut query = list.statement("");
            let rows = query.build_query_as::<ExecutionRow>().fetch_all(self.statement()).await;
            let rows = rows.map_err(error::on(TABLE))?;
            return rows.into_iter().map(ExecutionRow::into_listed).collect();
        }
        let mut search = self.searches.begin().await?;
        let rows = match filter.filter.as_ref().is_some_and(names_an_attribute) {
            false => self.found(&mut search, list.statement("")).await?,
            // Nobody knows how many runs have a value, the planner least of all: it has no
            // statistics of what is in the attributes. If many do, a page of them is among the
            // newest; if not, the index of attributes has few.
            true => match self.found(&mut search, list.newest_statement("")).await? {
                rows if rows.len() == limit as usize => rows,
                _ => self.found(&mut search, list.indexed_statement("")).await?,
            },
        };
        let row = |row| ExecutionRow::from_row(row).map_err(error::on(TABLE))?.into_listed();
        rows.iter().map(row).collect()
    }

    async fn found(
        &self,
        search: &mut Search<'_>,
        query: QueryBuilder<Postgres>,
    ) -> Result<Vec<PgRow>> {
        self.counters.add_statements(1);
        search.rows(query).await
    }

    pub(crate) async fn count(
        &self,
        namespace: &NamespaceName,
        filter: &ExecutionFilter,
        by: Option<CountBy>,
    ) -> Result<Vec<ExecutionCount>> {
        let mut search = self.searches.begin().await?;
        let rows = self.found(&mut search, count_statement("", namespace, filter, by)).await?;
        rows.iter().map(|row| counted(row, by)).collect()
    }
}

/// One page.
pub(crate) struct List<'a> {
    pub(crate) namespace: &'a NamespaceName,
    pub(crate) filter: &'a ExecutionFilter,
    pub(crate) after: Option<&'a ExecutionCursor>,
    pub(crate) limit: u32,
}

impl List<'_> {
    /// The planner chooses how. `before` stands before the statement.
    pub(crate) fn statement(&self, before: &str) -> QueryBuilder<Postgres> {
        let mut query = QueryBuilder::new(before);
        query.push("SELECT ").push(COLUMNS).push(" FROM workflow_executions");
        push_conditions(&mut query, self.namespace, self.filter);
        self.push_after(&mut query);
        self.push_end(&mut query, self.limit);
        query
    }

    /// Only those among the next runs in the order of the list, whatever they are.
    pub(crate) fn newest_statement(&self, before: &str) -> QueryBuilder<Postgres> {
        let mut query = QueryBuilder::new(before);
        query.push("SELECT ").push(COLUMNS);
        query.push(" FROM (SELECT * FROM workflow_executions");
        push_simple_conditions(&mut query, self.namespace, self.filter);
        if let Some(filter) = &self.filter.filter {
            push_start_times(&mut query, self.namespace, filter);
        }
        self.push_after(&mut query);
        self.push_end(&mut query, NEWEST);
        query.push(") AS workflow_executions WHERE true");
        push_written_condition(&mut query, self.namespace, self.filter);
        self.push_end(&mut query, self.limit);
        query
    }

    /// All that match are found before they are sorted, so not by their order.
    pub(crate) fn indexed_statement(&self, before: &str) -> QueryBuilder<Postgres> {
        let mut query = QueryBuilder::new(before);
        query.push("WITH found AS MATERIALIZED (SELECT * FROM workflow_executions");
        push_conditions(&mut query, self.namespace, self.filter);
        self.push_after(&mut query);
        query.push(") SELECT ").push(COLUMNS).push(" FROM found AS workflow_executions");
        self.push_end(&mut query, self.limit);
        query
    }

    fn push_end(&self, query: &mut QueryBuilder<Postgres>, limit: u32) {
        let key = match self.filter.list_order() {
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
        query.push(" ORDER BY ").push(key).push(" LIMIT ").push_bind(i64::from(limit));
    }

    fn push_after(&self, query: &mut QueryBuilder<Postgres>) {
        if self.filter.order.is_some_and(|order| order.by == OrderBy::CloseTime) {
            query.push(" AND closed_at IS NOT NULL");
        }
        if let Some(after) = self.after {
            push_after(query, after, self.filter.is_descending());
        }
    }
}

/// How many runs are looked at in their order before an index is asked for all that match.
const NEWEST: u32 = 10_000;

/// Whether the runs must have some value of a search attribute, which an index finds.
fn names_an_attribute(filter: &Filter) -> bool {
    match filter {
        Filter::All(all) => all.iter().any(names_an_attribute),
        Filter::Any(any) => any.iter().all(names_an_attribute),
        Filter::Is(Condition { field, test, expected }) => {
            let is_found = matches!(test, Test::OneOf(_)) && *expected;
            matches!(field, Field::Attribute(..)) && is_found
        }
    }
}

/// Those conditions on the time of the start that must hold, whatever else does.
fn push_start_times(
    query: &mut QueryBuilder<Postgres>,
    namespace: &NamespaceName,
    filter: &Filter,
) {
    match filter {
        Filter::All(all) => all.iter().for_each(|it| push_start_times(query, namespace, it)),
        Filter::Is(condition) if condition.field == Field::StartTime => {
            query.push(" AND ");
            push_filter(query, namespace, filter);
        }
        Filter::Any(_) | Filter::Is(_) => {}
    }
}

/// Groups, the largest first, or one number.
pub(crate) fn count_statement(
    before: &str,
    namespace: &NamespaceName,
    filter: &ExecutionFilter,
    by: Option<CountBy>,
) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(before);
    query.push("SELECT count(*) AS runs");
    let key = by.map(|by| match by {
        CountBy::ExecutionStatus => "status",
        CountBy::WorkflowType => "workflow_type",
        CountBy::ModuleDigest => "module_digest",
        CountBy::StartDay => "floor(EXTRACT(EPOCH FROM started_at) / 86400)::int8",
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
    query: &mut QueryBuilder<Postgres>,
    namespace: &NamespaceName,
    filter: &ExecutionFilter,
) {
    push_simple_conditions(query, namespace, filter);
    push_written_condition(query, namespace, filter);
}

fn push_written_condition(
    query: &mut QueryBuilder<Postgres>,
    namespace: &NamespaceName,
    filter: &ExecutionFilter,
) {
    if let Some(filter) = &filter.filter {
        query.push(" AND ");
        push_filter(query, namespace, filter);
    }
}

/// All but what a caller has written.
fn push_simple_conditions(
    query: &mut QueryBuilder<Postgres>,
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
            query.push(format_args!(" AND starts_with(workflow_id, '{BUILTIN_IDS}') = false"));
        }
        (None, Some(workflow)) => {
            query.push(format_args!(" AND starts_with(workflow_id, '{BUILTIN_IDS}') = true"));
            // As in SQLite: the planner would make a range of starts_with, and take the index of
            // ids, which is in another order.
            query.push(" AND substr(workflow_id, 1, ");
            query.push_bind(i32::try_from(workflow.id_prefix().len()).unwrap_or(i32::MAX));
            query.push(") = ").push_bind(workflow.id_prefix());
        }
    }
    if !filter.statuses.is_empty() {
        let statuses: Vec<_> =
            filter.statuses.iter().map(|status| format!("'{}'", status.as_str())).collect();
        query.push(" AND status IN (").push(statuses.join(", ")).push(")");
    }
    if let Some(workflow_type) = &filter.workflow_type {
        query.push(" AND workflow_type = ").push_bind(workflow_type.as_str().to_owned());
    }
    if let Some(from) = filter.started_from {
        query.push(" AND started_at >= ").push_bind(to_database(from));
    }
    if let Some(before) = filter.started_before {
        query.push(" AND started_at < ").push_bind(to_database(before));
    }
}

fn push_after(query: &mut QueryBuilder<Postgres>, after: &ExecutionCursor, is_descending: bool) {
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
            query.push(", ").push_bind(to_database(*started_at))
        }
        ListPlace::Started(time) | ListPlace::Closed(time) => query.push_bind(to_database(*time)),
        ListPlace::Named(workflow_id) => query.push_bind(workflow_id.as_str().to_owned()),
    };
    query.push(", ").push_bind(after.run_id.0).push(")");
}

fn counted(row: &PgRow, by: Option<CountBy>) -> Result<ExecutionCount> {
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
mod plans;
