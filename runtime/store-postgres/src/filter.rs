//! The SQL of a filter. Its words are of this file; what a caller wrote is bound.

use chrono::{DateTime, Utc};
use dacapo_filter::{AttributeType, Bound, Condition, Field, Filter, Test, Value};
use dacapo_model::ids::{NamespaceName, WorkflowHash, WorkflowId};
use dacapo_store::attribute_json::{attribute_of, attribute_type};
use dacapo_store::record::to_json;
use serde_json::json;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use crate::time::to_database;

type Query = QueryBuilder<Postgres>;

/// Adds what is true of a row of `workflow_executions` that the filter wants, and false or
/// null of others.
pub(crate) fn push_filter(query: &mut Query, namespace: &NamespaceName, filter: &Filter) {
    let mut joins = JOINS_MAX;
    push_part(query, namespace, filter, &mut joins);
}

/// Conditions on tags that may become joins: how long the planner takes for those grows much
/// faster than their number.
const JOINS_MAX: usize = 4;

fn push_part(query: &mut Query, namespace: &NamespaceName, filter: &Filter, joins: &mut usize) {
    let (parts, word) = match filter {
        Filter::Is(condition) => return push_condition(query, namespace, condition, joins),
        Filter::All(parts) => (parts, " AND "),
        Filter::Any(parts) => (parts, " OR "),
    };
    query.push("(");
    for (at, part) in parts.iter().enumerate() {
        query.push(if at == 0 { "" } else { word });
        push_part(query, namespace, part, joins);
    }
    query.push(")");
}

fn push_condition(
    query: &mut Query,
    namespace: &NamespaceName,
    condition: &Condition,
    joins: &mut usize,
) {
    let Condition { field, test, expected } = condition;
    match field {
        Field::ModuleName | Field::ModuleVersion => push_module(query, namespace, condition),
        Field::Tags => push_tags(query, namespace, test, *expected, joins),
        Field::Attribute(name, kind) => push_attribute(query, name, *kind, test, *expected),
        Field::WorkflowId if *expected => push_workflow_id(query, namespace, test),
        Field::RootWorkflowId if *expected && matches!(test, Test::OneOf(_)) => {
            // What indexes find. A run without a parent is its own root.
            query.push("(");
            push_column(query, "root_workflow_id", test, true);
            query.push(" OR (root_workflow_id IS NULL AND ");
            push_workflow_id(query, namespace, test);
            query.push("))");
        }
        _ => push_column(query, column(field), test, *expected),
    }
}

/// What a field is in the row.
fn column(field: &Field) -> &'static str {
    match field {
        Field::WorkflowId => "workflow_id",
        Field::RunId => "run_id",
        Field::WorkflowType => "workflow_type",
        Field::ExecutionStatus => "status",
        Field::StartTime => "started_at",
        Field::ExecutionTime => "COALESCE(execution_time, started_at)",
        Field::CloseTime => "closed_at",
        Field::ExecutionDuration => {
            "(EXTRACT(EPOCH FROM closed_at - COALESCE(execution_time, started_at)) * 1000000)::int8"
        }
        Field::HistoryLength => "history_length",
        Field::HistorySizeBytes => "history_bytes",
        Field::ParentWorkflowId => "parent_workflow_id",
        Field::RootWorkflowId => "COALESCE(root_workflow_id, workflow_id)",
        Field::ModuleDigest | Field::ModuleName | Field::ModuleVersion => "module_digest",
        Field::TaskQueue => "task_queue",
        // Not in the row itself.
        Field::Tags => "NULL",
        Field::Attribute(..) => "search_attributes",
    }
}

fn push_column(query: &mut Query, column: &str, test: &Test, expected: bool) {
    match test {
        Test::OneOf(values) => {
            query.push(if expected { "" } else { "NOT " }).push(column);
            push_one_of(query, values);
        }
        Test::Within(bound, value) => {
            query.push(column);
            push_within(query, *bound, value);
        }
        Test::StartsWith(prefix) => {
            query.push(if expected { "starts_with(" } else { "NOT starts_with(" });
            query.push(column).push(", ").push_bind(prefix.clone()).push(")");
        }
        Test::IsNull => {
            query.push(column).push(if expected { " IS NULL" } else { " IS NOT NULL" });
        }
    }
}

