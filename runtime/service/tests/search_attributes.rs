//! What runs say of themselves, and what their namespace has registered.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dacapo_model::attributes::{RunAttributes, SearchAttribute};
use dacapo_model::code::ErrorCode;
use dacapo_model::event::AskedActivityOptions;
use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy, IdReusePolicy};
use dacapo_model::ids::{ActivityId, RequestId, TypeName};
use dacapo_model::limits::NAMESPACE_SEARCH_ATTRIBUTES_MAX;
use dacapo_model::payload::Payload;
use dacapo_model::search_attribute::{SearchAttributeName, SearchAttributeType};
use dacapo_model::task::TaskRoute;
use dacapo_service::operations::{StartActivityRequest, StartOptions, StartRequest};
use dacapo_store::faulty::{Call, Fault, Operation};
use support::guests::{ScriptedHost, queue};
use support::*;

fn name(name: &str) -> SearchAttributeName {
    SearchAttributeName::new(name).expect("a valid name")
}

fn start_with_n(workflow_id: &str, number: i64) -> StartRequest {
    let mut options = StartOptions::default();
    let said = &mut options.attributes.search_attributes;
    said.insert("n".to_owned(), SearchAttribute::Int(number));
    StartRequest { options, ..request("teller", workflow_id, "") }
}

async fn shown(runtime: &Node, workflow_id: &str) -> Option<SearchAttribute> {
    let run = runtime.describe_run(&run_ref(workflow_id)).await.expect("a run").execution;
    run.attributes.search_attributes.get("n").cloned()
}

async fn blocked(runtime: &Node, workflow_id: &str) -> String {
    until_status(runtime, workflow_id, ExecutionStatus::Blocked).await;
    let run = runtime.describe_run(&run_ref(workflow_id)).await.expect("a run").execution;
    let report = run.blocked.expect("it is blocked");
    assert_eq!(report.code, ErrorCode::SearchAttributeInvalid.as_str());
    report.message
}

#[tokio::test]
async fn a_workflow_that_sets_what_is_not_registered_goes_on_once_it_is() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("teller", "w", "")).await.expect("starts");
    runtime.signal_run(&run_ref("w"), signal("int n 2")).await.expect("it is open");
    let message = blocked(&runtime, "w").await;
    assert!(message.contains("`dacapo search-attribute add n=int`"), "{message}");
    assert_eq!(shown(&runtime, "w").await, None);

    runtime.register_search_attribute(name("n"), SearchAttributeType::Text).await.expect("new");
    runtime.retry_run(&run_ref("w")).await.expect("it is blocked");
    let message = blocked(&runtime, "w").await;
    assert!(message.contains("is registered as text, and its value is int"), "{message}");

    runtime.remove_search_attribute(&name("n")).await.expect("removed");
    runtime.register_search_attribute(name("n"), SearchAttributeType::Int).await.expect("new");
    runtime.retry_run(&run_ref("w")).await.expect("it is blocked");
    until_status(&runtime, "w", ExecutionStatus::Running).await;
    assert_eq!(shown(&runtime, "w").await, Some(SearchAttribute::Int(2)));
}

#[tokio::test]
async fn a_run_is_replayed_whatever_has_become_of_its_attributes() {
    let store = memory();
    let first = start(store.clone(), &ScriptedHost::new()).await;
    first.register_search_attribute(name("n"), SearchAttributeType::Int).await.expect("new");
    first.start_run(start_with_n("w", 1)).await.expect("starts");
    first.signal_run(&run_ref("w"), signal("int n 2")).await.expect("it is open");
    first.remove_search_attribute(&name("n")).await.expect("removed");
    first.halt().await;

    let second = start(store, &ScriptedHost::new()).await;
    second.signal_run(&run_ref("w"), signal("memo who b")).await.expect("it is open");
    let run = second.describe_run(&run_ref("w")).await.expect("a run").execution;
    assert_eq!(run.status, ExecutionStatus::Running, "{:?}", run.blocked);
    assert_eq!(run.attributes.memo["who"], "b".into());
    // What goes over to the next run was checked when it was set.
    second.signal_run(&run_ref("w"), signal("again next")).await.expect("it is open");
    assert_eq!(shown(&second, "w").await, Some(SearchAttribute::Int(2)));
    second.signal_run(&run_ref("w"), signal("int n 3")).await.expect("it is open");
    blocked(&second, "w").await;
    let refused = second.start_run(start_with_n("v", 1)).await.expect_err("it is removed");
    assert_eq!(refused.code, ErrorCode::SearchAttributeInvalid);
}

