//! Finding runs, and what their summaries keep.

use std::sync::Arc;

use dacapo_model::attributes::RunAttributes;
use dacapo_model::event::{HistorySize, RootExecution};
use dacapo_model::execution::{Blocked, Execution, ExecutionStatus, Nondeterminism, ParentRun};
use dacapo_model::ids::WorkflowHash;
use dacapo_model::module::ModuleDigest;
use dacapo_model::tag::Tags;

use super::fixtures::*;
use super::samples;
use crate::Store;
use crate::commit::{ExecutionChange, ExecutionUpdate, RunTransition};
use crate::deletion::RunDeletion;
use crate::shard::HashRange;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("execution.rs");

/// Only under its own workflow id and namespace.
pub async fn a_run_is_found_by_its_id(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let other = execution("order-2", 2);
    owned.start(&[&run, &other]).await;
    let find = async |namespace_name, workflow, number| {
        owned
            .store
            .find_execution(
                &namespace(namespace_name),
                &workflow_id(workflow),
                Some(run_id(number)),
            )
            .await
            .expect("finds")
    };
    assert_eq!(find("default", "order-1", 1).await, Some(run));
    assert_eq!(find("default", "order-2", 1).await, None);
    assert_eq!(find("other", "order-1", 1).await, None);
    assert_eq!(find("default", "order-1", 3).await, None);
}

/// Clocks may go back between two starts; the open run is the one meant.
pub async fn the_open_run_is_found_before_the_latest(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let later = Execution { started_at: at(100), ..execution("order-1", 1) };
    let open = Execution { started_at: at(50), ..execution("order-1", 2) };
    owned.commit([start(&later), close(&later, 2), start(&open)]).await.expect("commits");
    let id = workflow_id("order-1");
    let found = owned.store.find_execution(&default_namespace(), &id, None).await;
    assert_eq!(found.expect("finds"), Some(open));
}

/// That is the one whose start was committed last, whatever the clock said; and none at
/// all for an id that never ran.
pub async fn the_latest_run_is_found_if_none_is_open(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let find = async || {
        let id = workflow_id("order-1");
        owned.store.find_execution(&default_namespace(), &id, None).await.expect("finds")
    };
    assert_eq!(find().await, None);
    for (number, started_at) in [(1, at(10)), (2, at(30)), (3, at(20))] {
        let run = Execution { started_at, ..execution("order-1", number) };
        owned.commit([start(&run), close(&run, 2)]).await.expect("commits");
    }
    assert_eq!(find().await.map(|run| run.key.run_id), Some(run_id(3)));
    // Two of one instant, in one commit.
    let (one, other) = (execution("order-1", 9), execution("order-1", 8));
    owned
        .commit([start(&one), close(&one, 2), start(&other), close(&other, 2)])
        .await
        .expect("commits");
    assert_eq!(find().await.map(|run| run.key.run_id), Some(run_id(8)));
}

/// The answer to a repeated start.
pub async fn a_run_is_found_by_its_request(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let requested = |number, request: &str| Execution {
        request_id: Some(request_id(request)),
        ..execution("order-1", number)
    };
    let first = requested(1, "request-1");
    let second = requested(2, "request 'two'");
    owned.commit([start(&first), close(&first, 2), start(&second)]).await.expect("commits");
    let find = async |workflow, request| {
        owned
            .store
            .find_execution_by_request(
                &default_namespace(),
                &workflow_id(workflow),
                &request_id(request),
            )
            .await
            .expect("finds")
    };
    assert_eq!(find("order-1", "request-1").await, Some(closed(&first)));
    assert_eq!(find("order-1", "request 'two'").await, Some(second));
    assert_eq!(find("order-1", "request-3").await, None);
    assert_eq!(find("order-2", "request-1").await, None);
}

fn report() -> Blocked {
    Blocked {
        code: "nondeterminism".to_owned(),
        message: "the guest said \"\0\" and 'ö'".to_owned(),
        backtrace: Some("0: inner\n1: outer".to_owned()),
        nondeterminism: Some(Box::new(Nondeterminism {
            event_id: 5,
            recorded: "ActivityTaskScheduled charge".to_owned(),
            attempted: "TimerStarted".to_owned(),
            pinned_module: Some(ModuleDigest([1; 32])),
            replayed_module: Some(ModuleDigest([2; 32])),
        })),
    }
}

