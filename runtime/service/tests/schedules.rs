//! Schedules: runs that are started at certain times.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use dacapo_model::attributes::RunAttributes;
use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::{
    EventAttributes, ExportFormat, ExportedEvent, ExportedHistory, HistoryEvent,
};
use dacapo_model::execution::{ExecutionStatus, IdReusePolicy};
use dacapo_model::ids::{RequestId, ScheduleId, SignalName, TypeName};
use dacapo_model::payload::Payload;
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;
use dacapo_service::Runtime;
use dacapo_service::clock::{Clock, SystemClock};
use dacapo_service::config::ServiceConfig;
use dacapo_service::operations::{
    ActionStatus, ActionsAsked, BackfillRequest, CATCHUP_WINDOW_DEFAULT, CreateScheduleRequest,
    OverlapPolicy, ScheduleAction, ScheduleDefinition, ScheduleDescription, ScheduleFilter,
    SchedulePolicies, ScheduleSpec, ScheduledAction, TimesRequest, UpdateScheduleRequest,
    WORKFLOW_ID_DEFAULT,
};
use dacapo_store::Store;
use dacapo_store::faulty::{Call, Fault, Operation};
use futures::future::BoxFuture;
use support::guests::ScriptedHost;
use support::*;
use tokio::time::Instant;

const HOUR: i64 = 3_600_000_000;

/// The machine's clock, set to another time.
#[derive(Clone, Default)]
struct SetClock(Arc<AtomicI64>);

impl SetClock {
    /// So that a minute has just begun when it is read first.
    fn step(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }

    /// Half an hour after some hour.
    fn at_half_past() -> Self {
        let clock = Self::default();
        clock.step(HOUR + HOUR / 2 - SystemClock.now().as_micros() % HOUR);
        clock
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let offset = self.0.load(Ordering::SeqCst);
        Timestamp::from_micros(SystemClock.now().as_micros() + offset)
    }

    fn instant(&self) -> Instant {
        SystemClock.instant()
    }

    fn wait_until(&self, instant: Instant) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep_until(instant))
    }
}

/// A node whose clock is set.
async fn start_at(store: &Arc<dyn Store>, clock: &SetClock) -> Node {
    let host = ScriptedHost::new();
    // The module that goes with the scripted host.
    let first = start(store.clone(), &host).await;
    first.halt().await;
    let config = ServiceConfig::default();
    let runtime = Runtime::start(store.clone(), host, Arc::new(clock.clone()), config).await;
    Node::new(runtime.expect("starts"))
}

fn id(id: &str) -> ScheduleId {
    ScheduleId::new(id).expect("valid")
}

fn run_id_of(id: &str) -> String {
    BuiltinWorkflow::Schedule.workflow_id(id).expect("valid").to_string()
}

fn crons(text: &str) -> ScheduleSpec {
    ScheduleSpec { crons: vec![text.to_owned()], ..ScheduleSpec::default() }
}

fn definition(spec: ScheduleSpec, workflow: &str, input: &str) -> ScheduleDefinition {
    ScheduleDefinition {
        spec,
        action: ScheduleAction {
            workflow_type: TypeName::new(workflow).expect("valid"),
            workflow_id: WORKFLOW_ID_DEFAULT.to_owned(),
            module: None,
            input: Payload::new(input.to_owned()),
            reuse_policy: IdReusePolicy::default(),
            run_timeout: None,
            execution_timeout: None,
            retry: None,
            attributes: RunAttributes::default(),
            inferred: BTreeSet::new(),
        },
        policies: SchedulePolicies {
            overlap: OverlapPolicy::default(),
            catchup_window: CATCHUP_WINDOW_DEFAULT,
            pause_on_failure: false,
        },
    }
}

fn request(name: &str, definition: ScheduleDefinition) -> CreateScheduleRequest {
    CreateScheduleRequest {
        schedule_id: id(name),
        request_id: None,
        definition,
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        paused: false,
        note: String::new(),
        remaining_actions: None,
    }
}

