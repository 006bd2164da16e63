//! A history with an event that is missing or can't be read, or that a newer engine
//! has made: the run is kept and can be ended; all others go on.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use dacapo_engine::decide::Reapply;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::execution::{ExecutionStatus, IdConflictPolicy};
use dacapo_model::ids::{EventId, NamespaceName, RunKey, WorkflowHash};
use dacapo_model::namespace::{NamespaceChange, NamespaceSettings};
use dacapo_model::query::Query;
use dacapo_model::time::Timestamp;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{
    ExecutionFilter, RejectIf, ReplayOutcome, ReplayRequest, ResetPoint, ResetRequest, VersionRef,
};
use dacapo_service::tenancy::Tenant;
use dacapo_store::Store;
use dacapo_store::deletion::DeletionStore as _;
use dacapo_store::faulty::{Call, Fault, FaultyStore, Operation};
use dacapo_store::history::HistoryStore as _;
use dacapo_store::memory::MemoryStore;
use support::guests::ScriptedHost;
use support::*;

/// How a history is damaged.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Damage {
    Missing(u64),
    Unreadable(u64),
    /// Its start says that a later engine made it.
    Newer,
}

const DAMAGES: [Damage; 7] = [
    Damage::Missing(3),
    Damage::Unreadable(3),
    Damage::Missing(1),
    Damage::Unreadable(1),
    // The last one.
    Damage::Unreadable(5),
    Damage::Unreadable(2),
    Damage::Newer,
];

impl Damage {
    /// Does it to a history, and gives back the event as it was.
    fn apply(self, store: &MemoryStore, key: RunKey, history: &[HistoryEvent]) -> HistoryEvent {
        match self {
            Self::Missing(id) => store.lose_event(key, EventId(id)).expect("it is there"),
            Self::Unreadable(id) => {
                store.spoil_event(key, EventId(id));
                history[id as usize - 1].clone()
            }
            Self::Newer => {
                let mut newer = history[0].clone();
                if let EventAttributes::WorkflowExecutionStarted(started) = &mut newer.attributes {
                    started.engine_version = u32::MAX;
                }
                store.repair_event(key, newer);
                history[0].clone()
            }
        }
    }

    fn code(self) -> ErrorCode {
        match self {
            Self::Missing(_) | Self::Unreadable(_) => ErrorCode::HistoryDamaged,
            Self::Newer => ErrorCode::EngineTooOld,
        }
    }

    fn event_id(self) -> u64 {
        match self {
            Self::Missing(id) | Self::Unreadable(id) => id,
            Self::Newer => 1,
        }
    }
}

/// A store with an open run `g` that has had 4 signals of 9, damaged, and another.
struct Damaged {
    store: Arc<MemoryStore>,
    host: Arc<ScriptedHost>,
    key: RunKey,
    whole: HistoryEvent,
}

impl Damaged {
    async fn by(damage: Damage) -> Self {
        let (host, store) = (ScriptedHost::new(), Arc::new(MemoryStore::new()));
        let first = start(store.clone(), &host).await;
        for (workflow_id, count) in [("g", "9"), ("ok", "1")] {
            first.start_run(request("collect", workflow_id, count)).await.expect("started");
        }
        for word in ["a", "b", "c", "d"] {
            first.signal_run(&run_ref("g"), signal(word)).await.expect("recorded");
        }
        let key = first.describe_run(&run_ref("g")).await.expect("there").execution.key;
        let recorded = history(&first, "g").await;
        assert_eq!(recorded.len(), 5, "{recorded:?}");
        first.halt().await;
        let whole = damage.apply(&store, key, &recorded);
        Self { store, host, key, whole }
    }

    async fn start(&self) -> Node {
        self.start_on(self.store.clone()).await
    }

    async fn start_on(&self, store: Arc<dyn Store>) -> Node {
        let runtime = start(store, &self.host).await;
        // Told once the run was read.
        until_status(&runtime, "g", ExecutionStatus::Blocked).await;
        runtime
    }
}

/// A store whose next commit meets a fault once the switch is on.
fn failing_once(inner: Arc<dyn Store>, fault: &Fault) -> (Arc<dyn Store>, Arc<AtomicBool>) {
    let (on, fault) = (Arc::new(AtomicBool::new(false)), fault.clone());
    let asked = on.clone();
    let store = scripted(inner, &Calls::default(), move |call: Call| {
        let hit = call.operation == Operation::Commit && asked.swap(false, Ordering::SeqCst);
        if hit { fault.clone() } else { Fault::None }
    });
    (store, on)
}