/// With every optional part, on insert and on update.
pub async fn a_blocked_report_comes_back(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let inserted = Execution {
        status: ExecutionStatus::Blocked,
        blocked: Some(report()),
        ..execution("order-1", 1)
    };
    owned.start(&[&inserted]).await;
    assert_eq!(owned.stored(&inserted).await, Some(inserted));
    let updated = execution("order-2", 2);
    owned.start(&[&updated]).await;
    let block = ExecutionUpdate {
        status: ExecutionStatus::Blocked,
        blocked: Some(report()),
        closed_at: None,
        module_digest: None,
        attributes: None,
        tags: None,
        history_size: None,
    };
    let block = ExecutionChange::Update(Box::new(block));
    owned
        .commit([RunTransition { execution: block, ..transition(updated.key) }])
        .await
        .expect("blocks");
    assert_eq!(owned.stored(&updated).await.and_then(|run| run.blocked), Some(report()));
}

/// And stays there, whatever else is updated.
pub async fn a_run_is_moved_to_other_code(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let (run, bystander) = (execution("order-1", 1), execution("order-2", 2));
    owned.start(&[&run, &bystander]).await;
    let digest = ModuleDigest([9; 32]);
    assert_ne!(run.module_digest, digest);
    let update = |module_digest, blocked: Option<Blocked>| {
        let status = match blocked {
            Some(_) => ExecutionStatus::Blocked,
            None => ExecutionStatus::Running,
        };
        let update = ExecutionUpdate {
            status,
            blocked,
            closed_at: None,
            module_digest,
            attributes: None,
            tags: None,
            history_size: None,
        };
        RunTransition {
            execution: ExecutionChange::Update(Box::new(update)),
            ..transition(run.key)
        }
    };
    owned.commit([update(Some(digest), None)]).await.expect("moves");
    let moved = Execution { module_digest: digest, ..run.clone() };
    assert_eq!(owned.stored(&run).await, Some(moved.clone()));
    owned.commit([update(None, Some(report()))]).await.expect("blocks");
    owned.commit([update(None, None)]).await.expect("goes on");
    assert_eq!(owned.stored(&run).await, Some(moved));
    assert_eq!(owned.stored(&bystander).await, Some(bystander));

    // Both in one commit: the later one says nothing about the code.
    let digest = ModuleDigest([8; 32]);
    owned
        .commit([update(Some(digest), None), update(None, Some(report()))])
        .await
        .expect("moves and blocks");
    let stored = owned.stored(&run).await.expect("it is there");
    assert_eq!((stored.module_digest, stored.status), (digest, ExecutionStatus::Blocked));
}

/// Through every status there is.
pub async fn a_summary_follows_its_updates(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    for (number, status) in (1..).zip(ExecutionStatus::ALL) {
        let run = execution(&format!("order-{number}"), number);
        owned.start(&[&run]).await;
        let update = ExecutionUpdate {
            status,
            blocked: (status == ExecutionStatus::Blocked).then(report),
            closed_at: (!status.is_open()).then_some(at(7)),
            module_digest: None,
            attributes: None,
            tags: None,
            history_size: None,
        };
        let expected = Execution {
            status,
            blocked: update.blocked.clone(),
            closed_at: update.closed_at,
            ..run.clone()
        };
        let change = ExecutionChange::Update(Box::new(update));
        owned
            .commit([RunTransition { execution: change, ..transition(run.key) }])
            .await
            .expect("updates");
        assert_eq!(owned.stored(&run).await, Some(expected));
    }
}

/// Of a run that is inserted open and closes later, of one that does both in one commit,
/// and of one that is inserted closed.
pub async fn what_a_run_is_found_by_comes_back(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let child = |workflow: &str, number| Execution {
        delayed_until: Some(at(5)),
        parent: Some(ParentRun {
            workflow_id: workflow_id("parent 'ö'"),
            run_id: run_id(100),
            root: RootExecution { workflow_id: workflow_id("root"), run_id: run_id(200) },
        }),
        task_queue: Some(queue("emails")),
        ..execution(workflow, number)
    };
    let size = HistorySize { events: 17, bytes: 4_000_000_000 };
    let close = |run: &Execution| {
        let update = ExecutionUpdate {
            status: ExecutionStatus::Completed,
            blocked: None,
            closed_at: Some(at(7)),
            module_digest: None,
            attributes: None,
            tags: None,
            history_size: Some(size),
        };
        RunTransition {
            execution: ExecutionChange::Update(Box::new(update)),
            ..transition(run.key)
        }
    };
    let closed = |run: &Execution| Execution {
        status: ExecutionStatus::Completed,
        closed_at: Some(at(7)),
        history_size: Some(size),
        ..run.clone()
    };
    let plain = execution("order-1", 1);
    let (later, at_once) = (child("order-2", 2), child("order-3", 3));
    let inserted_closed = closed(&child("order-4", 4));
    owned.start(&[&plain, &later, &inserted_closed]).await;
    assert_eq!(owned.stored(&later).await, Some(later.clone()));
    assert_eq!(owned.stored(&inserted_closed).await, Some(inserted_closed));
    owned.commit([close(&later)]).await.expect("closes");
    owned.commit([start(&at_once), close(&at_once)]).await.expect("starts and closes");
    for run in [&later, &at_once] {
        assert_eq!(owned.stored(run).await, Some(closed(run)));
    }
    assert_eq!(owned.stored(&plain).await, Some(plain));
}

