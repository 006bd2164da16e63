//! Starting: exactly one run, whatever the callers do.

mod support;

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy, IdReusePolicy};
use dacapo_model::ids::RequestId;
use dacapo_model::json::Json;
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;
use dacapo_service::config::ServiceConfig;
use dacapo_service::operations::StartRequest;
use dacapo_store::execution::ExecutionFilter;
use support::guests::ScriptedHost;
use support::*;

#[tokio::test]
async fn two_hundred_concurrent_starts_make_one_run() {
    for policy in [IdConflictPolicy::Fail, IdConflictPolicy::UseExisting] {
        let host = ScriptedHost::new();
        let runtime = start(memory(), &host).await;
        let starts = (0..200).map(|_| {
            let runtime = runtime.clone();
            let mut request = request("forever", "same", "");
            request.conflict_policy = Some(policy);
            tokio::spawn(async move { runtime.start_run(request).await })
        });
        let mut run_ids = Vec::new();
        let (mut started, mut refused) = (0, 0);
        for start in starts.collect::<Vec<_>>() {
            match start.await.expect("no panic") {
                Ok(answer) => {
                    run_ids.push(answer.run_id);
                    started += u32::from(answer.started);
                }
                Err(error) => {
                    assert_eq!(error.code.as_str(), "workflow_already_started");
                    refused += 1;
                }
            }
        }
        run_ids.dedup();
        assert_eq!((started, run_ids.len()), (1, 1));
        assert_eq!(refused, if policy == IdConflictPolicy::Fail { 199 } else { 0 });
    }
}

#[tokio::test]
async fn a_repeated_request_is_answered_with_its_run_open_or_closed() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let mut repeated = request("forever", "r", "");
    repeated.request_id = Some(RequestId::new("request-1").expect("valid"));
    let first = runtime.start_run(repeated.clone()).await.expect("started");
    let second = runtime.start_run(repeated.clone()).await.expect("found");
    assert_eq!((second.run_id, second.started), (first.run_id, false));
    runtime.terminate_run(&run_ref("r"), String::new()).await.expect("terminated");
    let third = runtime.start_run(repeated).await.expect("found");
    assert_eq!((third.run_id, third.started), (first.run_id, false));
}

/// One change to a request.
type Change = (&'static str, fn(&mut StartRequest));

#[tokio::test]
async fn a_request_id_that_was_used_for_another_start_is_refused() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let mut first = request("forever", "r", "1");
    first.request_id = Some(RequestId::new("request-1").expect("valid"));
    first.environment.insert("A".to_owned(), "1".to_owned());
    first.options.start_delay = Some(Duration::from_secs(3_600));
    first.options.retry = Some(RetryPolicy { backoff_coefficient: 1.1, ..RetryPolicy::default() });
    first.options.attributes.memo.insert("of".to_owned(), Json::parse("1.10").expect("JSON"));
    let started = runtime.start_run(first.clone()).await.expect("started");
    let changes: [Change; 9] = [
        ("workflow type", |it| it.workflow_type = "sequential".parse().expect("valid")),
        ("input", |it| it.input = Payload::new("2")),
        ("environment", |it| it.environment.clear()),
        ("list of arguments", |it| it.arguments.push("-v".to_owned())),
        ("run timeout", |it| it.options.run_timeout = Some(Duration::from_secs(60))),
        ("start delay", |it| it.options.start_delay = None),
        ("retry policy", |it| it.options.retry = None),
        ("memo", |it| it.options.attributes.memo.clear()),
        ("signal", |it| it.signal = Some(signal("new"))),
    ];
    for is_open in [true, false] {
        for (what, change) in changes {
            let mut changed = first.clone();
            change(&mut changed);
            let refused = runtime.start_run(changed).await.expect_err(what);
            assert_eq!(refused.code.as_str(), "request_id_reused", "{what}");
            assert!(refused.message.contains(what), "{}", refused.message);
        }
        let repeated = runtime.start_run(first.clone()).await.expect("found");
        assert_eq!((repeated.run_id, repeated.started), (started.run_id, false));
        if is_open {
            runtime.terminate_run(&run_ref("r"), String::new()).await.expect("terminated");
        }
    }
    let history = history(&runtime, "r").await;
    assert_eq!(history.len(), 2, "nothing was recorded: {history:?}");
}

