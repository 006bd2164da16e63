//! Histories.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Something in place of an event that is missing, or can't be read.
#[derive(Debug, Deserialize)]
pub struct DamagedEvent {
    /// The event, or the first of several.
    pub event_id: u64,
    /// What is wrong.
    pub message: String,
}

/// A part of a history with all that it holds.
#[derive(Debug, Deserialize)]
pub struct ExportedPage {
    /// The part.
    #[serde(flatten)]
    pub history: dacapo_model::event::ExportedHistory,
    /// What the server can't show of it.
    #[serde(default)]
    pub damaged: Vec<DamagedEvent>,
    /// Where the next page begins; none after the last event so far.
    #[serde(default)]
    pub next: Option<u64>,
}

/// One event of a history.
#[derive(Debug, Deserialize)]
pub struct Event {
    /// Its position, from 1.
    pub event_id: u64,
    /// What happened.
    pub event_type: String,
    /// When.
    pub time: String,
    /// The rest, each value in the server's words: payloads are shown as their
    /// authors wrote them.
    pub attributes: BTreeMap<String, Box<RawValue>>,
}

/// Event types after which nothing follows.
const CLOSING: [&str; 6] = [
    "WorkflowExecutionCompleted",
    "WorkflowExecutionFailed",
    "WorkflowExecutionCanceled",
    "WorkflowExecutionTerminated",
    "WorkflowExecutionContinuedAsNew",
    "WorkflowExecutionTimedOut",
];

impl Event {
    /// An attribute, if it is there and of this type.
    pub fn attribute<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Option<T> {
        serde_json::from_str(self.attributes.get(name)?.get()).ok()
    }

    /// True for what happens to a child, and not for what it is told.
    pub fn is_about_child(&self) -> bool {
        self.event_type.contains("ChildWorkflowExecution")
    }

    /// True for the last event of a history.
    pub fn is_closing(&self) -> bool {
        CLOSING.contains(&self.event_type.as_str())
    }
}

/// One page of a history; each event in the server's words.
#[derive(Debug, Deserialize)]
pub struct HistoryPage {
    /// The run it belongs to.
    pub run_id: String,
    /// In order.
    pub events: Vec<Box<RawValue>>,
    /// What the server can't show of it.
    #[serde(default)]
    pub damaged: Vec<DamagedEvent>,
    /// Where the next page begins; none after the last event so far.
    #[serde(default)]
    pub next: Option<u64>,
}