fn with_overlap(definition: ScheduleDefinition, overlap: OverlapPolicy) -> ScheduleDefinition {
    let policies = SchedulePolicies { overlap, ..definition.policies };
    ScheduleDefinition { policies, ..definition }
}

async fn create(node: &Node, name: &str, definition: ScheduleDefinition) {
    assert!(node.create_schedule(request(name, definition)).await.expect("made").1);
}

async fn describe(node: &Node, name: &str) -> ScheduleDescription {
    node.describe_schedule(&id(name)).await.expect("it is there")
}

/// Waits until the schedule is so.
async fn until(
    node: &Node,
    name: &str,
    what: impl Fn(&ScheduleDescription) -> bool,
) -> ScheduleDescription {
    let reached = async {
        loop {
            let described = describe(node, name).await;
            if what(&described) {
                return described;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, reached).await {
        Ok(described) => described,
        Err(_) => panic!("{:?}", describe(node, name).await),
    }
}

async fn trigger(node: &Node, name: &str, overlap: Option<OverlapPolicy>) -> ActionsAsked {
    node.trigger_schedule(&id(name), overlap, None).await.expect("asked")
}

fn ended(described: &ScheduleDescription) -> usize {
    let actions = described.status.recent_actions.iter();
    actions.filter(|action| action.status != ActionStatus::Running).count()
}

fn statuses(described: &ScheduleDescription) -> Vec<ActionStatus> {
    described.status.recent_actions.iter().map(|action| action.status).collect()
}

/// Writes the history of a run down, where somebody has asked for it.
async fn record(node: &Node, name: &str, workflow_id: &str) {
    let Some(folder) = std::env::var_os("DACAPO_WRITE_HISTORIES") else { return };
    let events = history(node, workflow_id).await;
    let run = node.describe_run(&run_ref(workflow_id)).await.expect("a run").execution;
    let exported = ExportedHistory {
        namespace: namespace(),
        workflow_id: run.workflow_id,
        run_id: run.key.run_id,
        events: events.into_iter().map(|event| ExportedEvent { event }).collect(),
        format: ExportFormat::V1,
    };
    let path = std::path::Path::new(&folder).join(format!("{name}.json"));
    std::fs::write(path, serde_json::to_vec(&exported).expect("plain data")).expect("written");
}

#[tokio::test]
async fn it_starts_a_run_at_each_time_and_tells_it_which() {
    let node = start(memory(), &ScriptedHost::new()).await;
    create(&node, "s", definition(crons("* * * * * *"), "retried", "1")).await;
    let described = until(&node, "s", |it| ended(it) >= 2).await;
    let status = &described.status;
    let [.., second, first] = &status.recent_actions[..] else {
        panic!("{status:?}");
    };
    assert_eq!((first.number, first.status), (1, ActionStatus::Completed));
    let between = second.scheduled_time.since(first.scheduled_time);
    assert_eq!(between, Duration::from_secs(1));
    assert!(first.taken_at >= first.scheduled_time, "not early");
    let run = node.describe_run(&run_ref(second.workflow_id.as_str())).await.expect("a run");
    assert_eq!(run.execution.status, ExecutionStatus::Completed);
    assert_eq!(run.parent.expect("it has one").workflow_id.as_str(), run_id_of("s"));
    assert_eq!(Some(run.execution.key.run_id), second.run_id);
    let told = run.execution.attributes.memo["schedule"].to_value().expect("JSON");
    assert_eq!(told["schedule_id"], "s");
    assert_eq!(told["scheduled_time"], serde_json::json!(second.scheduled_time));
    assert!(told.get("last_result_base64").is_some(), "of the first: {told}");
    assert_eq!(described.next_times.len(), 10);
    node.pause_schedule(&id("s"), Some("enough".to_owned()), None).await.expect("asked");
    let paused = describe(&node, "s").await;
    assert!(paused.status.paused && paused.next_times.is_empty());
    assert_eq!(paused.status.note, "enough");
    record(&node, "fires", &run_id_of("s")).await;
    // It starts no more, while another one does.
    let actions = paused.status.counters.actions;
    create(&node, "other", definition(crons("* * * * * *"), "retried", "1")).await;
    until(&node, "other", |it| ended(it) >= 2).await;
    assert_eq!(describe(&node, "s").await.status.counters.actions, actions);
}

#[tokio::test]
async fn what_was_due_while_no_server_ran_is_made_up_for_as_the_policies_say() {
    let short = Duration::from_secs(3600);
    for (overlap, window, started, skipped, missed) in [
        (OverlapPolicy::Skip, CATCHUP_WINDOW_DEFAULT, 1, 4, 0),
        (OverlapPolicy::AllowAll, CATCHUP_WINDOW_DEFAULT, 5, 0, 0),
        (OverlapPolicy::AllowAll, short, 1, 0, 4),
        (OverlapPolicy::BufferOne, CATCHUP_WINDOW_DEFAULT, 1, 3, 0),
    ] {
        let (store, clock) = (memory(), SetClock::at_half_past());
        let node = start_at(&store, &clock).await;
        let mut definition = with_overlap(definition(crons("0 * * * *"), "forever", ""), overlap);
        definition.policies.catchup_window = window;
        create(&node, "s", definition).await;
        node.halt().await;
        clock.step(5 * HOUR);
        let node = start_at(&store, &clock).await;
        let all = |it: &ScheduleDescription| {
            let counters = it.status.counters;
            let taken = counters.actions + counters.skipped + counters.missed;
            taken + it.status.buffered_count as u64 == 5
                && it.status.running.iter().all(|action| action.run_id.is_some())
        };
        let counters = until(&node, "s", all).await.status.counters;
        assert_eq!(
            (counters.actions, counters.skipped, counters.missed),
            (started, skipped, missed),
            "{overlap:?}"
        );
        // Nothing of it happens a second time, whatever the clock says.
        for step in [0, -3 * HOUR, 2 * HOUR] {
            node.halt().await;
            clock.step(step);
            let node = start_at(&store, &clock).await;
            assert_eq!(describe(&node, "s").await.status.counters, counters, "{overlap:?}");
            node.halt().await;
        }
    }
}

#[tokio::test]
async fn very_many_that_are_due_at_once_are_started_in_portions_and_none_is_dropped() {
    let (store, clock) = (memory(), SetClock::at_half_past());
    let node = start_at(&store, &clock).await;
    let each_minute = definition(crons("* * * * *"), "retried", "1");
    create(&node, "s", with_overlap(each_minute, OverlapPolicy::AllowAll)).await;
    node.halt().await;
    clock.step(11 * HOUR);
    let node = start_at(&store, &clock).await;
    let described = until(&node, "s", |it| it.status.counters.actions >= 660).await;
    let counters = described.status.counters;
    assert_eq!((counters.missed, counters.skipped, counters.buffer_dropped), (0, 0, 0));
    assert_eq!(counters.start_failures, 0);
    // A history of all of them would be longer than one may be: another run has gone on.
    let events = history(&node, &run_id_of("s")).await;
    let is_start = |event: &HistoryEvent| {
        matches!(event.attributes, EventAttributes::StartChildWorkflowExecutionInitiated { .. })
    };
    let at_once = events.chunk_by(|one, next| is_start(one) && is_start(next)).map(<[_]>::len);
    assert!(at_once.max() <= Some(50));
    let EventAttributes::WorkflowExecutionStarted(started) = &events[0].attributes else {
        panic!("{:?}", events[0]);
    };
    assert!(started.continued_from.is_some(), "{started:?}");
}

#[tokio::test]
async fn what_waits_does_so_while_the_schedule_is_paused_but_for_what_is_asked_for() {
    let (store, clock) = (memory(), SetClock::at_half_past());
    let node = start_at(&store, &clock).await;
    let hourly = definition(crons("0 * * * *"), "forever", "");
    create(&node, "s", with_overlap(hourly, OverlapPolicy::BufferAll)).await;
    node.halt().await;
    clock.step(3 * HOUR);
    let node = start_at(&store, &clock).await;
    let begun = |it: &ScheduleDescription| {
        it.status.buffered_count == 2 && it.status.running.iter().all(|it| it.run_id.is_some())
    };
    let described = until(&node, "s", begun).await;
    node.pause_schedule(&id("s"), None, None).await.expect("asked");
    let running = run_ref(described.status.running[0].workflow_id.as_str());
    node.terminate_run(&running, "enough".to_owned()).await.expect("open");
    let described = until(&node, "s", |it| ended(it) == 1).await;
    let status = &described.status;
    assert_eq!((status.running_count, status.buffered_count), (0, 2), "{status:?}");
    trigger(&node, "s", None).await;
    let asked = |it: &ScheduleDescription| it.status.running.iter().all(|it| it.run_id.is_some());
    let described = until(&node, "s", asked).await;
    let status = &described.status;
    assert_eq!((status.running_count, status.buffered_count), (1, 2), "{status:?}");
    assert!(status.running[0].manual);
    let running = run_ref(status.running[0].workflow_id.as_str());
    node.terminate_run(&running, "enough".to_owned()).await.expect("open");
    node.resume_schedule(&id("s"), None, None).await.expect("asked");
    until(&node, "s", |it| it.status.counters.actions == 3 && it.status.buffered_count == 1).await;
}

#[tokio::test]
async fn what_was_due_before_a_change_is_done_as_it_was_said_before() {
    let (store, clock) = (memory(), SetClock::at_half_past());
    let node = start_at(&store, &clock).await;
    let hourly = definition(crons("0 * * * *"), "retried", "1");
    create(&node, "s", with_overlap(hourly, OverlapPolicy::AllowAll)).await;
    // The node's timers do not know of it.
    clock.step(3 * HOUR);
    let update = UpdateScheduleRequest {
        definition: definition(crons("0 0 1 1 *"), "retried", "2"),
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        note: None,
        remaining_actions: None,
    };
    node.update_schedule(&id("s"), update, None).await.expect("asked");
    let described = until(&node, "s", |it| ended(it) == 3).await;
    let action = &described.status.recent_actions[0];
    let events = history(&node, action.workflow_id.as_str()).await;
    let EventAttributes::WorkflowExecutionStarted(started) = &events[0].attributes else {
        panic!("{:?}", events[0]);
    };
    assert_eq!(started.input.as_bytes(), b"1");
}

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
async fn actions_that_wait_are_taken_one_after_the_other() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let definition = definition(ScheduleSpec::default(), "sleep", "30");
    create(&node, "s", with_overlap(definition, OverlapPolicy::BufferAll)).await;
    let asked = trigger(&node, "s", None).await;
    assert_eq!((asked.started, asked.buffered), (1, 0));
    for _ in 0..2 {
        assert_eq!(trigger(&node, "s", None).await.buffered, 1);
    }
    let asked = trigger(&node, "s", Some(OverlapPolicy::Skip)).await;
    assert_eq!((asked.started, asked.skipped), (0, 1));
    let described = until(&node, "s", |it| ended(it) == 3).await;
    assert_eq!(described.status.counters.skipped, 1);
    let mut actions = described.status.recent_actions.clone();
    actions.reverse();
    for pair in actions.windows(2) {
        assert!(pair[0].ended_at <= Some(pair[1].taken_at), "{pair:?}");
    }
    assert!(actions.iter().all(|action| action.manual));
    record(&node, "buffers", &run_id_of("s")).await;
}

#[tokio::test]
async fn what_is_open_is_told_to_end_if_the_policy_says_so() {
    let node = start(memory(), &ScriptedHost::new()).await;
    for (overlap, status) in [
        (OverlapPolicy::CancelOther, ActionStatus::Canceled),
        (OverlapPolicy::TerminateOther, ActionStatus::Terminated),
    ] {
        let name = format!("{overlap:?}");
        let forever = definition(ScheduleSpec::default(), "forever", "");
        create(&node, &name, with_overlap(forever, overlap)).await;
        trigger(&node, &name, None).await;
        // Also before it is known that it has started.
        assert_eq!(trigger(&node, &name, None).await.buffered, 1);
        let described = until(&node, &name, |it| ended(it) == 1).await;
        assert_eq!(statuses(&described).last(), Some(&status), "{described:?}");
        until(&node, &name, |it| it.status.counters.actions == 2).await;
        record(&node, &name, &run_id_of(&name)).await;
    }
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
    trigger(&node, "s", None).await;
    until(&node, "s", |it| ended(it) == 1).await;
    trigger(&node, "s", None).await;
    let described = until(&node, "s", |it| ended(it) == 2).await;
    assert_eq!(statuses(&described), [ActionStatus::StartFailed, ActionStatus::Completed]);
    assert_eq!(described.status.counters.start_failures, 1);
    record(&node, "not-started", &run_id_of("s")).await;
}

#[tokio::test]
async fn a_backfill_takes_the_actions_of_the_past_and_only_so_many() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let hourly = definition(crons("0 * * * *"), "retried", "1");
    create(&node, "s", hourly).await;
    let (from, to) = (Timestamp::from_micros(0), Timestamp::from_micros(5 * HOUR));
    let overlap = Some(OverlapPolicy::BufferAll);
    let request_id = Some(RequestId::new("fill").expect("valid"));
    let filled = BackfillRequest { from, to, overlap };
    for _ in 0..2 {
        let asked = node.backfill_schedule(&id("s"), filled, request_id.clone()).await;
        let asked = asked.expect("asked");
        assert_eq!((asked.started, asked.buffered), (1, 5), "once, however often it is sent");
    }
    let described = until(&node, "s", |it| ended(it) == 6).await;
    assert_eq!(described.status.recent_actions[0].scheduled_time, to);
    assert_eq!(described.status.recent_actions[5].scheduled_time, from);
    let to = Timestamp::from_micros(2_000 * HOUR);
    let error = node.backfill_schedule(&id("s"), BackfillRequest { to, ..filled }, None).await;
    assert!(error.expect_err("too many").message.contains("1000"));
    let times = TimesRequest { from: Some(from), to: None, limit: Some(3) };
    let times = node.schedule_times(&id("s"), times).await.expect("known");
    assert_eq!((times.times.len(), times.times[0].nominal, times.more), (3, from, true));
    record(&node, "backfills", &run_id_of("s")).await;
}