#[tokio::test]
async fn of_different_starts_with_one_request_id_at_once_only_one_is_taken() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    let starts = (0..100).map(|number| {
        let runtime = runtime.clone();
        let mut request = request("forever", "same", &(number % 2).to_string());
        request.request_id = Some(RequestId::new("request-1").expect("valid"));
        tokio::spawn(async move { runtime.start_run(request).await })
    });
    let (mut taken, mut started) = ([0, 0], 0);
    for (number, start) in starts.collect::<Vec<_>>().into_iter().enumerate() {
        match start.await.expect("no panic") {
            Ok(answer) => {
                taken[number % 2] += 1;
                started += u32::from(answer.started);
            }
            Err(error) => assert_eq!(error.code.as_str(), "request_id_reused"),
        }
    }
    assert_eq!(started, 1);
    assert!(taken == [50, 0] || taken == [0, 50], "{taken:?}");
}

#[tokio::test]
async fn what_can_not_be_an_environment_is_refused_by_its_name() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    for (name, value, shown) in
        [("", "x", r#""""#), ("A=B", "x", "A=B"), ("A\0B", "x", "A\\0B"), ("A", "x\0y", r#""A""#)]
    {
        let mut request = request("forever", "e", "");
        request.environment.insert(name.to_owned(), value.to_owned());
        let refused = runtime.start_run(request).await.expect_err("refused");
        assert_eq!(refused.code.as_str(), "invalid_argument");
        assert!(refused.message.contains(shown), "{}", refused.message);
    }
    let mut request = request("forever", "e", "");
    request.arguments = vec!["a".to_owned(), "b\0".to_owned()];
    let refused = runtime.start_run(request).await.expect_err("refused");
    assert!(refused.message.contains("argument 2"), "{}", refused.message);
}

#[tokio::test]
async fn terminate_existing_replaces_the_open_run_in_one_step() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let first = runtime.start_run(request("forever", "x", "")).await.expect("started");
    let mut replacing = request("sequential", "x", "1");
    replacing.conflict_policy = Some(IdConflictPolicy::TerminateExisting);
    let second = runtime.start_run(replacing).await.expect("started");
    assert!(second.started);
    assert_ne!(second.run_id, first.run_id);
    let mut old = run_ref("x");
    old.run_id = Some(first.run_id);
    let old = runtime.run_result(&old, PATIENCE).await.expect("there");
    assert_eq!(old.status, ExecutionStatus::Terminated);
    assert_eq!(result(&runtime, "x").await.status, ExecutionStatus::Completed);
}

#[tokio::test]
async fn many_starts_that_replace_one_another_at_once_all_have_their_turn() {
    // More than fit into a mailbox.
    const STARTS: usize = 400;
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("forever", "x", "")).await.expect("started");
    let starts = (0..STARTS).map(|_| {
        let runtime = runtime.clone();
        let mut replacing = request("forever", "x", "");
        replacing.conflict_policy = Some(IdConflictPolicy::TerminateExisting);
        tokio::spawn(async move { runtime.start_run(replacing).await })
    });
    for start in starts.collect::<Vec<_>>() {
        assert!(start.await.expect("no panic").expect("it replaces what was there").started);
    }
    let filter = dacapo_store::execution::ExecutionFilter::default();
    let runs = runtime.list_runs(&filter, None, 1_000).await.expect("listed");
    let count = |status| runs.executions.iter().filter(|run| run.status == status).count();
    assert_eq!(count(ExecutionStatus::Running), 1);
    assert_eq!(count(ExecutionStatus::Terminated), STARTS);
}

#[tokio::test]
async fn reuse_policies_look_at_how_the_latest_run_closed() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let with = |workflow_id: &str, policy| {
        let mut request = request("sequential", workflow_id, "1");
        request.reuse_policy = policy;
        request
    };
    runtime.start_run(request("sequential", "done", "1")).await.expect("started");
    result(&runtime, "done").await;
    runtime.start_run(request("forever", "failed", "")).await.expect("started");
    runtime.terminate_run(&run_ref("failed"), String::new()).await.expect("terminated");

    let cases = [
        ("done", IdReusePolicy::RejectDuplicate, false),
        ("done", IdReusePolicy::AllowDuplicateFailedOnly, false),
        ("failed", IdReusePolicy::RejectDuplicate, false),
        ("failed", IdReusePolicy::AllowDuplicateFailedOnly, true),
        ("done", IdReusePolicy::AllowDuplicate, true),
        ("fresh", IdReusePolicy::RejectDuplicate, true),
    ];
    for (workflow_id, policy, allowed) in cases {
        let started = runtime.start_run(with(workflow_id, policy)).await;
        assert_eq!(started.is_ok(), allowed, "{workflow_id} {policy:?}");
        if allowed {
            result(&runtime, workflow_id).await;
        }
    }
}

