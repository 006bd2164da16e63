//! How runs end, and that their schedule hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dacapo_model::code::ErrorCode;
use dacapo_model::execution::IdReusePolicy;
use dacapo_model::ids::{RunId, SignalName, WorkflowHash, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_model::signal::Signal;
use dacapo_service::operations::{
    ActionStatus, OverlapPolicy, RunRef, ScheduleDescription, ScheduleFilter, ScheduleSpec,
    ScheduledAction,
};
use dacapo_store::Store;
use dacapo_store::faulty::FaultyStore;

use crate::support::guests::ScriptedHost;
use crate::support::*;
use crate::{
    HOUR, SetClock, create, crons, definition, describe, ended, id, record, run_id_of, start_at,
    statuses, trigger, until, with_overlap,
};

#[tokio::test]
async fn nobody_can_tell_a_schedule_that_its_run_has_ended() {
    let node = start(memory(), &ScriptedHost::new()).await;
    create(&node, "s", definition(ScheduleSpec::default(), "forever", "")).await;
    trigger(&node, "s", None).await;
    let started = |it: &ScheduleDescription| it.status.running.iter().all(|it| it.run_id.is_some());
    let described = until(&node, "s", started).await;
    let run_id = described.status.running[0].run_id;
    let forged = serde_json::json!({"run_id": run_id, "status": "completed"}).to_string();
    let signal = Signal {
        name: SignalName::new("dacapo.closed").expect("valid"),
        input: Payload::new(forged),
        request_id: None,
    };
    let error = node.signal_run(&run_ref(&run_id_of("s")), signal).await.expect_err("refused");
    assert_eq!(error.code, ErrorCode::InvalidArgument);
    assert_eq!(describe(&node, "s").await.status.running_count, 1);
}

#[tokio::test]
async fn a_failure_pauses_the_schedule_if_it_is_to_and_is_told_to_the_next_run() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let mut fails = definition(crons("0 0 1 1 *"), "retried", "99 Final");
    fails.policies.pause_on_failure = true;
    create(&node, "s", fails).await;
    trigger(&node, "s", None).await;
    let described = until(&node, "s", |it| it.status.paused).await;
    assert_eq!(statuses(&described), [ActionStatus::Failed]);
    assert!(described.status.note.contains("attempt 1"), "{}", described.status.note);
    let failure = described.status.recent_actions[0].failure.clone().expect("it has failed");
    assert_eq!(failure.type_name, "Final");
    let listed = node.list_schedules(ScheduleFilter::default(), None, 10).await.expect("listed");
    assert!(listed.schedules[0].paused, "{listed:?}");
    trigger(&node, "s", None).await;
    let described = until(&node, "s", |it| ended(it) == 2).await;
    let action: &ScheduledAction = &described.status.recent_actions[0];
    let run = node.describe_run(&run_ref(action.workflow_id.as_str())).await.expect("a run");
    let told = run.execution.attributes.memo["schedule"].to_value().expect("JSON");
    assert_eq!(told["last_failure"]["type"], "Final");
    node.resume_schedule(&id("s"), None, None).await.expect("asked");
    let resumed = describe(&node, "s").await;
    assert!(!resumed.status.paused && resumed.status.note.is_empty());
    record(&node, "fails", &run_id_of("s")).await;
}

#[tokio::test]
async fn a_run_that_can_not_be_started_is_counted_and_the_schedule_goes_on() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let mut once = definition(ScheduleSpec::default(), "retried", "1");
    once.action.workflow_id = "once".to_owned();
    once.action.reuse_policy = IdReusePolicy::RejectDuplicate;
    create(&node, "s", once).await;
    let asked = trigger(&node, "s", None).await;
    assert_eq!((asked.started, asked.failed), (1, 0));
    assert_eq!(asked.workflow_id.as_deref(), Some("once"));
    until(&node, "s", |it| ended(it) == 1).await;
    let asked = trigger(&node, "s", None).await;
    assert_eq!((asked.started, asked.failed, asked.workflow_id), (0, 1, None));
    let failure = asked.failure.expect("it says why");
    assert_eq!(failure.type_name, "WorkflowAlreadyStarted");
    let described = until(&node, "s", |it| ended(it) == 2).await;
    assert_eq!(statuses(&described), [ActionStatus::StartFailed, ActionStatus::Completed]);
    assert_eq!(described.status.counters.start_failures, 1);
    record(&node, "not-started", &run_id_of("s")).await;
}

