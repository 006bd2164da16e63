//! The SQL of a filter. Its words are of this file; what a caller wrote is bound.

use dacapo_filter::{AttributeType, Bound, Condition, Field, Filter, Test, Value};
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{NamespaceName, WorkflowHash, WorkflowId};
use dacapo_store::attribute_json::attribute_type;
use sqlx::{QueryBuilder, Sqlite};

type Query = QueryBuilder<Sqlite>;

/// Adds what is true of a row of `workflow_executions` that the filter wants, and false or
/// null of others.
pub(crate) fn push_filter(query: &mut Query, namespace: &NamespaceName, filter: &Filter) {
    let (parts, word) = match filter {
        Filter::Is(condition) => return push_condition(query, namespace, condition),
        Filter::All(parts) => (parts, " AND "),
        Filter::Any(parts) => (parts, " OR "),
    };
    query.push("(");
    for (at, part) in parts.iter().enumerate() {
        query.push(if at == 0 { "" } else { word });
        push_filter(query, namespace, part);
    }
    query.push(")");
}

fn push_condition(query: &mut Query, namespace: &NamespaceName, condition: &Condition) {
    let Condition { field, test, expected } = condition;
    match field {
        Field::ModuleName | Field::ModuleVersion => push_module(query, namespace, condition),
        Field::Tags => push_tags(query, test, *expected),
        Field::Attribute(name, AttributeType::KeywordList) => {
            push_list_attribute(query, name, test, *expected);
        }
        Field::Attribute(name, kind) => {
            let push = |query: &mut Query| push_attribute(query, name, *kind);
            push_test(query, push, &as_stored(test), *expected);
        }
        Field::WorkflowId if *expected => push_workflow_id(query, namespace, test),
        Field::RootWorkflowId if *expected && matches!(test, Test::OneOf(_)) => {
            push_root(query, namespace, test);
        }
        Field::ExecutionStatus if *expected => push_status(query, test),
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
        Field::ExecutionDuration => "(closed_at - COALESCE(execution_time, started_at))",
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

fn push_column(query: &mut Query, column: &'static str, test: &Test, expected: bool) {
    let push = |query: &mut Query| {
        query.push(column);
    };
    push_test(query, push, test, expected);
}

/// A test of what `tested` adds: one value, or null.
fn push_test(query: &mut Query, tested: impl Fn(&mut Query), test: &Test, expected: bool) {
    match test {
        Test::OneOf(values) => {
            tested(query);
            query.push(if expected { " IN " } else { " NOT IN " });
            push_values(query, values);
        }
        Test::Within(bound, value) => {
            tested(query);
            push_within(query, *bound, value);
        }
        Test::StartsWith(prefix) => {
            query.push("substr(");
            tested(query);
            let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
            query.push(", 1, ").push_bind(length).push(if expected { ") = " } else { ") <> " });
            query.push_bind(prefix.clone());
        }
        Test::IsNull => {
            tested(query);
            query.push(if expected { " IS NULL" } else { " IS NOT NULL" });
        }
    }
}

fn push_within(query: &mut Query, bound: Bound, value: &Value) {
    query.push(" ").push(bound.operator()).push(" ");
    push_value(query, value);
}

/// Several in parentheses.
fn push_values(query: &mut Query, values: &[Value]) {
    for (at, value) in values.iter().enumerate() {
        query.push(if at == 0 { "(" } else { ", " });
        push_value(query, value);
    }
    query.push(")");
}

fn push_value(query: &mut Query, value: &Value) {
    match value {
        Value::Text(text) => query.push_bind(text.clone()),
        Value::Run(id) => query.push_bind(id.0),
        // Written out, so that the planner sees which partial index has them.
        Value::Status(status) => query.push(format_args!("'{}'", status.as_str())),
        Value::Time(time) => query.push_bind(time.as_micros()),
        Value::Duration(number) | Value::Int(number) => query.push_bind(*number),
        Value::Double(number) => query.push_bind(*number),
        Value::Bool(value) => query.push_bind(*value),
        Value::Digest(digest) => query.push_bind(digest.0.to_vec()),
    };
}

/// With what indexes need: the hash of an id, or the range that begins with a prefix.
fn push_workflow_id(query: &mut Query, namespace: &NamespaceName, test: &Test) {
    query.push("(");
    push_column(query, "workflow_id", test, true);
    match test {
        Test::OneOf(values) => {
            query.push(" AND workflow_hash IN (");
            let mut hashes = query.separated(", ");
            for value in values {
                if let Value::Text(text) = value
                    && let Ok(id) = WorkflowId::new(text)
                {
                    hashes.push_bind(WorkflowHash::of(namespace, &id).0);
                }
            }
            query.push(")");
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

/// A run without a parent is its own root. Each of the two is found by an index.
fn push_root(query: &mut Query, namespace: &NamespaceName, test: &Test) {
    const FOUND: &str = "SELECT rowid FROM workflow_executions WHERE namespace = ";
    query.push("rowid IN (").push(FOUND).push_bind(namespace.as_str().to_owned()).push(" AND ");
    push_column(query, "root_workflow_id", test, true);
    query.push(" UNION ALL ").push(FOUND).push_bind(namespace.as_str().to_owned());
    query.push(" AND root_workflow_id IS NULL AND ");
    push_workflow_id(query, namespace, test);
    query.push(")");
}

fn push_status(query: &mut Query, test: &Test) {
    push_column(query, "status", test, true);
    let completed = Value::Status(ExecutionStatus::Completed);
    if matches!(test, Test::OneOf(values) if !values.contains(&completed)) {
        query.push(NOT_COMPLETED);
    }
}

/// SQLite takes a partial index only if its condition is there word by word.
pub(crate) const NOT_COMPLETED: &str = " AND status <> 'completed'";

fn push_module(query: &mut Query, namespace: &NamespaceName, condition: &Condition) {
    let Condition { field, test, expected } = condition;
    const OF_NAMESPACE: &str = " (SELECT digest FROM modules WHERE namespace = ";
    let among = |query: &mut Query, word| {
        query.push("module_digest ").push(word).push(OF_NAMESPACE);
        query.push_bind(namespace.as_str().to_owned());
    };
    let Test::OneOf(values) = test else {
        among(query, if *expected { "NOT IN" } else { "IN" });
        query.push(")");
        return;
    };
    query.push("(");
    if !expected {
        among(query, "IN");
        query.push(") AND ");
    }
    among(query, if *expected { "IN" } else { "NOT IN" });
    query.push(if *field == Field::ModuleName { " AND name IN " } else { " AND version IN " });
    push_values(query, values);
    query.push("))");
}

fn push_tags(query: &mut Query, test: &Test, expected: bool) {
    let Test::OneOf(values) = test else {
        query.push(if expected { "NOT EXISTS " } else { "EXISTS " }).push(OF_RUN).push(")");
        return;
    };
    if expected {
        query.push("EXISTS ").push(OF_RUN).push(" AND tag IN ");
        push_values(query, values);
        query.push(")");
        return;
    }
    query.push("(EXISTS ").push(OF_RUN).push(") AND NOT EXISTS ").push(OF_RUN);
    query.push(" AND tag IN ");
    push_values(query, values);
    query.push("))");
}

/// The tags of the row's run; what follows narrows them, and closes the parenthesis.
const OF_RUN: &str = "(SELECT 1 FROM workflow_tags \
                      WHERE workflow_tags.workflow_hash = workflow_executions.workflow_hash \
                      AND workflow_tags.run_id = workflow_executions.run_id";

/// The value of an attribute; null if there is none of the type.
fn push_attribute(query: &mut Query, name: &str, kind: AttributeType) {
    query.push("(CASE WHEN ");
    push_has_type(query, name, kind);
    query.push(" THEN json_extract(search_attributes, ").push_bind(path(name, "value"));
    query.push(") END)");
}

fn push_has_type(query: &mut Query, name: &str, kind: AttributeType) {
    query.push("json_extract(search_attributes, ").push_bind(path(name, "type"));
    query.push(format_args!(") = '{}'", attribute_type(kind)));
}

/// A list matches if one of its texts does.
fn push_list_attribute(query: &mut Query, name: &str, test: &Test, expected: bool) {
    let Test::OneOf(values) = test else {
        query.push("(");
        push_has_type(query, name, AttributeType::KeywordList);
        query.push(if expected { ") IS NOT TRUE" } else { ") IS TRUE" });
        return;
    };
    query.push("(");
    push_has_type(query, name, AttributeType::KeywordList);
    query.push(if expected { " AND " } else { " AND NOT " });
    query.push("EXISTS (SELECT 1 FROM json_each(search_attributes, ");
    query.push_bind(path(name, "value")).push(") WHERE value IN ");
    push_values(query, values);
    query.push("))");
}

/// Where a part of an attribute is. Registered names have no quotes.
fn path(name: &str, part: &str) -> String {
    format!("$.\"{name}\".{part}")
}

/// Times in attributes are texts in RFC 3339 with six digits, in the order of the times.
fn as_stored(test: &Test) -> Test {
    let stored = |value: &Value| match value {
        Value::Time(time) => Value::Text(time.to_string()),
        other => other.clone(),
    };
    match test {
        Test::OneOf(values) => Test::OneOf(values.iter().map(stored).collect()),
        Test::Within(bound, value) => Test::Within(*bound, stored(value)),
        Test::StartsWith(_) | Test::IsNull => test.clone(),
    }
}
