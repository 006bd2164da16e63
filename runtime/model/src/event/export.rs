//! A history as a file: complete, so that it can be read back and replayed
//! elsewhere. Follows from the stored form of events, so new ones need nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{EventAttributes, HistoryEvent};
use crate::ids::{EventId, NamespaceName, RunId, WorkflowId};
use crate::module::ModuleDigest;
use crate::payload::Payload;
use crate::time::Timestamp;

/// What [`ExportedHistory::format`] says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExportFormat {
    /// Later ones get another name, so that no reader mistakes them.
    #[default]
    #[serde(rename = "dacapo-history-1")]
    V1,
}

/// A history, and what else a replay of it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportedHistory {
    /// How to read the rest.
    pub format: ExportFormat,
    /// Where the run lives.
    pub namespace: NamespaceName,
    /// The caller's name for it.
    pub workflow_id: WorkflowId,
    /// The run; random numbers are seeded by it.
    pub run_id: RunId,
    /// Its events, from the first on.
    pub events: Vec<ExportedEvent>,
}

impl ExportedHistory {
    /// The code that the run is pinned to: what it started with, or was moved to
    /// last. None if the history has no beginning.
    pub fn module_digest(&self) -> Option<ModuleDigest> {
        let pinned = |event: &ExportedEvent| event.event.attributes.pinned_module();
        self.events.iter().rev().find_map(pinned)
    }
}

/// An event with all that it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct ExportedEvent {
    /// The event.
    pub event: HistoryEvent,
}

/// The fields of an exported event. A payload that is text is written as such,
/// so that people can read it.
#[derive(Serialize, Deserialize)]
struct Written {
    event_id: EventId,
    time: Timestamp,
    attributes: EventAttributes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

/// The payload of an exported event can't be read.
#[derive(Debug, thiserror::Error)]
#[error("event {event_id}: {problem}")]
struct Unreadable {
    event_id: EventId,
    problem: String,
}

impl From<ExportedEvent> for Written {
    fn from(ExportedEvent { event }: ExportedEvent) -> Self {
        let bytes = event.attributes.payload().map(|(_, payload)| payload.as_bytes());
        let (payload, payload_base64) = match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes))
        {
            None => (None, None),
            Some((Ok(text), _)) => (Some(text.to_owned()), None),
            Some((Err(_), bytes)) => (None, Some(STANDARD.encode(bytes))),
        };
        let HistoryEvent { id, time, attributes } = event;
        Self { event_id: id, time, attributes, payload, payload_base64 }
    }
}

impl TryFrom<Written> for ExportedEvent {
    type Error = Unreadable;
    fn try_from(written: Written) -> Result<Self, Unreadable> {
        let Written { event_id, time, mut attributes, payload, payload_base64 } = written;
        let unreadable = |problem: String| Unreadable { event_id, problem };
        let payload = match (payload, payload_base64) {
            (Some(text), None) => Some(Payload::new(text)),
            (None, Some(text)) => {
                let bytes = STANDARD.decode(text).map_err(|error| unreadable(error.to_string()))?;
                Some(Payload::from(bytes))
            }
            (None, None) => None,
            (Some(_), Some(_)) => return Err(unreadable("it has two payloads".to_owned())),
        };
        if payload.is_some() != attributes.payload().is_some() {
            return Err(unreadable("it has a payload exactly if its type has one".to_owned()));
        }
        if let Some(payload) = payload {
            attributes.set_payload(payload);
        }
        Ok(Self { event: HistoryEvent { id: event_id, time, attributes } })
    }
}
