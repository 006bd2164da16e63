//! Messages to a run.

use crate::event::EventAttributes;
use crate::ids::{RequestId, SignalName};
use crate::payload::Payload;

/// One message to a run, on its way into the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// What it is about.
    pub name: SignalName,
    /// What it says.
    pub input: Payload,
    /// By which a repeat is recognised within a run.
    pub request_id: Option<RequestId>,
}

impl From<Signal> for EventAttributes {
    fn from(signal: Signal) -> Self {
        let Signal { name, input, request_id } = signal;
        Self::WorkflowExecutionSignaled { signal_name: name, request_id, input }
    }
}

impl Signal {
    /// The signal that an event records, if it records one.
    pub fn of_event(attributes: &EventAttributes) -> Option<Self> {
        match attributes {
            EventAttributes::WorkflowExecutionSignaled { signal_name, request_id, input } => {
                Some(Self {
                    name: signal_name.clone(),
                    input: input.clone(),
                    request_id: request_id.clone(),
                })
            }
            _ => None,
        }
    }
}
