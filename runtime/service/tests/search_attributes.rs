//! What runs say of themselves, what their namespace has registered, and their tags.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dacapo_model::attributes::{RunAttributes, SearchAttribute};
use dacapo_model::code::ErrorCode;
use dacapo_model::event::AskedActivityOptions;
use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy, IdReusePolicy};
use dacapo_model::ids::{ActivityId, RequestId, TypeName};
use dacapo_model::limits::{NAMESPACE_SEARCH_ATTRIBUTES_MAX, TAGS_MAX};
use dacapo_model::payload::Payload;
use dacapo_model::search_attribute::{SearchAttributeName, SearchAttributeType};
use dacapo_model::tag::{TagChanges, Tags};
use dacapo_model::task::TaskRoute;
use dacapo_service::operations::{
    ExecutionFilter, StartActivityRequest, StartOptions, StartRequest,
};
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

fn changes(added: &[&str], removed: &[&str]) -> TagChanges {
    TagChanges { added: tags(added), removed: tags(removed) }
}

fn tags(texts: &[&str]) -> Tags {
    texts.iter().map(|text| text.parse().expect("a tag")).collect()
}

async fn tags_of(runtime: &Node, workflow_id: &str) -> Tags {
    let run = runtime.describe_run(&run_ref(workflow_id)).await.expect("a run").execution;
    run.attributes.tags
}

async fn tag_events(runtime: &Node, workflow_id: &str) -> Vec<&'static str> {
    let events = history(runtime, workflow_id).await;
    let names = events.iter().map(|event| event.attributes.type_name());
    names.filter(|name| name.contains("Tags")).collect()
}

fn tagged(workflow_id: &str, with: &[&str]) -> StartRequest {
    let mut options = StartOptions::default();
    options.attributes.tags = tags(with);
    StartRequest { options, ..request("teller", workflow_id, "") }
}

/// Through a restart in the middle, too: the workflow is replayed, and sees nothing of them.
#[tokio::test]
async fn tags_are_changed_by_operators_and_the_workflow_and_go_over_to_the_next_run() {
    let store = memory();
    let first = start(store.clone(), &ScriptedHost::new()).await;
    first.start_run(tagged("w", &["new"])).await.expect("starts");
    assert_eq!(tags_of(&first, "w").await, tags(&["new"]));
    first.signal_run(&run_ref("w"), signal("tag late new")).await.expect("it is open");
    first.tag_run(&run_ref("w"), changes(&["vip"], &["gone"])).await.expect("it is open");
    assert_eq!(tags_of(&first, "w").await, tags(&["late", "vip"]));
    first.halt().await;

    let second = start(store, &ScriptedHost::new()).await;
    // Who gets no answer sends it again.
    second.tag_run(&run_ref("w"), changes(&["vip"], &["gone"])).await.expect("it is open");
    second.signal_run(&run_ref("w"), signal("tag paid vip")).await.expect("it is open");
    assert_eq!(tags_of(&second, "w").await, tags(&["late", "paid"]));
    let recorded = tag_events(&second, "w").await;
    let (workflow, operator) = ("WorkflowTagsModified", "WorkflowExecutionTagsUpdated");
    assert_eq!(recorded, [workflow, operator, workflow]);
    second.signal_run(&run_ref("w"), signal("again next")).await.expect("it is open");
    until_status(&second, "w", ExecutionStatus::Running).await;
    assert_eq!(tags_of(&second, "w").await, tags(&["late", "paid"]));
    let filter = second.filter("Tags = 'paid' AND ExecutionStatus = 'Running'").await;
    let filter = ExecutionFilter {
        filter: filter.expect("makes sense").filter,
        ..ExecutionFilter::default()
    };
    let found = second.list_runs(&filter, None, 10).await.expect("lists").executions;
    assert_eq!(found.len(), 1);

    second.signal_run(&run_ref("w"), signal("end")).await.expect("it is open");
    until_status(&second, "w", ExecutionStatus::Completed).await;
    let closed = second.tag_run(&run_ref("w"), changes(&["x"], &[])).await.expect_err("closed");
    assert_eq!(closed.code, ErrorCode::RunClosed);
    assert_eq!(tags_of(&second, "w").await, tags(&["late", "paid"]));
}

#[tokio::test]
async fn a_change_of_tags_whose_commit_had_no_answer_is_made_once() {
    let lost = Arc::new(AtomicBool::new(false));
    let loses = lost.clone();
    let store = scripted(memory(), &Calls::default(), move |call: Call| {
        let is_it = call.operation == Operation::Commit;
        match is_it && loses.swap(false, Ordering::SeqCst) {
            true => Fault::DoneButUnavailable,
            false => Fault::None,
        }
    });
    let runtime = start(store, &ScriptedHost::new()).await;
    runtime.start_run(tagged("w", &[])).await.expect("starts");
    lost.store(true, Ordering::SeqCst);
    // Whether or not the first one is told so.
    let _ = runtime.tag_run(&run_ref("w"), changes(&["vip"], &[])).await;
    runtime.tag_run(&run_ref("w"), changes(&["vip"], &[])).await.expect("a repeat");
    assert!(!lost.load(Ordering::SeqCst));
    assert_eq!(tags_of(&runtime, "w").await, tags(&["vip"]));
    assert_eq!(tag_events(&runtime, "w").await, ["WorkflowExecutionTagsUpdated"]);
}

#[tokio::test]
async fn a_run_has_no_more_tags_than_it_may() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let many: Vec<_> = (0..=TAGS_MAX).map(|number| format!("t{number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let refused = runtime.start_run(tagged("w", &many)).await.expect_err("one too many");
    assert_eq!(refused.code, ErrorCode::InvalidArgument);
    runtime.start_run(tagged("w", &many[1..])).await.expect("as many as may be");
    for wrong in [
        changes(&["one more"], &[]),
        changes(&[], &[]),
        changes(&["a"], &["a"]),
        changes(&[], &many),
    ] {
        let refused = runtime.tag_run(&run_ref("w"), wrong).await.expect_err("it makes no sense");
        assert_eq!(refused.code, ErrorCode::InvalidArgument);
    }
    runtime.tag_run(&run_ref("w"), changes(&["one more"], &["t1"])).await.expect("exchanged");
    runtime.signal_run(&run_ref("w"), signal("tag too-many t0")).await.expect("it is open");
    until_status(&runtime, "w", ExecutionStatus::Blocked).await;
    runtime.tag_run(&run_ref("w"), changes(&[], &["t2"])).await.expect("it is open");
    runtime.retry_run(&run_ref("w")).await.expect("it is blocked");
    until_status(&runtime, "w", ExecutionStatus::Running).await;
    assert!(tags_of(&runtime, "w").await.contains(&"too-many".parse().expect("a tag")));
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
