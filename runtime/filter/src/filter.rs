//! A filter that makes sense: fields that there are, compared with values of their types.

use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::RunId;
use dacapo_model::module::ModuleDigest;
use dacapo_model::time::Timestamp;

use crate::field::Field;

/// Which runs. `NOT` has moved down to the single conditions, so that a condition that is
/// neither true nor false, since the run has no such value, is simply one that does not hold:
/// a database may stop at what is not true.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of these hold.
    All(Vec<Filter>),
    /// One of these holds.
    Any(Vec<Filter>),
    /// This holds.
    Is(Condition),
}

/// A test of a field and how it has to come out. If the run has no value for the field, only
/// [`Test::IsNull`] has an outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Of what.
    pub field: Field,
    /// What is asked.
    pub test: Test,
    /// What the answer has to be.
    pub expected: bool,
}

/// What is asked of the value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Is it one of these? Of a field with several values: is one of them? Never empty.
    OneOf(Vec<Value>),
    /// Is it on this side of the value? Always expected to be.
    Within(Bound, Value),
    /// Does it begin with this text?
    StartsWith(String),
    /// Has the run none?
    IsNull,
}

/// A side of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Less.
    Below,
    /// Less or equal.
    To,
    /// Greater or equal.
    From,
    /// Greater.
    Above,
}

impl Bound {
    /// The values that are not within.
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Below => Self::From,
            Self::To => Self::Above,
            Self::From => Self::Below,
            Self::Above => Self::To,
        }
    }

    /// As SQL has it.
    pub fn operator(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::To => "<=",
            Self::From => ">=",
            Self::Above => ">",
        }
    }
}

/// A value, of the type of its field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A run id.
    Run(RunId),
    /// A status.
    Status(ExecutionStatus),
    /// A point in time.
    Time(Timestamp),
    /// Microseconds.
    Duration(i64),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// A SHA-256.
    Digest(ModuleDigest),
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    /// By what.
    pub by: OrderBy,
    /// From the greatest to the least.
    pub is_descending: bool,
}

/// What lists can be ordered by. There is an index for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderBy {
    /// When the runs were started.
    StartTime,
    /// When they closed; those that are open are not in the list.
    CloseTime,
    /// By the bytes of their workflow ids.
    WorkflowId,
}

impl OrderBy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::StartTime, Self::CloseTime, Self::WorkflowId];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::StartTime => "StartTime",
            Self::CloseTime => "CloseTime",
            Self::WorkflowId => "WorkflowId",
        }
    }
}

/// The first text, by bytes, after all that begin with the prefix; none if there is none.
/// With it a prefix is a range, which indexes find.
pub fn after_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // The order of the bytes of UTF-8 is that of the characters.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_range() {
        assert_eq!(after_prefix("order-").as_deref(), Some("order."));
        assert_eq!(after_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"), "past the surrogates");
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
        assert_eq!(after_prefix(""), None);
    }
}