#[tokio::test]
async fn a_schedule_is_made_once_changed_and_deleted() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let daily = definition(crons("@daily"), "retried", "1");
    let mut first = request("s", daily.clone());
    first.request_id = Some(RequestId::new("r").expect("valid"));
    assert!(node.create_schedule(first.clone()).await.expect("made").1);
    assert!(!node.create_schedule(first).await.expect("a repeat").1);
    let error = node.create_schedule(request("s", daily.clone())).await.expect_err("taken");
    assert_eq!(error.code, ErrorCode::ScheduleAlreadyExists);
    let mut changed = definition(crons("@hourly"), "sleep", "1");
    changed.policies.overlap = OverlapPolicy::AllowAll;
    let update = UpdateScheduleRequest {
        definition: changed.clone(),
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        note: Some("more".to_owned()),
        remaining_actions: Some(Some(3)),
    };
    node.update_schedule(&id("s"), update, None).await.expect("asked");
    let described = describe(&node, "s").await;
    assert_eq!(described.definition, changed);
    assert_eq!(described.status.remaining_actions, Some(3));
    assert!(described.status.updated_at.is_some());
    record(&node, "changes", &run_id_of("s")).await;
    let mut dots = definition(crons("@daily"), "sleep", "");
    dots.action.workflow_id = "..".to_owned();
    for (definition, about) in [
        (dots, "workflow id"),
        (definition(crons("0 0 30 2 *"), "sleep", ""), "crons[0]"),
        (definition(crons("0 0 0 1 1 * 2020"), "sleep", ""), "no time after now"),
        (definition(crons("@daily"), "unknown", ""), "unknown"),
    ] {
        let error = node.create_schedule(request("t", definition)).await.expect_err("refused");
        assert!(error.message.contains(about), "{error}");
    }
    node.delete_schedule(&id("s")).await.expect("deleted");
    let error = node.describe_schedule(&id("s")).await.expect_err("gone");
    assert_eq!(error.code, ErrorCode::ScheduleNotFound);
    assert_eq!(node.delete_schedule(&id("s")).await.expect_err("gone").code, error.code);
    let paused = node.pause_schedule(&id("s"), None, None).await;
    assert_eq!(paused.expect_err("gone").code, ErrorCode::ScheduleNotFound);
    let listed = node.list_schedules(ScheduleFilter::default(), None, 10).await.expect("listed");
    assert_eq!(listed.schedules, []);
    create(&node, "s", daily).await;
}