#[tokio::test]
async fn what_was_registered_without_an_answer_is_known() {
    let host = ScriptedHost::new();
    let fails = Arc::new(AtomicBool::new(true));
    let once = fails.clone();
    let store = scripted(memory(), &Calls::default(), move |call: Call| {
        let is_it = call.operation == Operation::RegisterSearchAttribute;
        match is_it && once.swap(false, Ordering::SeqCst) {
            true => Fault::DoneButUnavailable,
            false => Fault::None,
        }
    });
    let runtime = start(store, &host).await;
    let register = || runtime.register_search_attribute(name("n"), SearchAttributeType::Int);
    let unknown = register().await.expect_err("no answer");
    assert_eq!(unknown.code, ErrorCode::Unavailable);
    runtime.start_run(start_with_n("w", 1)).await.expect("it is registered");
    assert_eq!(shown(&runtime, "w").await, Some(SearchAttribute::Int(1)));
    let (attribute, is_new) = register().await.expect("a repeat");
    assert_eq!((attribute.name.as_str(), is_new), ("n", false));
    assert!(!fails.load(Ordering::SeqCst));
}

/// Also where its type was inferred, and took the one that was registered then.
#[tokio::test]
async fn a_repeat_finds_its_run_after_its_attributes_were_removed() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let request_id = || Some(RequestId::new("r").expect("a valid id"));
    let mut run = StartRequest { request_id: request_id(), ..start_with_n("w", 1) };
    run.options.inferred.insert("n".to_owned());
    let said = [("n".to_owned(), SearchAttribute::Int(1))].into();
    let job = StartActivityRequest {
        activity_type: TypeName::new("send").expect("a valid name"),
        activity_id: Some(ActivityId::new("a").expect("a valid id")),
        request_id: request_id(),
        input: Payload::new("17"),
        reuse_policy: IdReusePolicy::default(),
        conflict_policy: IdConflictPolicy::default(),
        options: AskedActivityOptions {
            task_queue: Some(TaskRoute::to(queue())),
            ..AskedActivityOptions::default()
        },
        start_delay: None,
        attributes: RunAttributes { search_attributes: said, ..RunAttributes::default() },
        inferred: ["n".to_owned()].into(),
    };
    runtime.start_activity(job.clone()).await.expect_err("it is not registered");
    runtime.register_search_attribute(name("n"), SearchAttributeType::Double).await.expect("new");
    let first = runtime.start_run(run.clone()).await.expect("starts");
    assert_eq!(shown(&runtime, "w").await, Some(SearchAttribute::Double(1.0)));
    let first_job = runtime.start_activity(job.clone()).await.expect("starts");
    runtime.remove_search_attribute(&name("n")).await.expect("removed");

    let again = runtime.start_run(run.clone()).await.expect("a repeat");
    assert_eq!((again.run_id, again.started), (first.run_id, false));
    let again = runtime.start_activity(job.clone()).await.expect("a repeat");
    assert_eq!((again.run_id, again.started), (first_job.run_id, false));

    run.options.attributes.search_attributes.insert("n".to_owned(), SearchAttribute::Int(2));
    let other = runtime.start_run(run).await.expect_err("it says something else");
    assert_eq!(other.code, ErrorCode::RequestIdReused);
    let job = StartActivityRequest { request_id: None, ..job };
    let new = runtime.start_activity(job).await.expect_err("it is not registered");
    assert_eq!(new.code, ErrorCode::SearchAttributeInvalid);
}

