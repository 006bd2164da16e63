//! The other side of a run: what it may ask of the runtime, and what it hears.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::attributes::{AttributeChanges, SearchValue};
use crate::child::ChildOptions;
use crate::failure::Failure;
use crate::options::ActivityOptions;

/// The runtime as a workflow sees it. Real runs talk to the imported
/// interface; the tests of this crate talk to a script.
pub(crate) trait Host {
    fn start_activity(&self, activity_type: &str, input: &[u8], options: &ActivityOptions) -> u32;
    fn start_timer(&self, after: Duration) -> u32;
    fn start_child(&self, workflow_type: &str, input: &[u8], options: &ChildOptions) -> Child;
    fn signal_external(
        &self,
        workflow_id: &str,
        run_id: Option<&str>,
        name: &str,
        input: &[u8],
    ) -> u32;
    fn cancel_external(&self, workflow_id: &str, run_id: Option<&str>, reason: &str) -> u32;
    fn cancel(&self, operation: u32);
    fn request_cancel(&self, operation: u32, grace: Option<Duration>);
    fn return_signal(&self, nth: u32);
    fn respond_query(&self, id: &str, answer: Result<Vec<u8>, Failure>);
    fn publish(&self, name: &str, value: &[u8]);
    fn accept_update(&self, id: &str);
    fn reject_update(&self, id: &str, failure: Failure);
    fn complete_update(&self, id: &str, outcome: Result<Vec<u8>, Failure>);
    fn next(&self) -> Delivery;
    fn version(&self, change_id: &str, min: u32, max: u32) -> u32;
    fn recorded_value(&self, name: &str) -> Option<Vec<u8>>;
    fn latest_value(&self, name: &str) -> Option<Vec<u8>>;
    fn record_value(&self, name: &str, value: &[u8]);
    /// JSON by name.
    fn memo(&self) -> BTreeMap<String, String>;
    fn search_attributes(&self) -> BTreeMap<String, SearchValue>;
    fn upsert_memo(&self, changes: &AttributeChanges);
    fn upsert_search_attributes(&self, changes: &AttributeChanges);
}

/// Something that happened to this run.
pub(crate) enum Delivery {
    Completed {
        operation: u32,
        outcome: Result<Vec<u8>, Failure>,
    },
    Signal {
        name: String,
        input: Vec<u8>,
    },
    /// To be answered before anything else.
    Query {
        id: String,
        name: String,
        input: Vec<u8>,
    },
    /// To be decided about before anything else.
    Update {
        id: String,
        name: String,
        input: Vec<u8>,
    },
    CancelRequested(String),
}

/// The operations of a child.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Child {
    pub(crate) started: u32,
    pub(crate) closed: u32,
}
