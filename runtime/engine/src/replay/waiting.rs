//! What a guest waits for.

use std::fmt;

use dacapo_model::ids::{OperationId, SignalName};

/// What a guest waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// Its own start.
    Start,
    /// Whatever happens next.
    Next,
    /// The outcome of one operation.
    Operation(OperationId),
    /// A timer that code without an SDK sleeps on.
    Sleep(OperationId),
    /// A signal of this name.
    Signal(SignalName),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("its start"),
            Self::Next => f.write_str("whatever happens next"),
            Self::Operation(operation_id) => write!(f, "operation {operation_id}"),
            Self::Sleep(_) => f.write_str("a sleep"),
            Self::Signal(name) => write!(f, "signal `{name}`"),
        }
    }
}
