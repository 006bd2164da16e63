//! Questions about a run. Nothing of them is ever recorded.

use crate::ids::QueryName;
use crate::payload::Payload;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What it asks for.
    pub name: QueryName,
    /// Its argument.
    pub input: Payload,
}
