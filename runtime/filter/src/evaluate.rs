//! The third step: whether a run is one of those that a filter asks for. What stores make of
//! a filter has to come to the same.

use dacapo_model::attributes::SearchAttribute;
use dacapo_model::execution::Execution;

use crate::field::{AttributeType, Field};
use crate::filter::{Bound, Condition, Filter, Test, Value};

/// What is known of a run.
#[derive(Debug, Clone)]
pub struct RunFacts<'a> {
    /// Its row.
    pub execution: &'a Execution,
    /// Names and versions under which its namespace has the module that it is pinned to.
    pub modules: Vec<(&'a str, u32)>,
}

impl Filter {
    /// Whether the run is one of those asked for.
    pub fn matches(&self, run: &RunFacts<'_>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|filter| filter.matches(run)),
            Self::Any(any) => any.iter().any(|filter| filter.matches(run)),
            Self::Is(condition) => condition.outcome(run) == Some(condition.expected),
        }
    }
}

impl Condition {
    /// None if the run has no value that could be tested.
    fn outcome(&self, run: &RunFacts<'_>) -> Option<bool> {
        let values = run.values(&self.field);
        if self.test == Test::IsNull {
            return Some(values.is_none());
        }
        Some(values?.iter().any(|value| self.test.holds(value)))
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::OneOf(allowed) => allowed.contains(value),
            Self::Within(bound, limit) => match (value.compared(limit), bound) {
                (None, _) => false,
                (Some(order), Bound::Below) => order.is_lt(),
                (Some(order), Bound::To) => order.is_le(),
                (Some(order), Bound::From) => order.is_ge(),
                (Some(order), Bound::Above) => order.is_gt(),
            },
            Self::StartsWith(prefix) => {
                matches!(value, Value::Text(text) if text.starts_with(prefix.as_str()))
            }
            Self::IsNull => false,
        }
    }
}

impl Value {
    /// None for values that have no order, or are of two types.
    fn compared(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            (Self::Duration(a), Self::Duration(b)) | (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            _ => None,
        }
    }
}

impl RunFacts<'_> {
    /// The values of a field: none if the run has no such thing; of most fields it is one.
    fn values(&self, field: &Field) -> Option<Vec<Value>> {
        let run = self.execution;
        let text = |text: &str| Value::Text(text.to_owned());
        let count = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let several = |values: Vec<Value>| (!values.is_empty()).then_some(values);
        let one = match field {
            Field::WorkflowId => Some(text(run.workflow_id.as_str())),
            Field::RunId => Some(Value::Run(run.key.run_id)),
            Field::WorkflowType => Some(text(run.workflow_type.as_str())),
            Field::ExecutionStatus => Some(Value::Status(run.status)),
            Field::StartTime => Some(Value::Time(run.started_at)),
            Field::ExecutionTime => Some(Value::Time(run.execution_time())),
            Field::CloseTime => run.closed_at.map(Value::Time),
            Field::ExecutionDuration => run.closed_at.map(|closed_at| {
                let began = run.execution_time().as_micros();
                Value::Duration(closed_at.as_micros().saturating_sub(began))
            }),
            Field::HistoryLength => run.history_size.map(|size| count(size.events)),
            Field::HistorySizeBytes => run.history_size.map(|size| count(size.bytes)),
            Field::ParentWorkflowId => {
                run.parent.as_ref().map(|parent| text(parent.workflow_id.as_str()))
            }
            Field::RootWorkflowId => Some(match &run.parent {
                Some(parent) => text(parent.root.workflow_id.as_str()),
                None => text(run.workflow_id.as_str()),
            }),
            Field::TaskQueue => run.task_queue.as_ref().map(|queue| text(queue.as_str())),
            Field::ModuleDigest => Some(Value::Digest(run.module_digest)),
            Field::ModuleName => {
                return several(self.modules.iter().map(|(name, _)| text(name)).collect());
            }
            Field::ModuleVersion => {
                let versions = self.modules.iter().map(|(_, version)| i64::from(*version));
                return several(versions.map(Value::Int).collect());
            }
            Field::Tags => {
                return several(run.attributes.tags.iter().map(|tag| text(tag.as_str())).collect());
            }
            Field::Attribute(name, kind) => {
                let value = run.attributes.search_attributes.get(name)?;
                return attribute(value, *kind);
            }
        };
        one.map(|value| vec![value])
    }
}

/// None if the run has a value of another type than the one that is registered.
fn attribute(value: &SearchAttribute, kind: AttributeType) -> Option<Vec<Value>> {
    let one = match (kind, value) {
        (AttributeType::Bool, SearchAttribute::Bool(value)) => Value::Bool(*value),
        (AttributeType::Datetime, SearchAttribute::Datetime(time)) => Value::Time(*time),
        (AttributeType::Double, SearchAttribute::Double(number)) => Value::Double(*number),
        (AttributeType::Int, SearchAttribute::Int(number)) => Value::Int(*number),
        (AttributeType::Keyword, SearchAttribute::Keyword(text))
        | (AttributeType::Text, SearchAttribute::Text(text)) => Value::Text(text.clone()),
        (AttributeType::KeywordList, SearchAttribute::KeywordList(texts)) => {
            return Some(texts.iter().cloned().map(Value::Text).collect());
        }
        _ => return None,
    };
    Some(vec![one])
}