/// From the insert, through updates that say nothing or something else, also in
/// one commit.
pub async fn what_is_said_about_a_run_stays_until_it_changes(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = Execution { attributes: samples::attributes(), ..execution("order-1", 1) };
    owned.start(&[&run]).await;
    assert_eq!(owned.stored(&run).await, Some(run.clone()));

    let mut other = samples::attributes();
    other.memo.clear();
    let update = |status, attributes: Option<RunAttributes>| RunTransition {
        execution: ExecutionChange::Update(Box::new(ExecutionUpdate {
            status,
            blocked: (status == ExecutionStatus::Blocked).then(report),
            closed_at: None,
            module_digest: None,
            tags: attributes.as_ref().map(|attributes| attributes.tags.clone()),
            attributes,
            history_size: None,
        })),
        ..transition(run.key)
    };
    let (running, blocked) = (ExecutionStatus::Running, ExecutionStatus::Blocked);
    let said = async || owned.stored(&run).await.map(|run| run.attributes);
    owned.commit([update(blocked, None)]).await.expect("updates");
    assert_eq!(said().await, Some(run.attributes.clone()));
    let both = [update(running, Some(other.clone())), update(blocked, None)];
    owned.commit(both).await.expect("updates");
    assert_eq!(said().await, Some(other));
    owned.commit([update(running, Some(RunAttributes::default()))]).await.expect("updates");
    assert_eq!(said().await, Some(RunAttributes::default()));
    let new = execution("order-2", 2);
    let says = RunTransition { key: new.key, ..update(running, Some(samples::attributes())) };
    owned.commit([start(&new), says]).await.expect("inserts");
    let stored = owned.stored(&new).await.map(|run| run.attributes);
    assert_eq!(stored, Some(samples::attributes()));
}

/// Nothing in an id is taken for SQL, a pattern or an escape.
pub async fn ids_may_hold_any_text(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let long = "x".repeat(255);
    let texts = [
        "'; DROP TABLE x; --",
        "100%_\\",
        "\"q\" {a,b} NULL",
        "注文/17 🧾",
        &long,
        "é",
        "e\u{301}",
    ];
    let runs: Vec<_> = (1..).zip(texts).map(|(n, text)| execution(text, n)).collect();
    owned.start(&runs.iter().collect::<Vec<_>>()).await;
    for (run, text) in runs.iter().zip(texts) {
        let id = workflow_id(text);
        let found = owned.store.find_execution(&default_namespace(), &id, None).await;
        assert_eq!(found.expect("finds").as_ref(), Some(run));
    }
}

/// The open and the closed; unknown ones are left out.
pub async fn several_runs_are_found_at_once(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let runs: Vec<_> = (1..=5).map(|n| execution(&format!("order-{n}"), n)).collect();
    owned.start(&runs.iter().collect::<Vec<_>>()).await;
    owned.commit([close(&runs[4], 2)]).await.expect("closes");
    let unknown = execution("order-1", 9);
    let keys = [runs[4].key, unknown.key, runs[1].key];
    let mut found = owned.store.find_runs(&keys).await.expect("finds");
    found.sort_by(|a, b| a.workflow_id.cmp(&b.workflow_id));
    assert_eq!(found, [runs[1].clone(), closed(&runs[4])]);
    assert_eq!(owned.store.find_runs(&[]).await.expect("finds"), []);
}