/// Nobody knows whether it was done, so the next start looks.
#[tokio::test]
async fn what_was_removed_without_an_answer_is_refused() {
    let store = scripted(memory(), &Calls::default(), |call: Call| match call.operation {
        Operation::RemoveSearchAttribute => Fault::DoneButUnavailable,
        _ => Fault::None,
    });
    let runtime = start(store, &ScriptedHost::new()).await;
    runtime.register_search_attribute(name("n"), SearchAttributeType::Int).await.expect("new");
    let unknown = runtime.remove_search_attribute(&name("n")).await.expect_err("no answer");
    assert_eq!(unknown.code, ErrorCode::Unavailable);
    let refused = runtime.start_run(start_with_n("w", 1)).await.expect_err("it is removed");
    assert_eq!(refused.code, ErrorCode::SearchAttributeInvalid);
}

#[tokio::test]
async fn a_refusal_says_what_would_help() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.register_search_attribute(name("n"), SearchAttributeType::Datetime).await.expect("new");
    let refused = async |name: &str, value: SearchAttribute| {
        let mut request = request("teller", "w", "");
        request.options.attributes.search_attributes.insert(name.to_owned(), value);
        request.options.inferred.insert(name.to_owned());
        let error = runtime.start_run(request).await.expect_err("it does not fit");
        assert_eq!(error.code, ErrorCode::SearchAttributeInvalid);
        error.message
    };
    let text = |text: &str| SearchAttribute::Keyword(text.to_owned());
    let message = refused("customer-id", text("c")).await;
    assert!(message.contains("the name can't be registered, so give it another one"), "{message}");
    let message = refused("n", text("+12345-01-01T00:00:00Z")).await;
    assert!(message.contains("`n` is not in the years 0 to 9999; give it a time"), "{message}");
}

/// A filter that can't be read is answered without the store, and one that names only what
/// every run has as well.
#[tokio::test]
async fn only_a_filter_with_a_name_that_is_not_known_asks_the_store() {
    let reads = Calls::default();
    let store = scripted(memory(), &reads, |_: Call| Fault::None);
    let runtime = start(store, &ScriptedHost::new()).await;
    reads.clear();
    let looked = || reads.count(Operation::SearchAttributeChanges);
    runtime.filter("n =").await.expect_err("it has no end");
    runtime.filter("WorkflowId = 'w'").await.expect("makes sense");
    assert_eq!(looked(), 0);
    runtime.filter("n = 1").await.expect_err("it is not registered");
    assert_eq!(looked(), 1);
}

/// Only what does not fit costs a read, of one row.
#[tokio::test]
async fn starts_and_steps_read_nothing_of_what_is_registered() {
    let reads = Calls::default();
    let store = scripted(memory(), &reads, |_: Call| Fault::None);
    let runtime = start(store, &ScriptedHost::new()).await;
    runtime.register_search_attribute(name("n"), SearchAttributeType::Int).await.expect("new");
    reads.clear();
    runtime.start_run(start_with_n("w", 1)).await.expect("starts");
    runtime.signal_run(&run_ref("w"), signal("int n 2")).await.expect("it is open");
    assert_eq!(shown(&runtime, "w").await, Some(SearchAttribute::Int(2)));
    let looked = || {
        reads.count(Operation::SearchAttributeChanges) + reads.count(Operation::AllSearchAttributes)
    };
    assert_eq!(looked(), 0);
    let mut unknown = start_with_n("v", 1);
    unknown.options.attributes.search_attributes.insert("x".into(), SearchAttribute::Int(1));
    runtime.start_run(unknown).await.expect_err("not registered");
    assert_eq!(looked(), 1);
}

#[tokio::test]
async fn a_namespace_has_no_more_than_it_may() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    for number in 0..NAMESPACE_SEARCH_ATTRIBUTES_MAX {
        let name = name(&format!("a{number}"));
        runtime.register_search_attribute(name, SearchAttributeType::Bool).await.expect("new");
    }
    let one_more = runtime.register_search_attribute(name("b"), SearchAttributeType::Bool).await;
    let refused = one_more.expect_err("too many");
    assert_eq!(refused.code, ErrorCode::InvalidArgument);
    runtime.remove_search_attribute(&name("a0")).await.expect("removed");
    runtime.register_search_attribute(name("b"), SearchAttributeType::Bool).await.expect("room");
    assert_eq!(
        runtime.list_search_attributes().await.expect("listed").len(),
        NAMESPACE_SEARCH_ATTRIBUTES_MAX
    );
}
