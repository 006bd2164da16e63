//! Namespaces are made, changed and deleted while a node runs.

mod support;

use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy};
use dacapo_model::ids::{NamespaceName, RequestId};
use dacapo_model::namespace::{NamespaceChange, NamespaceLimits, NamespaceSettings};
use dacapo_model::queue_limits::Rate;
use dacapo_service::operations::{ExecutionFilter, StartRequest};
use dacapo_service::tenancy::Tenant;
use dacapo_store::Store;
use dacapo_store::faulty::{Fault, Operation};
use dacapo_store::shard::HashRange;
use support::guests::ScriptedHost;
use support::*;

fn shop() -> NamespaceName {
    NamespaceName::new("shop").expect("valid")
}

fn settings(limits: NamespaceLimits) -> NamespaceSettings {
    NamespaceSettings { limits, ..NamespaceSettings::default() }
}

async fn make(node: &Node, settings: NamespaceSettings) -> Tenant {
    node.runtime().create_namespace(shop(), settings).await.expect("makes it");
    let tenant = node.tenant_of(&shop()).expect("it is there at once");
    let name = "scripted".parse().expect("valid");
    tenant.upload_module(&name, Bytes::from_static(b"scripted")).await.expect("accepted");
    tenant
}

async fn change(node: &Node, name: &NamespaceName, change: NamespaceChange) {
    node.runtime().change_namespace(name, &change).await.expect("changes it");
}

async fn delete(node: &Node) {
    node.runtime().delete_namespace(&shop(), "shop").await.expect("deletes it");
}

async fn until_gone(node: &Node) {
    until(async || {
        let described = node.runtime().describe_namespace(&shop()).await;
        described.is_err_and(|error| error.code == ErrorCode::NamespaceNotFound)
    })
    .await;
}

fn code<T: std::fmt::Debug>(result: Result<T, dacapo_service::error::ServiceError>) -> ErrorCode {
    result.expect_err("it is refused").code
}

#[tokio::test]
async fn a_namespace_can_be_used_as_soon_as_it_is_made() {
    let node = start(memory(), &ScriptedHost::new()).await;
    assert_eq!(code(node.tenant_of(&shop()).map(drop)), ErrorCode::NamespaceNotFound);
    let tenant = make(&node, NamespaceSettings::default()).await;
    let other = node.start_run(request("forever", "w", "")).await.expect("starts").run_id;
    let its = tenant.start_run(request("forever", "w", "")).await.expect("starts").run_id;
    assert_ne!(other, its, "the workflow ids of namespaces are apart");

    let (runtime, usual) = (node.runtime(), NamespaceSettings::default());
    let (again, is_new) = runtime.create_namespace(shop(), usual).await.expect("a repeat");
    assert!(!is_new);
    let listed = runtime.list_namespaces(None, 1).await.expect("lists");
    assert_eq!(listed.next, Some(namespace()));
    let listed = runtime.list_namespaces(listed.next.as_ref(), 1).await.expect("lists");
    assert_eq!((listed.namespaces, listed.next), (vec![again], None));
    let other = NamespaceSettings { retention_seconds: Some(60), ..NamespaceSettings::default() };
    let refused = runtime.create_namespace(shop(), other).await;
    assert_eq!(code(refused), ErrorCode::NamespaceAlreadyExists);
}

#[tokio::test]
async fn a_change_holds_from_its_answer_on() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let payload_bytes_max = NonZeroU64::new(3);
    let limits = NamespaceLimits { payload_bytes_max, ..NamespaceLimits::default() };
    make(&node, settings(limits)).await;
    let start = async |workflow_id: &str| {
        let tenant = node.tenant_of(&shop()).expect("it is there");
        tenant.start_run(request("forever", workflow_id, "four")).await
    };
    assert_eq!(code(start("a").await), ErrorCode::PayloadTooLarge);
    node.start_run(request("forever", "a", "four")).await.expect("another has no such limit");
    let larger = NamespaceChange {
        payload_bytes_max: Some(NonZeroU64::new(4)),
        ..NamespaceChange::default()
    };
    change(&node, &shop(), larger).await;
    start("a").await.expect("it fits");
    let nowhere = NamespaceName::new("nowhere").expect("valid");
    let refused = node.runtime().change_namespace(&nowhere, &NamespaceChange::default()).await;
    assert_eq!(code(refused), ErrorCode::NamespaceNotFound);
    let hosts = NamespaceChange {
        allowed_hosts: Some(Some(vec!["https://example.com".to_owned()])),
        ..NamespaceChange::default()
    };
    let refused = node.runtime().change_namespace(&shop(), &hosts).await;
    assert_eq!(code(refused), ErrorCode::InvalidArgument);
}