fn push_within(query: &mut Query, bound: Bound, value: &Value) {
    query.push(" ").push(bound.operator()).push(" ");
    match value {
        Value::Time(time) => query.push_bind(to_database(*time)),
        Value::Duration(number) | Value::Int(number) => query.push_bind(*number),
        Value::Double(number) => query.push_bind(*number),
        Value::Text(text) => query.push_bind(text.clone()),
        // These have no order, so nothing is within.
        Value::Run(_) | Value::Status(_) | Value::Bool(_) | Value::Digest(_) => query.push("NULL"),
    };
}

/// The values are of one type: that of their field.
fn push_one_of(query: &mut Query, values: &[Value]) {
    if matches!(values.first(), Some(Value::Status(_))) {
        query.push(" IN (");
        let mut statuses = query.separated(", ");
        for value in values {
            if let Value::Status(status) = value {
                // Written out, so that the planner sees which partial index has them.
                statuses.push(format_args!("'{}'", status.as_str()));
            }
        }
        query.push(")");
        return;
    }
    query.push(" = ANY (");
    match values.first() {
        Some(Value::Run(_)) => {
            let ids = values
                .iter()
                .filter_map(|it| if let Value::Run(id) = it { Some(id.0) } else { None });
            query.push_bind(ids.collect::<Vec<Uuid>>())
        }
        Some(Value::Time(_)) => {
            let times = values.iter().filter_map(|it| {
                if let Value::Time(time) = it { Some(to_database(*time)) } else { None }
            });
            query.push_bind(times.collect::<Vec<DateTime<Utc>>>())
        }
        Some(Value::Duration(_) | Value::Int(_)) => query.push_bind(integers(values)),
        Some(Value::Digest(_)) => {
            let digests = values.iter().filter_map(|it| {
                if let Value::Digest(digest) = it { Some(digest.0.to_vec()) } else { None }
            });
            query.push_bind(digests.collect::<Vec<Vec<u8>>>())
        }
        _ => query.push_bind(texts(values)),
    };
    query.push(")");
}

fn integers(values: &[Value]) -> Vec<i64> {
    let integer = |value: &Value| match value {
        Value::Duration(number) | Value::Int(number) => Some(*number),
        _ => None,
    };
    values.iter().filter_map(integer).collect()
}

fn texts(values: &[Value]) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    values.iter().filter_map(text).collect()
}

/// With what indexes need: the hash of an id, or the range that begins with a prefix.
fn push_workflow_id(query: &mut Query, namespace: &NamespaceName, test: &Test) {
    query.push("(");
    push_column(query, "workflow_id", test, true);
    match test {
        Test::OneOf(values) => {
            let ids = texts(values).into_iter().filter_map(|id| WorkflowId::new(id).ok());
            let hashes: Vec<i32> = ids.map(|id| WorkflowHash::of(namespace, &id).0).collect();
            query.push(" AND workflow_hash = ANY (").push_bind(hashes).push(")");
        }
        Test::StartsWith(prefix) => {
            query.push(" AND workflow_id >= ").push_bind(prefix.clone());
            if let Some(end) = dacapo_filter::after_prefix(prefix) {
                query.push(" AND workflow_id < ").push_bind(end);
            }
        }
        Test::Within(..) | Test::IsNull => {}
    }
    query.push(")");
}

