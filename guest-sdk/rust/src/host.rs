//! The real runtime, as the component imports it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::attributes::{AttributeChanges, SearchValue, memo_from_wit, search_from_wit};
use crate::bindings::dacapo::workflow::{
    activities, attributes, children, external, module_activities, operations, queries,
    side_effects, task_queues, updates, versions,
};
use crate::child::ChildOptions;
use crate::failure::Failure;
use crate::options::ActivityOptions;
use crate::run::{Child, Delivery, Host};
use crate::time::nanos;

/// Passes everything on to the imported interface.
pub(crate) struct ImportedHost;

impl Host for ImportedHost {
    fn start_activity(&self, activity_type: &str, input: &[u8], options: &ActivityOptions) -> u32 {
        let limits = options.to_wit();
        if let Some(module) = options.other_module() {
            return module_activities::start_activity(activity_type, input, &limits, &module);
        }
        match options.placement() {
            Some(placement) => {
                task_queues::start_activity(activity_type, input, &limits, &placement)
            }
            None => operations::start_activity(activity_type, input, &limits),
        }
    }

    fn start_timer(&self, after: Duration) -> u32 {
        operations::start_timer(nanos(after))
    }

    fn start_child(&self, workflow_type: &str, input: &[u8], options: &ChildOptions) -> Child {
        let child = children::start_child(workflow_type, input, &options.to_wit());
        Child { started: child.started, closed: child.closed }
    }

    fn signal_external(
        &self,
        workflow_id: &str,
        run_id: Option<&str>,
        name: &str,
        input: &[u8],
    ) -> u32 {
        external::signal_external(workflow_id, run_id, name, input)
    }

    fn cancel_external(&self, workflow_id: &str, run_id: Option<&str>, reason: &str) -> u32 {
        external::cancel_external(workflow_id, run_id, reason)
    }

    fn cancel(&self, operation: u32) {
        operations::cancel(operation);
    }

    fn request_cancel(&self, operation: u32, grace: Option<Duration>) {
        activities::request_cancel(operation, grace.map(nanos));
    }

    fn return_signal(&self, nth: u32) {
        operations::return_signal(nth);
    }

    fn next(&self) -> Delivery {
        match operations::next() {
            operations::Delivery::Completed(completion) => Delivery::Completed {
                operation: completion.operation,
                outcome: completion.outcome.map_err(Failure::from_wit),
            },
            operations::Delivery::CancelRequested(reason) => Delivery::CancelRequested(reason),
            operations::Delivery::Signal(signal) => {
                Delivery::Signal { name: signal.name, input: signal.input }
            }
            operations::Delivery::Query(query) => {
                Delivery::Query { id: query.id, name: query.name, input: query.input }
            }
            operations::Delivery::Update(update) => {
                Delivery::Update { id: update.id, name: update.name, input: update.input }
            }
        }
    }

    fn respond_query(&self, id: &str, answer: Result<Vec<u8>, Failure>) {
        queries::respond_query(id, answer.map_err(Failure::into_wit).as_deref());
    }

    fn publish(&self, name: &str, value: &[u8]) {
        queries::publish(name, value);
    }

    fn accept_update(&self, id: &str) {
        updates::accept_update(id);
    }

    fn reject_update(&self, id: &str, failure: Failure) {
        updates::reject_update(id, &failure.into_wit());
    }

    fn complete_update(&self, id: &str, outcome: Result<Vec<u8>, Failure>) {
        updates::complete_update(id, outcome.map_err(Failure::into_wit).as_deref());
    }

    fn version(&self, change_id: &str, min: u32, max: u32) -> u32 {
        versions::version(change_id, min, max)
    }

    fn recorded_value(&self, name: &str) -> Option<Vec<u8>> {
        side_effects::recorded_value(name)
    }

    fn latest_value(&self, name: &str) -> Option<Vec<u8>> {
        side_effects::latest_value(name)
    }

    fn record_value(&self, name: &str, value: &[u8]) {
        side_effects::record_value(name, value);
    }

    fn memo(&self) -> BTreeMap<String, String> {
        memo_from_wit(attributes::memo())
    }

    fn search_attributes(&self) -> BTreeMap<String, SearchValue> {
        search_from_wit(attributes::search_attributes())
    }

    fn upsert_memo(&self, changes: &AttributeChanges) {
        attributes::upsert_memo(&changes.memo_to_wit());
    }

    fn upsert_search_attributes(&self, changes: &AttributeChanges) {
        attributes::upsert_search_attributes(&changes.search_to_wit());
    }
}