#[tokio::test]
async fn a_deletion_has_to_name_the_namespace_twice_and_the_default_stays() {
    let node = start(memory(), &ScriptedHost::new()).await;
    make(&node, NamespaceSettings::default()).await;
    let refused = node.runtime().delete_namespace(&shop(), "shopping").await;
    assert_eq!(code(refused), ErrorCode::InvalidArgument);
    let refused = node.runtime().delete_namespace(&namespace(), "default").await;
    assert_eq!(code(refused), ErrorCode::InvalidArgument);
    let nowhere = NamespaceName::new("nowhere").expect("valid");
    let refused = node.runtime().delete_namespace(&nowhere, "nowhere").await;
    assert_eq!(code(refused), ErrorCode::NamespaceNotFound);
    node.tenant_of(&shop()).expect("it is still there");
}

/// Open, closed and blocked runs, and a family.
async fn fill(tenant: &Tenant) {
    for (workflow, workflow_id) in
        [("forever", "w"), ("faulty", "blocked"), ("gated", "waits"), ("forever", "ended")]
    {
        tenant.start_run(request(workflow, workflow_id, "")).await.expect("starts");
    }
    let family = request("family", "parent", "gated 3 count=3");
    tenant.start_run(family).await.expect("starts");
    tenant.terminate_run(&run_ref("ended"), String::new()).await.expect("ends");
}

async fn runs(store: &Arc<dyn Store>, name: &NamespaceName) -> usize {
    let open = store.open_executions(HashRange::ALL, None, 1_000).await.expect("reads");
    let end = dacapo_model::time::Timestamp::from_micros(i64::MAX);
    let closed = store.closed_runs(name, end, None, 1_000).await.expect("reads").len();
    open.iter().filter(|run| run.namespace == *name).count() + closed
}

#[tokio::test]
async fn a_namespace_is_deleted_with_all_that_it_has_and_no_other() {
    let store = memory();
    let host = ScriptedHost::new();
    let node = start(store.clone(), &host).await;
    let tenant = make(&node, NamespaceSettings::default()).await;
    fill(&tenant).await;
    let stays = node.start_run(request("forever", "w", "")).await.expect("starts").run_id;

    delete(&node).await;
    assert_eq!(code(node.tenant_of(&shop()).map(drop)), ErrorCode::NamespaceBeingDeleted);
    let late = tenant.start_run(request("forever", "late", "")).await;
    assert_eq!(code(late), ErrorCode::NamespaceBeingDeleted, "it had come before the deletion");
    until_gone(&node).await;
    let late = tenant.start_run(request("forever", "late", "")).await;
    assert_eq!(code(late), ErrorCode::WorkflowTypeNotFound, "its modules are gone");
    assert_eq!(runs(&store, &shop()).await, 0);
    assert!(store.all_modules().await.expect("reads").iter().all(|it| it.namespace != shop()));
    let run = node.describe_run(&run_ref("w")).await.expect("it is there").execution;
    assert_eq!((run.key.run_id, run.status), (stays, ExecutionStatus::Running));

    let again = make(&node, NamespaceSettings::default()).await;
    let listed = again.list_runs(&ExecutionFilter::default(), None, 10).await.expect("lists");
    assert!(listed.executions.is_empty(), "nothing is left");
    again.start_run(request("forever", "w", "")).await.expect("starts");
}