/// What a node reads to recover: all namespaces, in key order, only open runs.
pub async fn open_runs_are_read_in_pages(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let runs: Vec<_> = (1..=25)
        .map(|n| execution_in(["default", "other"][n % 2], &format!("order-{n}"), n as u128))
        .collect();
    owned.start(&runs.iter().collect::<Vec<_>>()).await;
    let done: Vec<_> = runs.iter().step_by(5).collect();
    owned.commit(done.iter().map(|run| close(run, 2))).await.expect("closes");
    let mut expected: Vec<_> = runs.iter().filter(|run| !done.contains(run)).cloned().collect();
    expected.sort_by_key(|run| run.key);
    let mut found = Vec::new();
    loop {
        let after = found.last().map(|run: &Execution| run.key);
        let page = owned.store.open_executions(HashRange::ALL, after, 7).await.expect("reads");
        let next = owned.store.next_open(HashRange::ALL, after).await.expect("reads");
        assert_eq!(next, page.first().map(|run| run.key));
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, expected);
}

/// What several nodes read that own a part each: nothing twice, and nothing of others.
pub async fn open_runs_are_read_by_range(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    assert_eq!(owned.ownership.ranges(), [HashRange::ALL]);
    let mut runs: Vec<_> =
        (1..=9_u32).map(|n| execution(&format!("order-{n}"), n.into())).collect();
    owned.start(&runs.iter().collect::<Vec<_>>()).await;
    runs.sort_by_key(|run| run.key);
    let (from, to) = (runs[3].key.hash, runs[6].key.hash);
    let [below, above] = [from.0 - 1, to.0 + 1].map(WorkflowHash);
    let ranges = [
        (HashRange { to: below, ..HashRange::ALL }, &runs[..3]),
        (HashRange { from, to }, &runs[3..7]),
        (HashRange { from: above, ..HashRange::ALL }, &runs[7..]),
    ];
    for (range, expected) in ranges {
        let first = owned.store.open_executions(range, None, 2).await.expect("reads");
        assert_eq!(owned.store.next_open(range, None).await.expect("reads"), Some(first[0].key));
        let after = first.last().map(|run| run.key);
        let rest = owned.store.open_executions(range, after, 9).await.expect("reads");
        assert_eq!([first, rest].concat(), expected);
        let last = expected.last().map(|run| run.key);
        assert_eq!(owned.store.next_open(range, last).await.expect("reads"), None);
    }
}

/// Also where a run gets them, loses them and is deleted in commits with others.
pub async fn the_tags_of_a_run_are_those_of_its_last_change(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let tags = |texts: &[&str]| -> Tags {
        texts.iter().map(|text| text.parse().expect("a tag")).collect()
    };
    let attributes = RunAttributes { tags: tags(&["a", "b"]), ..RunAttributes::default() };
    let run = Execution { attributes: attributes.clone(), ..execution("order-1", 1) };
    let bystander = Execution { attributes, ..execution("order-2", 2) };
    owned.start(&[&run, &bystander]).await;
    let update = |run: &Execution, tags: Tags| RunTransition {
        execution: ExecutionChange::Update(Box::new(ExecutionUpdate {
            status: ExecutionStatus::Running,
            blocked: None,
            closed_at: None,
            module_digest: None,
            attributes: None,
            tags: Some(tags),
            history_size: None,
        })),
        ..transition(run.key)
    };
    let tags_of =
        async |run: &Execution| owned.stored(run).await.expect("it is there").attributes.tags;
    owned.commit([update(&run, tags(&["b", "c"]))]).await.expect("updates");
    assert_eq!(tags_of(&run).await, tags(&["b", "c"]));
    let twice = [update(&run, tags(&["x"])), update(&run, tags(&["Ä", "b"]))];
    owned.commit(twice).await.expect("updates");
    assert_eq!(tags_of(&run).await, tags(&["b", "Ä"]));
    owned.commit([update(&run, tags(&[]))]).await.expect("updates");
    assert_eq!(tags_of(&run).await, tags(&[]));
    let new = execution("order-3", 3);
    owned.commit([start(&new), update(&new, tags(&["late"]))]).await.expect("starts");
    assert_eq!(tags_of(&new).await, tags(&["late"]));
    assert_eq!(tags_of(&bystander).await, tags(&["a", "b"]));

    owned.commit([close(&bystander, 2)]).await.expect("closes");
    let deleted = owned.store.delete_run(&owned.ownership, bystander.key).await;
    assert_eq!(deleted.expect("deletes"), RunDeletion::Deleted);
    let again = Execution { attributes: RunAttributes::default(), ..bystander };
    owned.start(&[&again]).await;
    assert_eq!(tags_of(&again).await, tags(&[]), "nothing of the first one is left");
}
