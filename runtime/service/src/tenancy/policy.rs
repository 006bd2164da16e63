//! What a namespace may do.

use dacapo_model::limits::Limits;

/// What the runs and clients of one namespace may do. Whatever is to differ from
/// namespace to namespace goes here: the hosts that its activities may reach, its
/// secrets, and how long closed runs are kept will.
#[derive(Debug, Clone, PartialEq)]
pub struct NamespacePolicy {
    /// Limits on what guests and clients may ask for.
    pub limits: Limits,
}