#[tokio::test]
async fn a_schedule_continues_as_new_and_follows_what_it_has_started() {
    let (store, clock) = (memory(), SetClock::default());
    let node = start_at(&store, &clock).await;
    let forever = definition(ScheduleSpec::default(), "forever", "");
    create(&node, "s", with_overlap(forever, OverlapPolicy::AllowAll)).await;
    for _ in 0..2 {
        trigger(&node, "s", None).await;
    }
    let running = |it: &ScheduleDescription| {
        it.status.running_count == 2 && it.status.running.iter().all(|it| it.run_id.is_some())
    };
    let begun = until(&node, "s", running).await;
    for number in 0..256 {
        let note = Some(format!("note {number}"));
        node.pause_schedule(&id("s"), note, None).await.expect("asked");
    }
    let now = describe(&node, "s").await;
    assert_ne!(now.run_id, begun.run_id, "it has continued as new");
    assert_eq!((now.status.running_count, now.status.counters.actions), (2, 2));
    assert_eq!((now.status.paused, &*now.status.note), (true, "note 255"));
    assert_eq!(now.status.created_at, begun.status.created_at);
    let listed = node.list_schedules(ScheduleFilter::default(), None, 10).await.expect("listed");
    assert!(listed.schedules[0].paused, "{listed:?}");
    let ends = |at: usize| run_ref(begun.status.running[at].workflow_id.as_str());
    node.terminate_run(&ends(0), "enough".to_owned()).await.expect("open");
    let heard = until(&node, "s", |it| it.status.running_count == 1).await;
    assert_eq!(statuses(&heard), [ActionStatus::Running, ActionStatus::Terminated]);
    // Unheard: the schedule's node goes before the other one ends.
    node.halt().await;
    let node = start_at(&store, &clock).await;
    node.terminate_run(&ends(1), "enough".to_owned()).await.expect("open");
    node.halt().await;
    let node = start_at(&store, &clock).await;
    let heard = until(&node, "s", |it| it.status.running_count == 0).await;
    assert_eq!(statuses(&heard), [ActionStatus::Terminated, ActionStatus::Terminated]);
    record(&node, "continued", &run_id_of("s")).await;
}

/// A schedule whose run has continued another one, which has started `teller` before. No
/// commit of the schedule is done any more.
async fn deaf_schedule(inner: &Arc<dyn Store>, clock: &SetClock) -> (Node, RunRef) {
    let is_deaf = Arc::new(AtomicBool::new(false));
    let (deaf, schedule) = (is_deaf.clone(), hash_of(&run_id_of("s")));
    let store = FaultyStore::transparent(inner.clone()).silent_about(move |units| {
        let mut transitions = units.iter().flat_map(|unit| &unit.transitions);
        deaf.load(Ordering::SeqCst) && transitions.any(|it| it.key.hash == schedule)
    });
    let store: Arc<dyn Store> = Arc::new(store);
    let node = start_at(&store, clock).await;
    create(&node, "s", definition(ScheduleSpec::default(), "teller", "")).await;
    trigger(&node, "s", None).await;
    let started = |it: &ScheduleDescription| it.status.running.iter().all(|it| it.run_id.is_some());
    let begun = until(&node, "s", started).await;
    clock.step(25 * HOUR);
    node.pause_schedule(&id("s"), None, None).await.expect("asked");
    let now = describe(&node, "s").await;
    assert_ne!(now.run_id, begun.run_id, "it has continued as new");
    assert_eq!(now.status.running_count, 1);
    // Nobody needs what the closed run says to find out whom it has started.
    let schedule = run_ref(&run_id_of("s"));
    assert!(node.delete_run(&schedule, begun.run_id).await.expect("deleted"));
    is_deaf.store(true, Ordering::SeqCst);
    let action = &now.status.running[0];
    (node, RunRef { workflow_id: action.workflow_id.clone(), run_id: action.run_id })
}