/// A node dies after so many of the deletion's calls, each of which may be done or not.
#[tokio::test]
async fn a_deletion_that_a_dead_node_had_begun_is_brought_to_its_end() {
    for dies_at in 1..=6 {
        for is_done in [false, true] {
            let inner = memory();
            let calls = Calls::default();
            let store = scripted(inner.clone(), &calls, move |call| match call.operation {
                Operation::DeleteRun | Operation::DeleteModules | Operation::RemoveNamespace
                    if call.number >= dies_at =>
                {
                    if is_done && call.number == dies_at {
                        Fault::DoneButUnavailable
                    } else {
                        Fault::Unavailable
                    }
                }
                _ => Fault::None,
            });
            let host = ScriptedHost::new();
            let first = start(store, &host).await;
            let tenant = make(&first, NamespaceSettings::default()).await;
            fill(&tenant).await;
            delete(&first).await;
            let deletes =
                [Operation::DeleteRun, Operation::DeleteModules, Operation::RemoveNamespace];
            until(async || {
                deletes.iter().any(|it| calls.count(*it) >= dies_at) || {
                    let there = inner.namespaces().await.expect("lists");
                    there.iter().all(|it| it.name != shop())
                }
            })
            .await;
            first.halt().await;

            let second = start(inner.clone(), &host).await;
            until_gone(&second).await;
            assert_eq!(runs(&inner, &shop()).await, 0, "died at {dies_at}, done: {is_done}");
            second.halt().await;
        }
    }
}

async fn is_there(node: &Node, workflow_id: &str) -> bool {
    node.describe_run(&run_ref(workflow_id)).await.is_ok()
}

#[tokio::test]
async fn closed_runs_go_when_they_have_been_kept_long_enough() {
    let host = ScriptedHost::new();
    let node = start(memory(), &host).await;
    for workflow_id in ["open", "closed"] {
        node.start_run(request("forever", workflow_id, "")).await.expect("starts");
    }
    node.start_run(request("family", "parent", "gated 1 count=2")).await.expect("starts");
    host.gate.add_permits(1);
    until_event(&node, "parent", "ChildWorkflowExecutionCompleted").await;
    node.terminate_run(&run_ref("closed"), String::new()).await.expect("ends");
    let statuses = vec![ExecutionStatus::Completed];
    let filter = ExecutionFilter { statuses, ..ExecutionFilter::default() };
    let closed = node.list_runs(&filter, None, 10).await.expect("lists").executions;
    let child = closed.first().expect("one has closed").workflow_id.as_str().to_owned();

    let retention = |seconds| NamespaceChange {
        retention_seconds: Some(Some(seconds)),
        ..NamespaceChange::default()
    };
    change(&node, &namespace(), retention(3_600)).await;
    assert!(is_there(&node, "closed").await);
    change(&node, &namespace(), retention(1)).await;
    until(async || !is_there(&node, "closed").await).await;
    assert!(is_there(&node, "open").await);
    assert!(is_there(&node, &child).await, "its parent is open and may ask for it");
    host.gate.add_permits(1);
    result(&node, "parent").await;
    until(async || !is_there(&node, &child).await && !is_there(&node, "parent").await).await;
    assert!(is_there(&node, "open").await);
}

#[tokio::test]
async fn a_namespace_at_its_limit_of_open_runs_starts_no_other_and_others_do() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let open_runs_max = NonZeroU64::new(2);
    let limits = NamespaceLimits { open_runs_max, ..NamespaceLimits::default() };
    let tenant = make(&node, settings(limits)).await;
    for workflow_id in ["a", "b"] {
        tenant.start_run(request("forever", workflow_id, "")).await.expect("starts");
    }
    let refused = tenant.start_run(request("forever", "c", "")).await.expect_err("it is full");
    assert_eq!(refused.code, ErrorCode::NamespaceLimit);
    assert_eq!(refused.details["limit"], "open_runs_max");
    assert!(refused.message.contains("has 2 open runs"), "{refused}");
    node.start_run(request("forever", "c", "")).await.expect("another namespace has no limit");

    tenant.terminate_run(&run_ref("a"), String::new()).await.expect("ends");
    until(async || tenant.start_run(request("forever", "c", "")).await.is_ok()).await;
    let none = NamespaceChange { open_runs_max: Some(None), ..NamespaceChange::default() };
    change(&node, &shop(), none).await;
    tenant.start_run(request("forever", "d", "")).await.expect("there is no limit any more");
}

