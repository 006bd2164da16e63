//! One workflow that calls each function that workflows may call.

use crate::dacapo::workflow::operations::{self, ActivityOptions, Delivery};
use crate::dacapo::workflow::types::RetryPolicy;
use crate::dacapo::workflow::{
    activities, attributes, children, diagnostics, external, module_activities, queries,
    run_context, side_effects, task_queues, updates, versions,
};
use crate::{failure, quoted};

/// Returns what it was told, in order.
pub(crate) fn call_everything(input: &[u8]) -> String {
    let mut seen = Vec::new();
    look_around();
    record(input);

    let echo = operations::start_activity("echo", input, &options());
    let remote = task_queues::start_activity("remote", input, &no_options(), &placement());
    let elsewhere = module_activities::start_activity("echo", input, &options(), &other());
    let timer = operations::start_timer(3_600_000_000_000);
    let child = children::start_child("continued", input, &child_options());
    external::signal_external("other", None, "hello", input);
    external::cancel_external("other", None, "no longer needed");
    activities::request_cancel(remote, Some(1_000_000_000));
    operations::cancel(timer);
    operations::cancel(child.closed);
    assert!(elsewhere > remote && operations::try_next().is_none());

    seen.push(format!("wait {}", told(operations::wait(echo))));
    let executed = operations::execute_activity("echo", input, &options());
    seen.push(format!("execute {}", told(executed)));
    while !operations::sleep(1_000_000).is_ok_and(|()| seen.len() < 100) {}
    seen.push(format!("signal {}", told(operations::receive_signal("named"))));
    loop {
        let delivery = operations::next();
        let done = matches!(delivery, Delivery::CancelRequested(_));
        seen.extend(deal_with(delivery));
        if done {
            break;
        }
    }
    operations::return_signal(1);
    let deadline = run_context::info().started_at + 7_200_000_000_000;
    while let Some(delivery) = operations::next_until(deadline) {
        seen.extend(deal_with(delivery));
    }
    seen.push("the deadline has passed".to_owned());
    quoted(&seen)
}

/// What reads only.
fn look_around() {
    let info = run_context::info();
    assert_eq!(info.workflow_type, "all");
    assert!(!run_context::is_cancel_requested());
    assert!(run_context::continued_failure().is_none());
    assert!(run_context::history_length() > 0 && run_context::history_bytes() > 0);
    assert!(!run_context::continue_as_new_suggested());
    assert!(attributes::memo().is_empty() && attributes::search_attributes().is_empty());
    if diagnostics::is_observed() {
        diagnostics::note_position("all.rs:57:9 look_around");
    }
}

/// What records at once.
fn record(input: &[u8]) {
    assert_eq!(versions::version("change", 0, 3), 3);
    for ask in [side_effects::recorded_value, side_effects::latest_value] {
        if ask("value").is_none() {
            side_effects::record_value("value", input);
        }
    }
    attributes::upsert_memo(&[attributes::MemoEntry {
        name: "note".to_owned(),
        value: Some("true".to_owned()),
    }]);
    let value = |name: &str, value| attributes::SearchAttribute { name: name.to_owned(), value };
    attributes::upsert_search_attributes(&[
        value("boolean", Some(attributes::SearchValue::Boolean(true))),
        value("datetime", Some(attributes::SearchValue::Datetime(1))),
        value("double", Some(attributes::SearchValue::Double(0.5))),
        value("integer", Some(attributes::SearchValue::Integer(-1))),
        value("keyword", Some(attributes::SearchValue::Keyword("a".to_owned()))),
        value("text", Some(attributes::SearchValue::Text("a b".to_owned()))),
        value("list", Some(attributes::SearchValue::KeywordList(vec!["a".to_owned()]))),
        value("gone", None),
    ]);
    queries::publish("published", input);
}

/// None of what is in no history.
fn deal_with(delivery: Delivery) -> Option<String> {
    Some(match delivery {
        Delivery::Completed(completion) => {
            format!("{} {}", completion.operation, told(completion.outcome))
        }
        Delivery::Signal(signal) => format!("signal {} {}", signal.name, text(&signal.input)),
        Delivery::Query(query) => {
            queries::respond_query(&query.id, Ok(&query.input));
            return None;
        }
        Delivery::Update(update) if update.name == "refused" => {
            updates::reject_update(&update.id, &failure("no"));
            return None;
        }
        Delivery::Update(update) => {
            updates::accept_update(&update.id);
            updates::complete_update(&update.id, Ok(&update.input));
            format!("update {}", update.id)
        }
        Delivery::CancelRequested(reason) => format!("cancel {reason}"),
    })
}

fn options() -> ActivityOptions {
    ActivityOptions {
        start_to_close_timeout: Some(5_000_000_000),
        schedule_to_close_timeout: Some(60_000_000_000),
        schedule_to_start_timeout: Some(30_000_000_000),
        heartbeat_timeout: Some(1_000_000_000),
        retry: Some(RetryPolicy {
            initial_interval: 1_000_000,
            backoff_coefficient: 1.5,
            maximum_interval: Some(1_000_000_000),
            maximum_attempts: 3,
            non_retryable_types: vec!["Never".to_owned()],
        }),
        task_queue: None,
    }
}

fn no_options() -> ActivityOptions {
    ActivityOptions {
        start_to_close_timeout: None,
        schedule_to_close_timeout: None,
        schedule_to_start_timeout: None,
        heartbeat_timeout: None,
        retry: None,
        task_queue: Some("queue".to_owned()),
    }
}

fn placement() -> task_queues::TaskPlacement {
    task_queues::TaskPlacement {
        queue: "queue".to_owned(),
        priority: Some(1),
        fairness_key: Some("tenant".to_owned()),
        fairness_weight: Some(2.0),
    }
}

fn other() -> children::ModuleRef {
    children::ModuleRef { name: "other".to_owned(), version: Some(1) }
}

fn child_options() -> children::ChildOptions {
    children::ChildOptions {
        workflow_id: Some("child".to_owned()),
        id_reuse_policy: children::IdReusePolicy::AllowDuplicate,
        parent_close_policy: children::ParentClosePolicy::Abandon,
        cancellation_type: children::ChildCancellationType::Abandon,
        module: Some(other()),
        run_timeout: Some(1_000_000_000),
        execution_timeout: Some(1_000_000_000),
        start_delay: 0,
        retry: None,
        memo: Vec::new(),
        search_attributes: Vec::new(),
    }
}

fn told(outcome: Result<Vec<u8>, crate::dacapo::workflow::types::Failure>) -> String {
    match outcome {
        Ok(value) => text(&value),
        Err(failure) => format!("failed as {}", failure.info.type_name),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
