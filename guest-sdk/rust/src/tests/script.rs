//! A runtime that delivers what a test wrote down, and logs what it is asked.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::attributes::{AttributeChanges, SearchValue};
use crate::child::ChildOptions;
use crate::executor::{End, run_workflow};
use crate::options::ActivityOptions;
use crate::run::{self, Child, Delivery, Host};
use crate::{ActivityCall, Failure};

/// What a workflow asked for, in order.
pub(super) type Log = Vec<String>;

/// Runs `workflow` with these deliveries, which have to suffice.
pub(super) fn play<F: Future>(
    deliveries: impl IntoIterator<Item = Delivery>,
    workflow: F,
) -> (F::Output, Log) {
    match play_to_end(deliveries, workflow) {
        (End::Returned(output), log) => (output, log),
        (End::Continued(it), _) => panic!("continued as new with {it:?}"),
    }
}

pub(super) fn play_to_end<F: Future>(
    deliveries: impl IntoIterator<Item = Delivery>,
    workflow: F,
) -> (End<F::Output>, Log) {
    let script = Rc::new(Script {
        deliveries: RefCell::new(deliveries.into_iter().collect()),
        started: Cell::new(0),
        log: RefCell::default(),
        values: RefCell::default(),
        attributes: RefCell::default(),
    });
    run::install(Rc::clone(&script) as Rc<dyn Host>);
    let end = run_workflow(workflow);
    assert!(script.deliveries.borrow().is_empty(), "the workflow ended before its script");
    (end, script.log.take())
}

/// Runs `workflow` against a runtime of the test's own.
pub(super) fn play_against<F: Future>(host: Rc<dyn Host>, workflow: F) -> F::Output {
    run::install(host);
    match run_workflow(workflow) {
        End::Returned(output) => output,
        End::Continued(it) => panic!("continued as new with {it:?}"),
    }
}

/// An activity that returns a number.
#[track_caller]
pub(super) fn number(name: &'static str) -> ActivityCall<u32> {
    ActivityCall::without_input(name)
}

/// The activity that was started as this operation returns a number.
pub(super) fn returns(operation: u32, number: u32) -> Delivery {
    Delivery::Completed { operation, outcome: Ok(number.to_string().into_bytes()) }
}

/// The activity that was started as this operation fails.
pub(super) fn fails(operation: u32, type_name: &str) -> Delivery {
    Delivery::Completed { operation, outcome: Err(Failure::application(type_name, "no")) }
}

/// The timer that was started as this operation fires.
pub(super) fn fires(operation: u32) -> Delivery {
    Delivery::Completed { operation, outcome: Ok(Vec::new()) }
}

/// A signal that says this JSON.
pub(super) fn signal(name: &str, json: &str) -> Delivery {
    Delivery::Signal { name: name.to_owned(), input: json.as_bytes().to_vec() }
}

pub(super) fn cancel_request() -> Delivery {
    Delivery::CancelRequested("changed my mind".to_owned())
}

/// A query with this argument as JSON; its name is its id.
pub(super) fn asks(name: &str, json: &str) -> Delivery {
    let input = json.as_bytes().to_vec();
    Delivery::Query { id: name.to_owned(), name: name.to_owned(), input }
}

/// An update with this argument as JSON.
pub(super) fn update(id: &str, name: &str, json: &str) -> Delivery {
    let input = json.as_bytes().to_vec();
    Delivery::Update { id: id.to_owned(), name: name.to_owned(), input }
}

fn told(outcome: Result<Vec<u8>, Failure>) -> String {
    match outcome {
        Ok(value) => String::from_utf8_lossy(&value).into_owned(),
        Err(failure) => format!("{}: {}", failure.info.type_name, failure.info.message),
    }
}

struct Script {
    deliveries: RefCell<VecDeque<Delivery>>,
    started: Cell<u32>,
    log: RefCell<Log>,
    /// What was recorded, by name.
    values: RefCell<BTreeMap<String, Vec<u8>>>,
    attributes: RefCell<AttributeChanges>,
}

impl Script {
    fn start(&self, what: String) -> u32 {
        self.started.set(self.started.get() + 1);
        let operation = self.started.get();
        self.log.borrow_mut().push(format!("{operation}: {what}"));
        operation
    }
}

