//! The second step: from a syntax tree to a [`Filter`]. Knows which fields there are and how
//! each may be compared.

use std::collections::BTreeMap;

use dacapo_model::limits::SEARCH_ATTRIBUTE_NAME_BYTES_MAX;
use dacapo_model::text::shown;

use crate::error::{FilterError, choice};
use crate::field::{AttributeType, Field};
use crate::filter::{Bound, Condition, Filter, Order, OrderBy, Test, Value};
use crate::literal::value_of;
use crate::syntax::{Comparison, Expression, Literal, Name, Operator, OrderClause, Query, Term};

/// The registered search attributes of a namespace.
pub type AttributeTypes = BTreeMap<String, AttributeType>;

/// The share of its letters that a slip leaves as they are.
const SIMILAR: f64 = 0.7;

/// Bytes of a name that can be a slip: twice as many as any name of a field has.
const SIMILAR_BYTES_MAX: usize = 2 * SEARCH_ATTRIBUTE_NAME_BYTES_MAX;

/// What a text asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checked {
    /// Which runs; none means all.
    pub filter: Option<Filter>,
    /// In which order; none means that the text does not say.
    pub order: Option<Order>,
}

/// Looks up the fields of a query and the types of its values.
pub fn check(query: &Query, attributes: &AttributeTypes) -> Result<Checked, FilterError> {
    let checker = Checker { text: &query.text, attributes };
    Ok(Checked {
        filter: query.condition.as_ref().map(|it| checker.filter(it, true)).transpose()?,
        order: query.order.as_ref().map(|order| checker.order(order)).transpose()?,
    })
}

struct Checker<'a> {
    text: &'a str,
    attributes: &'a AttributeTypes,
}

impl Checker<'_> {
    /// What holds exactly where the expression is true, or with `expected` false, where it is
    /// false. (Where it is neither, neither of the two holds.)
    fn filter(&self, expression: &Expression, expected: bool) -> Result<Filter, FilterError> {
        let parts = |parts: &[Expression]| {
            parts.iter().map(|part| self.filter(part, expected)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match expression {
            Expression::Not(negated) => self.filter(negated, !expected)?,
            Expression::And(all) if expected => Filter::All(parts(all)?),
            Expression::And(any) => Filter::Any(parts(any)?),
            Expression::Or(any) if expected => Filter::Any(parts(any)?),
            Expression::Or(all) => Filter::All(parts(all)?),
            Expression::Term(term) => self.term(term, expected)?,
        })
    }

    fn term(&self, term: &Term, expected: bool) -> Result<Filter, FilterError> {
        let field = self.field(&term.field)?;
        let kind = field.kind();
        let value = |literal: &Literal| {
            value_of(&literal.value, kind).map_err(|problem| {
                let message = format!("{problem}; `{}` is {kind}", field.name());
                FilterError::at(self.text, literal.at, message)
            })
        };
        let within = |bound: Bound, value: Value| {
            let bound = if expected { bound } else { bound.opposite() };
            let test = Test::Within(bound, value);
            Filter::Is(Condition { field: field.clone(), test, expected: true })
        };
        let is = |test, expected| Filter::Is(Condition { field: field.clone(), test, expected });
        let is_allowed = match &term.operator {
            Operator::Compare(Comparison::Equal | Comparison::NotEqual, _)
            | Operator::In(_)
            | Operator::IsNull => true,
            Operator::Compare(..) | Operator::Between(..) => kind.is_ordered(),
            Operator::StartsWith(_) => kind == crate::Kind::Text,
        };
        if !is_allowed {
            let message = format!(
                "`{}` is {kind}, which compares with {}, not with {}",
                field.name(),
                kind.operators(),
                term.operator.text()
            );
            return Err(FilterError::at(self.text, term.at, message));
        }
        Ok(match &term.operator {
            Operator::Compare(comparison, literal) => {
                let value = value(literal)?;
                match comparison {
                    Comparison::Equal => is(Test::OneOf(vec![value]), expected),
                    Comparison::NotEqual => is(Test::OneOf(vec![value]), !expected),
                    Comparison::Less => within(Bound::Below, value),
                    Comparison::LessOrEqual => within(Bound::To, value),
                    Comparison::Greater => within(Bound::Above, value),
                    Comparison::GreaterOrEqual => within(Bound::From, value),
                }
            }
            Operator::In(items) => {
                is(Test::OneOf(items.iter().map(value).collect::<Result<_, _>>()?), expected)
            }
            Operator::Between(from, to) => {
                let both = vec![within(Bound::From, value(from)?), within(Bound::To, value(to)?)];
                if expected { Filter::All(both) } else { Filter::Any(both) }
            }
            Operator::StartsWith(literal) => match value(literal)? {
                Value::Text(prefix) => is(Test::StartsWith(prefix), expected),
                // Only texts have got here.
                other => is(Test::OneOf(vec![other]), expected),
            },
            Operator::IsNull => is(Test::IsNull, expected),
        })
    }

    fn field(&self, name: &Name) -> Result<Field, FilterError> {
        let built_in = Field::BUILT_IN.into_iter().find(|field| field.name() == name.text);
        let attribute = || {
            let kind = self.attributes.get(&name.text)?;
            Some(Field::Attribute(name.text.clone(), *kind))
        };
        built_in.or_else(attribute).ok_or_else(|| {
            let written = shown(&name.text);
            let message = match self.similar(&name.text) {
                Some(similar) => format!("`{written}` is no field; did you mean `{similar}`?"),
                None => format!(
                    "`{written}` is neither a field nor a registered search attribute; the fields \
                     are {}",
                    choice(&Field::BUILT_IN.each_ref().map(Field::name)).replace(" or ", " and ")
                ),
            };
            FilterError::at(self.text, name.at, message)
        })
    }

    fn similar(&self, name: &str) -> Option<String> {
        // Comparing takes as long as the product of the lengths.
        if name.len() > SIMILAR_BYTES_MAX {
            return None;
        }
        let names = Field::BUILT_IN.each_ref().map(Field::name);
        let names = names.into_iter().chain(self.attributes.keys().map(String::as_str));
        let likeness = |other: &str| {
            strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase())
        };
        let named = names.map(|other| (likeness(other), other));
        let best = named.max_by(|a, b| a.0.total_cmp(&b.0))?;
        (best.0 >= SIMILAR).then(|| best.1.to_owned())
    }

    fn order(&self, order: &OrderClause) -> Result<Order, FilterError> {
        let by = OrderBy::ALL.into_iter().find(|by| by.name() == order.field.text);
        let by = by.ok_or_else(|| {
            let message = format!(
                "a list can't be ordered by `{}`, only by {}",
                shown(&order.field.text),
                choice(&OrderBy::ALL.map(OrderBy::name))
            );
            FilterError::at(self.text, order.field.at, message)
        })?;
        Ok(Order { by, is_descending: order.is_descending })
    }
}

#[cfg(test)]
mod tests;