#[tokio::test]
async fn a_namespace_that_starts_runs_too_fast_is_told_when_to_come_back() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let start_rate = Some(Rate::new(0.001, Some(2)).expect("valid"));
    let limits = NamespaceLimits { start_rate, ..NamespaceLimits::default() };
    let tenant = make(&node, settings(limits)).await;
    let known = StartRequest {
        request_id: Some(RequestId::new("r").expect("valid")),
        ..request("forever", "a", "")
    };
    for request in [known.clone(), request("forever", "b", "")] {
        tenant.start_run(request).await.expect("starts");
    }
    let refused = tenant.start_run(request("forever", "c", "")).await.expect_err("too fast");
    assert_eq!(refused.code, ErrorCode::NamespaceLimit);
    assert_eq!(refused.details["limit"], "start_rate");
    let seconds: f64 = refused.details["retry_after_seconds"].parse().expect("a number");
    assert!((900.0..=1_000.0).contains(&seconds), "{refused:?}");
    let conflict_policy = Some(IdConflictPolicy::TerminateExisting);
    let replaces = StartRequest { conflict_policy, ..request("forever", "b", "") };
    assert_eq!(code(tenant.start_run(replaces).await), ErrorCode::NamespaceLimit);
    let repeated = tenant.start_run(known).await.expect("a repeat starts nothing");
    assert!(!repeated.started);
    node.start_run(request("forever", "c", "")).await.expect("another namespace has no limit");
}

#[tokio::test]
async fn a_namespace_makes_so_many_attempts_at_a_time_and_keeps_no_other_waiting() {
    let host = ScriptedHost::new();
    let node = start(memory(), &host).await;
    let activities_max = NonZeroU64::new(2);
    let limits = NamespaceLimits { activities_max, ..NamespaceLimits::default() };
    let tenant = make(&node, settings(limits)).await;
    let begun = |input: &str| {
        let attempts = host.attempts.lock();
        attempts.get(&("gated".to_owned(), input.to_owned())).copied().unwrap_or(0)
    };
    let its = || begun("1");
    for workflow_id in ["a", "b", "c", "d"] {
        tenant.start_run(request("gated", workflow_id, "1")).await.expect("starts");
    }
    until(async || its() == 2).await;
    node.start_run(request("gated", "other", "2")).await.expect("starts");
    until(async || begun("2") == 1).await;
    node.in_hand_at_most(3).await;
    assert_eq!(its(), 2, "the others wait");

    let more =
        NamespaceChange { activities_max: Some(NonZeroU64::new(3)), ..NamespaceChange::default() };
    change(&node, &shop(), more).await;
    until(async || its() == 3).await;
    host.gate.add_permits(6);
    for workflow_id in ["a", "b", "c", "d"] {
        let result = tenant.run_result(&run_ref(workflow_id), PATIENCE).await.expect("a run");
        assert!(result.closing.is_some(), "{workflow_id} goes on");
    }
}

#[tokio::test]
async fn a_workflow_that_passes_more_than_its_namespace_allows_is_blocked_until_it_may() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let tenant = make(&node, NamespaceSettings::default()).await;
    let max = |bytes| NamespaceChange {
        payload_bytes_max: Some(NonZeroU64::new(bytes)),
        ..NamespaceChange::default()
    };
    tenant.start_run(request("collect", "w", "2")).await.expect("starts");
    tenant.signal_run(&run_ref("w"), signal("longer")).await.expect("it is open");
    change(&node, &shop(), max(5)).await;
    tenant.signal_run(&run_ref("w"), signal("long")).await.expect("it is open");
    let blocked = async || {
        let run = tenant.describe_run(&run_ref("w")).await.expect("a run").execution;
        run.blocked.filter(|_| run.status == ExecutionStatus::Blocked)
    };
    until(async || blocked().await.is_some()).await;
    let report = blocked().await.expect("it is blocked");
    assert_eq!(report.code, ErrorCode::PayloadTooLarge.as_str());
    assert!(report.message.contains("at most 5 are allowed in namespace `shop`"), "{report:?}");
    change(&node, &shop(), max(100)).await;
    tenant.retry_run(&run_ref("w")).await.expect("it is blocked");
    let result = tenant.run_result(&run_ref("w"), PATIENCE).await.expect("it closes");
    assert!(result.closing.is_some(), "{result:?}");
}