fn push_module(query: &mut Query, namespace: &NamespaceName, condition: &Condition) {
    let Condition { field, test, expected } = condition;
    const OF_NAMESPACE: &str = "IN (SELECT digest FROM modules WHERE namespace = ";
    let known = |query: &mut Query| {
        query.push("module_digest ").push(OF_NAMESPACE).push_bind(namespace.as_str().to_owned());
        query.push(")");
    };
    let Test::OneOf(values) = test else {
        query.push(if *expected { "NOT " } else { "" });
        return known(query);
    };
    query.push("(");
    if !expected {
        known(query);
        query.push(" AND NOT ");
    }
    query.push("module_digest ").push(OF_NAMESPACE).push_bind(namespace.as_str().to_owned());
    query.push(if *field == Field::ModuleName { " AND name" } else { " AND version" });
    push_one_of(query, values);
    query.push("))");
}

/// `IS TRUE` keeps the planner from making a join of a condition: it looks at each row then.
fn push_tags(
    query: &mut Query,
    namespace: &NamespaceName,
    test: &Test,
    expected: bool,
    joins: &mut usize,
) {
    let Test::OneOf(values) = test else {
        query.push("EXISTS ").push(OF_RUN);
        query.push(if expected { ") IS NOT TRUE" } else { ") IS TRUE" });
        return;
    };
    if expected && *joins > 0 {
        // An index finds those that have it.
        *joins -= 1;
        query.push("(workflow_hash, run_id) IN (SELECT workflow_hash, run_id FROM workflow_tags");
        query.push(" WHERE namespace = ").push_bind(namespace.as_str().to_owned());
        query.push(" AND tag");
        push_one_of(query, values);
        query.push(")");
        return;
    }
    if !expected {
        query.push("(EXISTS ").push(OF_RUN).push(") IS TRUE AND ");
    }
    query.push("EXISTS ").push(OF_RUN).push(" AND tag");
    push_one_of(query, values);
    query.push(if expected { ") IS TRUE" } else { ") IS NOT TRUE)" });
}

/// The tags of the row's run; what follows narrows them, and closes the parenthesis.
const OF_RUN: &str = "(SELECT 1 FROM workflow_tags \
                      WHERE workflow_tags.workflow_hash = workflow_executions.workflow_hash \
                      AND workflow_tags.run_id = workflow_executions.run_id";

/// Values are stored with their type, so what contains a value contains its type.
fn push_attribute(query: &mut Query, name: &str, kind: AttributeType, test: &Test, expected: bool) {
    let typed = to_json(&json!({ name: { "type": attribute_type(kind) } }));
    let contains = |query: &mut Query, json| {
        query.push("search_attributes @> ").push_bind(json);
    };
    match test {
        Test::OneOf(values) => {
            query.push("(");
            if !expected {
                contains(query, typed);
                query.push(" AND NOT (");
            }
            for (at, value) in values.iter().enumerate() {
                query.push(if at == 0 { "" } else { " OR " });
                contains(query, to_json(&json!({ name: attribute_of(kind, value) })));
            }
            query.push(if expected { ")" } else { "))" });
        }
        Test::Within(bound, value) => {
            push_value(query, name, kind, typed);
            match value {
                // RFC 3339 with six digits: texts in the order of the times.
                Value::Time(time) => {
                    query.push(" ").push(bound.operator()).push(" ").push_bind(time.to_string());
                }
                other => push_within(query, *bound, other),
            }
        }
        Test::StartsWith(prefix) => {
            query.push(if expected { "starts_with(" } else { "NOT starts_with(" });
            push_value(query, name, kind, typed);
            query.push(", ").push_bind(prefix.clone()).push(")");
        }
        Test::IsNull => {
            query.push(if expected { "(" } else { "" });
            contains(query, typed);
            query.push(if expected { ") IS NOT TRUE" } else { "" });
        }
    }
}

/// The value itself; null if there is none of the type.
fn push_value(query: &mut Query, name: &str, kind: AttributeType, typed: serde_json::Value) {
    let cast = match kind {
        AttributeType::Int => ")::int8",
        AttributeType::Double => ")::float8",
        _ => ") COLLATE \"C\"",
    };
    query.push("(CASE WHEN search_attributes @> ").push_bind(typed);
    query.push(" THEN (search_attributes -> ").push_bind(name.to_owned());
    query.push(" ->> 'value'").push(cast).push(" END)");
}