#[tokio::test]
async fn unknown_names_are_refused_with_their_own_codes() {
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let unknown_type = runtime.start_run(request("nothing", "n", "")).await;
    assert_eq!(unknown_type.expect_err("unknown").code.as_str(), "workflow_type_not_found");
    let elsewhere = "elsewhere".parse().expect("valid");
    let unknown_namespace = runtime.tenant_of(&elsewhere).map(drop);
    assert_eq!(unknown_namespace.expect_err("unknown").code.as_str(), "namespace_not_found");
    let unknown_run = runtime.describe_run(&run_ref("nobody")).await;
    assert_eq!(unknown_run.expect_err("unknown").code.as_str(), "run_not_found");
    let mut large = request("forever", "n", "");
    large.input = dacapo_model::payload::Payload::from(vec![b'x'; 3 * 1024 * 1024]);
    let too_large = runtime.start_run(large).await;
    assert_eq!(too_large.expect_err("too large").code.as_str(), "payload_too_large");
}

#[tokio::test]
async fn the_namespace_is_refused_before_the_node_says_that_it_stops() {
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.begin_shutdown();
    let elsewhere = runtime.tenant_of(&"elsewhere".parse().expect("valid")).map(drop);
    assert_eq!(elsewhere.expect_err("unknown").code.as_str(), "namespace_not_found");
    let here = runtime.tenant_of(&namespace()).expect("it is there");
    let stopping = here.start_run(request("nothing", "n", "")).await;
    assert_eq!(stopping.expect_err("it stops").code.as_str(), "unavailable");
}

#[tokio::test]
async fn a_start_is_answered_while_its_code_is_made_ready() {
    let (host, store) = (ScriptedHost::new(), memory());
    *host.cold.lock() = true;
    let runtime = start(Arc::clone(&store), &host).await;
    let started = runtime.start_run(request("sequential", "cold", "3")).await.expect("started");
    // The code is never ready, and the wait is over all the same.
    let wait = Duration::from_millis(10);
    let (repeated, result) = runtime
        .start_run_and_wait(request("sequential", "waits", "3"), wait)
        .await
        .expect("started");
    assert!(repeated.started && result.is_none_or(|result| result.closing.is_none()));

    // Another node finds a run whose code has never run.
    drop(runtime);
    let runtime = start(store, &host).await;
    host.gate.add_permits(10);
    let result = runtime.run_result(&run_ref("cold"), PATIENCE).await.expect("it is found");
    assert_eq!(result.run_id, started.run_id);
    assert!(result.closing.is_some(), "it has completed");
}

async fn open_runs(runtime: &Node) -> usize {
    let filter = ExecutionFilter::default();
    let page = runtime.list_runs(&filter, None, 1_000).await.expect("listed");
    page.executions.iter().filter(|run| run.status.is_open()).count()
}

#[tokio::test]
async fn children_leave_the_last_places_to_clients() {
    let config = ServiceConfig { open_runs_max: 8, ..ServiceConfig::default() };
    let runtime = start_with(memory(), &ScriptedHost::new(), config).await;
    let parent = runtime.start_run(request("family", "p", "forever - count=20")).await;
    parent.expect("started");
    let six = async {
        while open_runs(&runtime).await < 7 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, six).await.expect("there is room for six of them");
    runtime
        .start_run(request("forever", "client", ""))
        .await
        .expect("the last place is a client's");
    let refused = runtime.start_run(request("forever", "other", "")).await.expect_err("too many");
    assert_eq!(refused.code, ErrorCode::Overloaded);
    assert_eq!(open_runs(&runtime).await, 8);
}

#[tokio::test]
async fn no_run_starts_beyond_the_number_that_may_be_open_and_children_wait_for_room() {
    let config = ServiceConfig { open_runs_max: 2, ..ServiceConfig::default() };
    let runtime = start_with(memory(), &ScriptedHost::new(), config).await;
    let first = runtime.start_run(request("forever", "a", "")).await.expect("started");
    // It has the second place, and none is left for its child.
    let parent = runtime.start_run(request("family", "p", "sequential 1")).await;
    parent.expect("started");
    let refused = runtime.start_run(request("sequential", "s", "1")).await.expect_err("too many");
    assert_eq!(refused.code, ErrorCode::Overloaded);
    assert!(refused.message.contains("open_runs_max"), "{refused:?}");
    // What is there is found, however many there are.
    let again = StartRequest {
        conflict_policy: Some(IdConflictPolicy::UseExisting),
        ..request("forever", "a", "")
    };
    assert_eq!(runtime.start_run(again).await.expect("found").run_id, first.run_id);
    assert_eq!(
        runtime.describe_run(&run_ref("s")).await.expect_err("it never was").code,
        ErrorCode::RunNotFound
    );

    runtime.terminate_run(&run_ref("a"), "enough".to_owned()).await.expect("terminated");
    let ended = result(&runtime, "p").await;
    assert_eq!(ended.status, ExecutionStatus::Completed, "its child has started now");
    runtime.start_run(request("sequential", "s", "1")).await.expect("there is room again");
}