fn hash_of(workflow_id: &str) -> WorkflowHash {
    WorkflowHash::of(&namespace(), &WorkflowId::new(workflow_id).expect("valid"))
}

/// Lets the run continue as new, and answers the run that goes on.
async fn continue_as_new(node: &Node, run: &RunRef) -> RunId {
    let latest = RunRef { run_id: None, ..run.clone() };
    let before = node.describe_run(&latest).await.expect("a run").execution.key.run_id;
    node.signal_run(&latest, signal("again then")).await.expect("open");
    let next = async {
        loop {
            let now = node.describe_run(&latest).await.expect("a run").execution.key.run_id;
            if now != before {
                return now;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, next).await.expect("it continues as new")
}

async fn terminate(node: &Node, run: &RunRef) {
    let latest = RunRef { run_id: None, ..run.clone() };
    node.terminate_run(&latest, "enough".to_owned()).await.expect("open");
}

async fn delete(node: &Node, run: &RunRef, run_id: RunId) {
    assert!(node.delete_run(run, run_id).await.expect("deleted"));
}

/// What the schedule has heard of the only run that it has started.
async fn heard(node: &Node) -> (ActionStatus, String) {
    let described = until(node, "s", |it| it.status.running_count == 0).await;
    let [action] = &described.status.recent_actions[..] else { panic!("{described:?}") };
    (action.status, action.failure.clone().expect("it has not completed").message)
}

#[tokio::test]
async fn a_schedule_is_told_that_a_run_was_deleted_of_whose_end_it_had_not_heard() {
    let deleted = "it was deleted before its schedule heard how it ended".to_owned();
    // How many runs the action has come to, and which of them were deleted.
    for (runs, gone, message) in [
        (1, &[0][..], &deleted),
        (2, &[0, 1], &deleted),
        (2, &[1], &deleted),
        (3, &[0, 1], &"enough".to_owned()),
        (3, &[1], &"enough".to_owned()),
    ] {
        let (inner, clock) = (memory(), SetClock::default());
        let (node, run) = deaf_schedule(&inner, &clock).await;
        let mut chain = vec![run.run_id.expect("it has started")];
        while chain.len() < runs {
            chain.push(continue_as_new(&node, &run).await);
        }
        terminate(&node, &run).await;
        for at in gone {
            delete(&node, &run, chain[*at]).await;
        }
        node.halt().await;
        let node = start_at(&inner, &clock).await;
        let told = heard(&node).await;
        assert_eq!(told, (ActionStatus::Terminated, message.clone()), "{runs} {gone:?}");
        record(&node, "deleted", &run_id_of("s")).await;
    }
}

#[tokio::test]
async fn a_run_goes_on_for_its_schedule_though_those_before_it_were_deleted() {
    let (inner, clock) = (memory(), SetClock::default());
    let (node, run) = deaf_schedule(&inner, &clock).await;
    continue_as_new(&node, &run).await;
    delete(&node, &run, run.run_id.expect("it has started")).await;
    node.halt().await;
    let node = start_at(&inner, &clock).await;
    // Whatever there is to be told has been told then.
    node.in_hand_at_most(0).await;
    assert_eq!(describe(&node, "s").await.status.running_count, 1);
    terminate(&node, &run).await;
    assert_eq!(heard(&node).await, (ActionStatus::Terminated, "enough".to_owned()));
}