#[tokio::test]
async fn a_schedule_takes_only_as_many_actions_as_it_may() {
    let (store, clock) = (memory(), SetClock::at_half_past());
    let node = start_at(&store, &clock).await;
    let all = with_overlap(definition(crons("0 * * * *"), "retried", "1"), OverlapPolicy::AllowAll);
    let mut two = request("s", all);
    two.remaining_actions = Some(2);
    node.create_schedule(two).await.expect("made");
    node.halt().await;
    clock.step(5 * HOUR);
    let node = start_at(&store, &clock).await;
    let described = until(&node, "s", |it| ended(it) == 2).await;
    assert_eq!(described.status.remaining_actions, Some(0));
    assert_eq!(described.next_times, []);
    // By itself.
    assert_eq!(trigger(&node, "s", None).await.started, 1);
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

/// Whatever commit the server dies after or before.
#[tokio::test]
async fn each_time_has_one_run_wherever_the_server_dies() {
    for number in 1..14 {
        let (inner, clock) = (memory(), SetClock::at_half_past());
        let node = start_at(&inner, &clock).await;
        let hourly = definition(crons("0 * * * *"), "retried", "1");
        create(&node, "s", with_overlap(hourly, OverlapPolicy::BufferAll)).await;
        node.halt().await;
        clock.step(2 * HOUR);
        let (calls, commits) = (Calls::default(), AtomicU64::new(0));
        let dead = Arc::new(AtomicBool::new(false));
        let died = dead.clone();
        let store = scripted(inner.clone(), &calls, move |call: Call| {
            if call.operation != Operation::Commit {
                return Fault::None;
            }
            match commits.fetch_add(1, Ordering::SeqCst) + 1 {
                at if at < number => Fault::None,
                at => {
                    died.store(true, Ordering::SeqCst);
                    if at == number && number % 2 == 0 {
                        Fault::DoneButUnavailable
                    } else {
                        Fault::Unavailable
                    }
                }
            }
        });
        let dying = start_at(&store, &clock).await;
        let over = async {
            while !dead.load(Ordering::SeqCst) {
                let both = |it: &ScheduleDescription| ended(it) == 2;
                if dying.describe_schedule(&id("s")).await.is_ok_and(|it| both(&it)) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, over).await.expect("it comes to that");
        dying.halt().await;
        let node = start_at(&inner, &clock).await;
        let described = until(&node, "s", |it| ended(it) == 2).await;
        assert_eq!(described.status.counters.actions, 2, "commit {number}");
        assert_eq!(described.status.counters.start_failures, 0, "commit {number}");
        for action in &described.status.recent_actions {
            let events = event_types(&node, action.workflow_id.as_str()).await;
            assert_eq!(events.first(), Some(&"WorkflowExecutionStarted"));
            assert_eq!(action.status, ActionStatus::Completed);
        }
    }
}

#[tokio::test]
async fn a_schedule_that_waits_asks_for_nothing() {
    let calls = Calls::default();
    let store = scripted(memory(), &calls, |_| Fault::None);
    let node = start(store, &ScriptedHost::new()).await;
    create(&node, "s", definition(crons("0 0 1 1 *"), "forever", "")).await;
    trigger(&node, "s", None).await;
    until(&node, "s", |it| it.status.running.iter().all(|it| it.run_id.is_some())).await;
    let events = history(&node, &run_id_of("s")).await;
    let timers = events
        .iter()
        .filter(|event| matches!(event.attributes, EventAttributes::TimerStarted { .. }));
    assert_eq!(timers.count(), 1, "it waits for the same timer all the time");
    calls.clear();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((calls.reads(), calls.count(Operation::Commit)), (0, 0), "{calls:?}");
}
