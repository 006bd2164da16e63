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
    /// Whatever happens next, but not for longer than this timer runs.
    NextUntil(OperationId),
    /// The outcome of one operation.
    Operation(OperationId),
    /// A timer that code without an SDK sleeps on.
    Sleep(OperationId),
    /// A signal of this name.
    Signal(SignalName),
}

impl Waiting {
    /// Whether it ends with whatever is delivered: then the guest can be asked, too.
    pub fn is_for_anything(&self) -> bool {
        matches!(self, Self::Next | Self::NextUntil(_))
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("its start"),
            Self::Next => f.write_str("whatever happens next"),
            Self::NextUntil(timer) => write!(f, "whatever happens next, until timer {timer} fires"),
            Self::Operation(operation_id) => write!(f, "operation {operation_id}"),
            Self::Sleep(_) => f.write_str("a sleep"),
            Self::Signal(name) => write!(f, "signal `{name}`"),
        }
    }
}