impl Host for Script {
    fn start_activity(&self, activity_type: &str, input: &[u8], options: &ActivityOptions) -> u32 {
        let call = format!("{activity_type}({})", String::from_utf8_lossy(input));
        self.start(match (options.placement(), options.to_wit().task_queue) {
            (Some(placement), _) => format!("{call} in {placement:?}"),
            (None, Some(queue)) => format!("{call} in {queue}"),
            (None, None) => call,
        })
    }

    fn start_timer(&self, after: Duration) -> u32 {
        self.start(format!("timer {after:?}"))
    }

    fn start_child(&self, workflow_type: &str, input: &[u8], _: &ChildOptions) -> Child {
        let started =
            self.start(format!("child {workflow_type}({})", String::from_utf8_lossy(input)));
        let closed = started + 1;
        self.started.set(closed);
        Child { started, closed }
    }

    fn signal_external(&self, workflow_id: &str, _: Option<&str>, name: &str, input: &[u8]) -> u32 {
        let input = String::from_utf8_lossy(input);
        self.start(format!("signal {name}({input}) to {workflow_id}"))
    }

    fn cancel_external(&self, workflow_id: &str, _: Option<&str>, reason: &str) -> u32 {
        self.start(format!("ask {workflow_id} to cancel: {reason}"))
    }

    fn cancel(&self, operation: u32) {
        self.log.borrow_mut().push(format!("cancel {operation}"));
    }

    fn request_cancel(&self, operation: u32, grace: Option<Duration>) {
        self.log.borrow_mut().push(format!("request cancel {operation} {grace:?}"));
    }

    fn return_signal(&self, nth: u32) {
        self.log.borrow_mut().push(format!("return {nth}"));
    }

    fn next(&self) -> Delivery {
        self.log.borrow_mut().push("next".to_owned());
        self.deliveries.borrow_mut().pop_front().expect("the script has another delivery")
    }

    fn respond_query(&self, id: &str, answer: Result<Vec<u8>, Failure>) {
        self.log.borrow_mut().push(format!("answer {id}: {}", told(answer)));
    }

    fn publish(&self, name: &str, value: &[u8]) {
        self.log.borrow_mut().push(format!("publish {name}={}", String::from_utf8_lossy(value)));
    }

    fn accept_update(&self, id: &str) {
        self.log.borrow_mut().push(format!("accept {id}"));
    }

    fn reject_update(&self, id: &str, failure: Failure) {
        self.log.borrow_mut().push(format!("reject {id}: {}", failure.info.message));
    }

    fn complete_update(&self, id: &str, outcome: Result<Vec<u8>, Failure>) {
        self.log.borrow_mut().push(format!("complete {id}: {}", told(outcome)));
    }

    fn version(&self, change_id: &str, min: u32, max: u32) -> u32 {
        self.log.borrow_mut().push(format!("version {change_id} {min}..={max}"));
        max
    }

    fn recorded_value(&self, name: &str) -> Option<Vec<u8>> {
        self.values.borrow().get(name).cloned()
    }

    fn latest_value(&self, name: &str) -> Option<Vec<u8>> {
        self.log.borrow_mut().push(format!("latest {name}"));
        None
    }

    fn record_value(&self, name: &str, value: &[u8]) {
        self.log.borrow_mut().push(format!("record {name}={}", String::from_utf8_lossy(value)));
        self.values.borrow_mut().insert(name.to_owned(), value.to_vec());
    }

    fn memo(&self) -> BTreeMap<String, String> {
        self.attributes.borrow().memo.clone().into_iter().filter_map(some_value).collect()
    }

    fn search_attributes(&self) -> BTreeMap<String, SearchValue> {
        self.attributes.borrow().search.clone().into_iter().filter_map(some_value).collect()
    }

    fn upsert_memo(&self, changes: &AttributeChanges) {
        self.log.borrow_mut().push(format!("memo {:?}", changes.memo));
        self.attributes.borrow_mut().memo.extend(changes.memo.clone());
    }

    fn upsert_search_attributes(&self, changes: &AttributeChanges) {
        self.log.borrow_mut().push(format!("search attributes {:?}", changes.search));
        self.attributes.borrow_mut().search.extend(changes.search.clone());
    }
}

fn some_value<T>((name, value): (String, Option<T>)) -> Option<(String, T)> {
    Some((name, value?))
}
