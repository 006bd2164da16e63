//! The filter language of lists and counts: the part of SQL that stands after `WHERE`, as
//! Temporal's list filter has it. Users find it described in `docs/filters.md`.
//!
//! Three steps, a file for each:
//!
//! ```text
//!  text ──parse──▶ Query ──check──▶ Checked { Filter, Order } ──evaluate──▶ bool
//!        grammar          fields, types                  on one run
//! ```
//!
//! Stores make SQL of a [`Filter`]. It has only values, never the text, so nothing that a
//! caller wrote gets into a statement other than as an argument.

mod check;
mod error;
mod evaluate;
mod field;
mod filter;
mod literal;
mod parse;
mod syntax;

pub use self::check::{AttributeTypes, Checked, check};
pub use self::error::FilterError;
pub use self::evaluate::RunFacts;
pub use self::field::{AttributeType, Field, Kind};
pub use self::filter::{Bound, Condition, Filter, Order, OrderBy, Test, Value, after_prefix};
pub use self::parse::{DEPTH_MAX, FILTER_BYTES_MAX, ITEMS_MAX, TERMS_MAX, parse};
pub use self::syntax::Query;

/// Parses and checks a filter.
pub fn compile(text: &str, attributes: &AttributeTypes) -> Result<Checked, FilterError> {
    check(&parse(text)?, attributes)
}