fn reset_to(point: ResetPoint) -> ResetRequest {
    ResetRequest {
        point,
        reapply: Reapply::All,
        module: None,
        reason: "damaged".to_owned(),
        request_id: None,
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(damage: Damage, what: &str, answer: Result<T, ServiceError>) {
    let error = answer.expect_err(what);
    assert_eq!(error.code, damage.code(), "{damage:?}: {what}: {error}");
    assert!(!error.code.is_retryable());
    assert_eq!(error.details["event_id"], damage.event_id().to_string(), "{damage:?}: {what}");
}

#[tokio::test]
async fn a_damaged_run_is_listed_with_the_reason_and_the_others_go_on() {
    for damage in DAMAGES {
        let damaged = Damaged::by(damage).await;
        let runtime = damaged.start().await;
        runtime.signal_run(&run_ref("ok"), signal("x")).await.expect("recorded");
        result(&runtime, "ok").await;

        let description = runtime.describe_run(&run_ref("g")).await.expect("described");
        let report = description.execution.blocked.expect("it says why");
        assert_eq!(report.code, damage.code().as_str(), "{damage:?}");
        if damage != Damage::Newer {
            let event = format!("event {}", damage.event_id());
            assert!(report.message.contains(&event), "{damage:?}: {report:?}");
        }
        assert_eq!(description.history_length, 5, "{damage:?}");
        let blocked = ExecutionFilter {
            statuses: vec![ExecutionStatus::Blocked],
            ..ExecutionFilter::default()
        };
        let page = runtime.list_runs(&blocked, None, 10).await.expect("listed");
        assert_eq!(page.executions.len(), 1, "{damage:?}");
        assert_eq!(page.executions[0].key, damaged.key);
        // Who waits for it need not wait.
        let result = runtime.run_result(&run_ref("g"), PATIENCE).await.expect("there is a run");
        assert_eq!(result.status, ExecutionStatus::Blocked);
    }
}

#[tokio::test]
async fn what_would_need_the_history_is_refused_and_records_nothing() {
    for damage in DAMAGES {
        let damaged = Damaged::by(damage).await;
        let runtime = damaged.start().await;
        let run = run_ref("g");
        refused(damage, "signal", runtime.signal_run(&run, signal("e")).await);
        refused(damage, "cancel", runtime.request_cancel(&run, String::new(), None).await);
        refused(damage, "retry", runtime.retry_run(&run).await);
        refused(damage, "waiting", runtime.describe_waiting(&run).await);
        let query = Query {
            name: "anything".parse().expect("valid"),
            input: dacapo_model::payload::Payload::default(),
        };
        let unserved = runtime.query_run(&run, query, RejectIf::None).await.expect_err("blocked");
        assert_eq!(unserved.code, ErrorCode::QueryNotServed);
        let description = runtime.describe_run(&run).await.expect("described");
        assert_eq!(description.history_length, 5, "{damage:?}: nothing was recorded");
    }
}

#[tokio::test]
async fn what_can_be_read_is_shown_with_what_can_not() {
    for damage in DAMAGES {
        let damaged = Damaged::by(damage).await;
        let runtime = damaged.start().await;
        let page = runtime.run_history(&run_ref("g"), EventId::FIRST, 100).await.expect("shown");
        let shown: Vec<u64> = page.events.iter().map(|event| event.id.0).collect();
        let lost: Vec<u64> = page.damaged.iter().map(|damaged| damaged.event_id.0).collect();
        let expected: Vec<u64> = match damage {
            Damage::Newer => Vec::new(),
            Damage::Missing(id) | Damage::Unreadable(id) => vec![id],
        };
        assert_eq!(lost, expected, "{damage:?}");
        let rest: Vec<u64> = (1..=5).filter(|id| !expected.contains(id)).collect();
        assert_eq!(shown, rest, "{damage:?}");
        assert_eq!(page.next, None);
        // Page by page, it is the same.
        let (mut from, mut paged) = (Some(EventId::FIRST), Vec::new());
        while let Some(next) = from {
            let page = runtime.run_history(&run_ref("g"), next, 2).await.expect("shown");
            paged.extend(page.events.iter().map(|event| event.id.0));
            from = page.next;
        }
        assert_eq!(paged, rest, "{damage:?}");
    }
}

#[tokio::test]
async fn a_damaged_run_can_be_terminated_and_its_workflow_id_is_free() {
    for damage in DAMAGES {
        let damaged = Damaged::by(damage).await;
        let runtime = damaged.start().await;
        runtime.terminate_run(&run_ref("g"), "damaged".to_owned()).await.expect("terminated");
        let closed = runtime.run_result(&run_ref("g"), PATIENCE).await.expect("there is a run");
        assert_eq!(closed.status, ExecutionStatus::Terminated, "{damage:?}");
        let last = damaged.store.last_event(damaged.key).await.expect("readable").expect("there");
        assert_eq!(last.id, EventId(6), "{damage:?}: after all that is stored");
        let description = runtime.describe_run(&run_ref("g")).await.expect("described");
        assert_eq!(description.execution.blocked, None);
        runtime.start_run(request("sequential", "g", "1")).await.expect("the id is free");
        assert_eq!(result(&runtime, "g").await.status, ExecutionStatus::Completed);
        // Nor is the next server bothered.
        runtime.halt().await;
        let next = start(damaged.store.clone(), &damaged.host).await;
        next.describe_run(&run_ref("g")).await.expect("described");
    }
}

#[tokio::test]
async fn a_damaged_run_can_be_replaced_by_a_start() {
    for damage in DAMAGES {
        let damaged = Damaged::by(damage).await;
        let runtime = damaged.start().await;
        let mut replacing = request("sequential", "g", "1");
        replacing.conflict_policy = Some(IdConflictPolicy::TerminateExisting);
        assert!(runtime.start_run(replacing).await.expect("replaced").started, "{damage:?}");
        assert_eq!(result(&runtime, "g").await.status, ExecutionStatus::Completed);
    }
}

#[tokio::test]
async fn the_end_of_a_damaged_run_is_seen_whatever_becomes_of_its_commit() {
    for damage in DAMAGES {
        for fault in commit_faults() {
            let damaged = Damaged::by(damage).await;
            let (store, fails) = failing_once(damaged.store.clone(), &fault);
            let runtime = damaged.start_on(store).await;
            fails.store(true, Ordering::SeqCst);
            let terminated = runtime.terminate_run(&run_ref("g"), "damaged".to_owned()).await;
            terminated.unwrap_or_else(|error| panic!("{damage:?} {fault:?}: {error:?}"));
            let closed = runtime.run_result(&run_ref("g"), PATIENCE).await.expect("there is a run");
            assert_eq!(closed.status, ExecutionStatus::Terminated, "{damage:?} {fault:?}");
            runtime.start_run(request("sequential", "g", "1")).await.expect("the id is free");
            assert_eq!(result(&runtime, "g").await.status, ExecutionStatus::Completed);

            let damaged = Damaged::by(damage).await;
            let (store, fails) = failing_once(damaged.store.clone(), &fault);
            let runtime = damaged.start_on(store).await;
            fails.store(true, Ordering::SeqCst);
            let mut replacing = request("sequential", "g", "1");
            replacing.conflict_policy = Some(IdConflictPolicy::TerminateExisting);
            let replaced = runtime.start_run(replacing).await;
            let replaced =
                replaced.unwrap_or_else(|error| panic!("{damage:?} {fault:?}: {error:?}"));
            assert!(replaced.started, "{damage:?} {fault:?}");
            let result = result(&runtime, "g").await;
            assert_eq!(
                (result.run_id, result.status),
                (replaced.run_id, ExecutionStatus::Completed)
            );
        }
    }
}

/// Its last event can't be read either, so nobody can say how it ended.
#[tokio::test]
async fn a_damaged_run_whose_end_is_damaged_too_frees_its_workflow_id() {
    let damaged = Damaged::by(Damage::Missing(3)).await;
    let (fails, inner, key) =
        (Arc::new(AtomicBool::new(false)), damaged.store.clone(), damaged.key);
    let (asked, spoiled) = (fails.clone(), fails.clone());
    let store = FaultyStore::new(inner.clone(), move |call: Call| {
        let hit = call.operation == Operation::Commit && asked.load(Ordering::SeqCst);
        if hit { Fault::DoneButUnavailable } else { Fault::None }
    });
    let store = store.after_commit(move |_| {
        if spoiled.swap(false, Ordering::SeqCst) {
            inner.spoil_event(key, EventId(6));
        }
    });
    let runtime = damaged.start_on(Arc::new(store)).await;
    fails.store(true, Ordering::SeqCst);
    let terminated = runtime.terminate_run(&run_ref("g"), "damaged".to_owned()).await;
    terminated.expect_err("nobody knows");
    assert!(!fails.load(Ordering::SeqCst), "it was done");
    runtime.start_run(request("sequential", "g", "1")).await.expect("the id is free");
    assert_eq!(result(&runtime, "g").await.status, ExecutionStatus::Completed);
}

#[tokio::test]
async fn a_reset_of_a_damaged_run_is_made_once_whatever_becomes_of_its_commit() {
    for fault in commit_faults() {
        let damaged = Damaged::by(Damage::Missing(4)).await;
        let (store, fails) = failing_once(damaged.store.clone(), &fault);
        let runtime = damaged.start_on(store).await;
        fails.store(true, Ordering::SeqCst);
        let point = ResetPoint::Event(EventId(3));
        let reset = runtime.reset_run(&run_ref("g"), reset_to(point)).await;
        reset.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        for word in ["x", "y", "z"] {
            runtime.signal_run(&run_ref("g"), signal(word)).await.expect("recorded");
        }
        let recorded = signals_of(&history(&runtime, "g").await);
        assert_eq!(recorded, ["a", "b", "x", "y", "z"], "{fault:?}");
        let all = ExecutionFilter::default();
        let runs = runtime.list_runs(&all, None, 10).await.expect("listed");
        assert_eq!(runs.executions.len(), 3, "{fault:?}: with the other run");
    }
}

/// The signals after the damage do not happen to the new run.
#[tokio::test]
async fn a_damaged_run_is_reset_to_before_the_damage() {
    for damage in [Damage::Missing(4), Damage::Unreadable(4)] {
        for open in [true, false] {
            let damaged = Damaged::by(damage).await;
            let runtime = damaged.start().await;
            if !open {
                runtime.terminate_run(&run_ref("g"), String::new()).await.expect("terminated");
            }
            let beyond = ResetPoint::Event(EventId(5));
            let refused = runtime.reset_run(&run_ref("g"), reset_to(beyond)).await;
            assert_eq!(refused.expect_err("damaged").code, ErrorCode::ResetPointInvalid);
            let point = ResetPoint::Event(EventId(3));
            runtime.reset_run(&run_ref("g"), reset_to(point)).await.expect("reset");
            for word in ["x", "y", "z"] {
                runtime.signal_run(&run_ref("g"), signal(word)).await.expect("recorded");
            }
            let recorded = signals_of(&history(&runtime, "g").await);
            assert_eq!(recorded, ["a", "b", "x", "y", "z"], "{damage:?} {open}");
        }
    }
}

#[tokio::test]
async fn a_history_of_a_newer_engine_is_not_reset_by_an_older_one() {
    let damaged = Damaged::by(Damage::Newer).await;
    let runtime = damaged.start().await;
    let reset = runtime.reset_run(&run_ref("g"), reset_to(ResetPoint::First)).await;
    refused(Damage::Newer, "reset", reset);
}

#[tokio::test]
async fn a_run_whose_history_is_repaired_goes_on_by_a_retry_or_at_the_next_start() {
    for damage in DAMAGES {
        for by_retry in [true, false] {
            let damaged = Damaged::by(damage).await;
            let runtime = damaged.start().await;
            damaged.store.repair_event(damaged.key, damaged.whole.clone());
            let runtime = if by_retry {
                runtime.retry_run(&run_ref("g")).await.expect("repaired");
                runtime
            } else {
                runtime.halt().await;
                start(damaged.store.clone(), &damaged.host).await
            };
            until_status(&runtime, "g", ExecutionStatus::Running).await;
            for word in ["e", "f", "g", "h", "i"] {
                runtime.signal_run(&run_ref("g"), signal(word)).await.expect("recorded");
            }
            assert_eq!(result(&runtime, "g").await.status, ExecutionStatus::Completed);
            let recorded = signals_of(&history(&runtime, "g").await);
            assert_eq!(recorded.concat(), "abcdefghi", "{damage:?}");
        }
    }
}

/// It was blocked before it was damaged.
#[tokio::test]
async fn a_retry_of_a_run_that_was_repaired_and_is_blocked_is_a_retry() {
    let (host, store) = (ScriptedHost::new(), Arc::new(MemoryStore::new()));
    let first = start(store.clone(), &host).await;
    first.start_run(request("faulty", "b", "")).await.expect("started");
    until_status(&first, "b", ExecutionStatus::Blocked).await;
    let key = first.describe_run(&run_ref("b")).await.expect("there").execution.key;
    let whole = history(&first, "b").await;
    first.halt().await;
    store.spoil_event(key, EventId(1));
    let runtime = start(store.clone(), &host).await;
    let refused = runtime.retry_run(&run_ref("b")).await.expect_err("it is damaged");
    assert_eq!(refused.code, ErrorCode::HistoryDamaged);
    store.repair_event(key, whole[0].clone());
    *host.faulty.lock() = false;
    runtime.retry_run(&run_ref("b")).await.expect("it is blocked");
    until_status(&runtime, "b", ExecutionStatus::Running).await;
}

/// It is seen when the run is read, and not before.
#[tokio::test]
async fn a_history_that_is_damaged_while_its_run_sleeps_blocks_it_when_it_wakes() {
    let (host, store) = (ScriptedHost::new(), Arc::new(MemoryStore::new()));
    let config = dacapo_service::config::ServiceConfig {
        idle_timeout: std::time::Duration::ZERO,
        ..Default::default()
    };
    let runtime = start_with(store.clone(), &host, config).await;
    runtime.start_run(request("collect", "g", "1000")).await.expect("started");
    for word in ["a", "b", "c", "d"] {
        runtime.signal_run(&run_ref("g"), signal(word)).await.expect("recorded");
    }
    let key = runtime.describe_run(&run_ref("g")).await.expect("there").execution.key;
    // The run falls asleep in the same step in which it gives its instance up.
    let asleep = async {
        while host.live.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asleep).await.expect("it falls asleep");
    store.spoil_event(key, EventId(3));
    let refused = runtime.signal_run(&run_ref("g"), signal("e")).await;
    assert_eq!(refused.expect_err("it is read again").code, ErrorCode::HistoryDamaged);
    until_status(&runtime, "g", ExecutionStatus::Blocked).await;
}

#[tokio::test]
async fn a_replay_says_what_is_wrong_and_goes_on_with_the_others() {
    for damage in DAMAGES {
        let damaged = Damaged::by(damage).await;
        let runtime = damaged.start().await;
        let request = ReplayRequest {
            module: VersionRef::Numbered("scripted".parse().expect("valid"), None),
            workflow_type: None,
            workflow_id: None,
            run_id: None,
            after: None,
            limit: 10,
        };
        let page = runtime.replay_runs(&request).await.expect("replayed");
        assert_eq!(page.runs.len(), 2, "{damage:?}");
        for run in page.runs {
            match run.outcome {
                ReplayOutcome::Fails(report) if run.execution.key == damaged.key => {
                    assert_eq!(report.code, damage.code().as_str());
                }
                ReplayOutcome::Fits { .. } if run.execution.key != damaged.key => {}
                other => panic!("{damage:?}: {other:?}"),
            }
        }
    }
}

/// Its summary can't be read, so nobody knows what it is: all others go on, also those
/// that have to do with it.
#[tokio::test]
async fn an_open_run_of_which_nothing_can_be_read_is_left_as_it_is() {
    let (host, store) = (ScriptedHost::new(), Arc::new(MemoryStore::new()));
    let first = start(store.clone(), &host).await;
    // The one is a parent, the other a child.
    first.start_run(request("family", "parent", "forever - id=child")).await.expect("started");
    first.start_run(request("family", "other", "forever - id=lost")).await.expect("started");
    for parent in ["parent", "other"] {
        until_event(&first, parent, "ChildWorkflowExecutionStarted").await;
    }
    for number in 0..20 {
        let started = request("collect", &format!("c-{number}"), "1");
        first.start_run(started).await.expect("started");
    }
    let mut keys = Vec::new();
    for workflow_id in ["parent", "lost"] {
        let described = first.describe_run(&run_ref(workflow_id)).await.expect("there");
        keys.push(described.execution.key);
    }
    first.halt().await;
    keys.iter().for_each(|key| store.spoil_execution(*key, true));
    let second = start(store.clone(), &host).await;
    for number in 0..20 {
        let run = run_ref(&format!("c-{number}"));
        second.signal_run(&run, signal("a")).await.expect("it goes on");
    }
    tokio::time::timeout(PATIENCE, second.in_hand_at_most(0)).await.expect("it comes to rest");
    for (workflow_id, expected) in [("child", true), ("other", true), ("parent", false)] {
        let described = second.describe_run(&run_ref(workflow_id)).await;
        let is_open = described.map(|it| it.execution.status == ExecutionStatus::Running);
        assert_eq!(is_open.is_ok_and(|is_open| is_open), expected, "{workflow_id}");
    }
    second.halt().await;
    keys.iter().for_each(|key| store.spoil_execution(*key, false));
    let third = start(store, &host).await;
    for workflow_id in ["parent", "lost", "child", "other"] {
        let described = third.describe_run(&run_ref(workflow_id)).await.expect("readable");
        assert_eq!(described.execution.status, ExecutionStatus::Running, "{workflow_id}");
    }
}

/// It was left alone when the node started, so nobody runs it.
#[tokio::test]
async fn an_open_run_that_became_readable_goes_on_when_somebody_asks_for_it() {
    let (host, store) = (ScriptedHost::new(), Arc::new(MemoryStore::new()));
    let first = start(store.clone(), &host).await;
    first.start_run(request("collect", "w", "1")).await.expect("started");
    let key = first.describe_run(&run_ref("w")).await.expect("there").execution.key;
    first.halt().await;
    store.spoil_execution(key, true);
    let second = start(store.clone(), &host).await;
    second.describe_run(&run_ref("w")).await.expect_err("its row can't be read");
    store.spoil_execution(key, false);
    second.signal_run(&run_ref("w"), signal("a")).await.expect("it hears it");
    let result = second.run_result(&run_ref("w"), PATIENCE).await.expect("it has closed");
    assert_eq!((result.run_id, result.status), (key.run_id, ExecutionStatus::Completed));
}

async fn terminated(tenant: &Tenant, workflow_id: &str) -> RunKey {
    tenant.terminate_run(&run_ref(workflow_id), String::new()).await.expect("it is open");
    ended(tenant, workflow_id).await
}

/// Waits until a run has closed, and gives its key.
async fn ended(tenant: &Tenant, workflow_id: &str) -> RunKey {
    let run = run_ref(workflow_id);
    let ended = tenant.run_result(&run, PATIENCE).await.expect("there is a run");
    let hash = WorkflowHash::of(tenant.namespace(), &run.workflow_id);
    RunKey { hash, run_id: ended.run_id }
}

#[tokio::test]
async fn closed_runs_that_can_not_be_read_keep_no_others_from_being_deleted() {
    let (host, store) = (ScriptedHost::new(), Arc::new(MemoryStore::new()));
    let node = start(store.clone(), &host).await;
    for workflow_id in ["spoilt", "whole"] {
        node.start_run(request("forever", workflow_id, "")).await.expect("starts");
    }
    let family = request("family", "parent", "forever - id=child policy=abandon");
    node.start_run(family).await.expect("starts");
    until_event(&node, "parent", "ChildWorkflowExecutionStarted").await;
    let spoilt = terminated(&node, "spoilt").await;
    terminated(&node, "child").await;
    let parent = ended(&node, "parent").await;
    terminated(&node, "whole").await;
    store.spoil_event(spoilt, EventId::FIRST);
    // Nobody knows whether it is open, and would ask for its child.
    store.spoil_execution(parent, true);

    let change = NamespaceChange { retention_seconds: Some(Some(1)), ..NamespaceChange::default() };
    node.runtime().change_namespace(&namespace(), &change).await.expect("changes it");
    let left = async || {
        let ever = Timestamp::from_micros(i64::MAX);
        let closed = store.closed_runs(&namespace(), ever, None, 100).await.expect("reads");
        closed.into_iter().map(|run| run.key).collect::<Vec<_>>()
    };
    until(async || left().await == [spoilt]).await;
}

#[tokio::test]
async fn a_namespace_is_deleted_with_the_runs_that_can_not_be_read() {
    let (host, store) = (ScriptedHost::new(), Arc::new(MemoryStore::new()));
    let node = start(store.clone(), &host).await;
    let name = NamespaceName::new("shop").expect("valid");
    let settings = NamespaceSettings::default();
    node.runtime().create_namespace(name.clone(), settings).await.expect("makes it");
    let tenant = node.tenant_of(&name).expect("it is there");
    let module = "scripted".parse().expect("valid");
    tenant.upload_module(&module, Bytes::from_static(b"scripted")).await.expect("accepted");
    tenant.start_run(request("forever", "spoilt", "")).await.expect("starts");
    let spoilt = terminated(&tenant, "spoilt").await;
    store.spoil_event(spoilt, EventId::FIRST);
    node.runtime().delete_namespace(&name, "shop").await.expect("deletes it");
    until(async || {
        let there = node.runtime().describe_namespace(&name).await;
        there.is_err_and(|error| error.code == ErrorCode::NamespaceNotFound)
    })
    .await;
}
