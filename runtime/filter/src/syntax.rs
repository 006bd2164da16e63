//! What a filter says, before anybody has looked at whether it makes sense. Everything has
//! its place in the text, in bytes.

/// A filter as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The text, to tell columns.
    pub(crate) text: String,
    /// Which runs; none means all.
    pub(crate) condition: Option<Expression>,
    /// In which order.
    pub(crate) order: Option<OrderClause>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Term(Term),
}

/// A field and what is asked of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    pub(crate) field: Name,
    pub(crate) operator: Operator,
    /// Where the operator is.
    pub(crate) at: usize,
}

/// The name of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) at: usize,
}

/// What is asked. Their negations are [`Expression::Not`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operator {
    Compare(Comparison, Literal),
    In(Vec<Literal>),
    Between(Literal, Literal),
    StartsWith(Literal),
    IsNull,
}

/// `=` and its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Literal {
    pub(crate) value: LiteralValue,
    pub(crate) at: usize,
}

/// What it looks like; what it means depends on the field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LiteralValue {
    Text(String),
    Number(String),
    Bool(bool),
}

/// `ORDER BY`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderClause {
    pub(crate) field: Name,
    pub(crate) is_descending: bool,
}

impl Operator {
    /// As it is written.
    pub(crate) fn text(&self) -> &'static str {
        match self {
            Self::Compare(comparison, _) => comparison.text(),
            Self::In(_) => "IN",
            Self::Between(..) => "BETWEEN",
            Self::StartsWith(_) => "STARTS_WITH",
            Self::IsNull => "IS NULL",
        }
    }
}

impl Comparison {
    /// As it is written.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}
