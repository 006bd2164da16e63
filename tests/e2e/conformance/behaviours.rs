//! The behaviours, in the order of the list: what the test does, and what must come of it.

use dacapo_tests::{Worker, eventually};
use futures::future::{FutureExt as _, LocalBoxFuture};
use serde_json::{Value, json};

use crate::programs;
use crate::stage::{Played, Stage};

/// One row of the list.
pub(crate) struct Behaviour {
    pub(crate) number: u32,
    /// Plays it, and returns the runs whose histories are compared.
    pub(crate) play: for<'a> fn(&'a Stage<'a>) -> LocalBoxFuture<'a, Vec<Played>>,
    /// The types of the events of those runs, without `WorkflowExecution` in front; empty if the play
    /// compares them itself.
    pub(crate) history: &'static str,
    /// Attributes that each language fills in in its own way, and events that may be missing.
    pub(crate) differs: &'static [&'static str],
    /// Two things go on at once, and either may be first: the events are put in the order of their
    /// types.
    pub(crate) in_any_order: bool,
    pub(crate) when: When,
}

/// When it may be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// Not while the server is killed: its attempts, workers or blocked runs would be others.
    NotKilled,
    /// In peace only, as it takes a server's whole attention.
    Peace,
}

/// What is done to the server meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    Peace,
    Replays,
    Kills,
}

impl Care {
    pub(crate) fn allows(self, behaviour: &Behaviour) -> bool {
        match behaviour.when {
            When::Always => true,
            When::NotKilled => self != Self::Kills,
            When::Peace => self == Self::Peace,
        }
    }
}

macro_rules! behaviours {
    ($($number:literal $when:ident $(differs $differs:expr;)? $(@ $any_order:ident)? |$stage:ident| $play:block => $history:literal)+) => {
        pub(crate) const BEHAVIOURS: &[Behaviour] = &[$(Behaviour {
            number: $number,
            play: |$stage| async move { $play }.boxed_local(),
            history: $history,
            differs: behaviours!(@differs $($differs)?),
            in_any_order: behaviours!(@any_order $($any_order)?),
            when: When::$when,
        }),+];
    };
    (@differs) => { &[] };
    (@differs $differs:expr) => { &$differs };
    (@any_order) => { false };
    (@any_order $any_order:ident) => { true };
}

/// A workflow that needs nothing else.
async fn simple(stage: &Stage<'_>, workflow: &str, input: Value, result: Value) -> Vec<Played> {
    let run = stage.start(workflow, input).await;
    stage.completes(&run, result).await;
    vec![run]
}

/// A workflow whose code has a fault of this kind.
async fn faulty(stage: &Stage<'_>, workflow: &str, codes: &[&str], words: &[&str]) -> Vec<Played> {
    let run = stage.start(workflow, Value::Null).await;
    let report = stage.blocked(&run).await;
    let code = report["code"].as_str().unwrap_or_default();
    assert!(codes.contains(&code), "{}: {report}", stage.number);
    let message = report["message"].as_str().unwrap_or_default();
    for word in words {
        assert!(message.contains(word), "{}: {word}: {report}", stage.number);
    }
    // Others go on meanwhile.
    let other = stage.start_with("sequential", "other", json!({"input": {"steps": 1}})).await;
    stage.completes(&other, json!(1)).await;
    stage.terminate(&run).await;
    assert_eq!(stage.end(&run).await["status"], "terminated");
    vec![run]
}

/// Sends the words 1, 2, 3, and then `begin`.
async fn words(stage: &Stage<'_>, run: &Played) {
    for word in 1..=3 {
        stage.signal(run, "word", &format!("w-{word}"), json!(word)).await;
    }
    stage.signal(run, "begin", "b", Value::Null).await;
}

/// A run of `signal` that waits.
async fn listener(stage: &Stage<'_>, name: &str) -> Played {
    let run = stage.start_with("signal", name, json!({})).await;
    stage.event(&run, "WorkflowExecutionStarted").await;
    run
}

const ALL_BUT_NUMBER: [&str; 2] = ["message", "code"];

behaviours! {
    1 Always |s| { simple(s, "sequential", json!({"steps": 3}), json!(3)).await }
        => "Started ActivityTaskScheduled ActivityTaskCompleted ActivityTaskScheduled \
            ActivityTaskCompleted ActivityTaskScheduled ActivityTaskCompleted Completed"
    2 Always |s| { simple(s, "fan_out", json!({"steps": 4}), json!([0, 2, 4, 6])).await }
        => "Started ActivityTaskScheduled ActivityTaskScheduled ActivityTaskScheduled \
            ActivityTaskScheduled ActivityTaskCompleted ActivityTaskCompleted \
            ActivityTaskCompleted ActivityTaskCompleted Completed"
    3 Always |s| { simple(s, "race", json!({"millis": 50}), json!("timer")).await }
        => "Started ActivityTaskScheduled TimerStarted TimerFired ActivityTaskCanceled Completed"
    4 Always |s| { simple(s, "timer", json!({"millis": 30}), json!(true)).await }
        => "Started TimerStarted TimerFired Completed"
    5 Always |s| { simple(s, "native_sleep", json!({"millis": 30}), json!(true)).await }
        => "Started TimerStarted TimerFired Completed"
    6 Always |s| { simple(s, "native_timers", Value::Null, json!([100, 200, 300])).await }
        => "Started TimerStarted TimerStarted TimerStarted TimerFired TimerFired TimerFired Completed"
    7 Always differs ["input", "result"]; |s| {
        let drawn = json!({"clock": true, "random": true, "uuid": true});
        simple(s, "clock_and_random", Value::Null, drawn).await
    } => "Started ActivityTaskScheduled ActivityTaskCompleted TimerStarted TimerFired \
          ActivityTaskScheduled ActivityTaskCompleted Completed"
    8 Always |s| {
        let run = s.start("condition", Value::Null).await;
        for vote in ["v-1", "v-2"] {
            s.signal(&run, "vote", vote, json!(1)).await;
        }
        s.completes(&run, json!(2)).await;
        vec![run]
    } => "Started Signaled Signaled Completed"
    9 Always |s| { simple(s, "deadline", json!({"millis": 50}), json!("elapsed")).await }
        => "Started ActivityTaskScheduled TimerStarted TimerFired ActivityTaskCanceled Completed"

    10 Always |s| {
        let run = s.start("signal", Value::Null).await;
        s.signal(&run, "go", "g", json!({"by": "Ada"})).await;
        s.completes(&run, json!({"by": "Ada"})).await;
        vec![run]
    } => "Started Signaled Completed"
    11 Always |s| {
        let run = s.start("buffered_signals", json!({"count": 3})).await;
        words(s, &run).await;
        s.completes(&run, json!([1, 2, 3])).await;
        vec![run]
    } => "Started Signaled Signaled Signaled Signaled Completed"
    12 Always |s| {
        let run = s.start("signal", Value::Null).await;
        let no_json = json!({"input_base64": "/w==", "request_id": "g-1"});
        s.post(&run, "/signals/go", &no_json).await.ok(202);
        s.signal(&run, "go", "g-2", json!(7)).await;
        s.completes(&run, json!(7)).await;
        vec![run]
    } => "Started Signaled Signaled Completed"
    13 Always |s| {
        let run = s.start("stages", Value::Null).await;
        let answers = async |name: &str, input: Value, answer: Value| {
            eventually("the query is answered", async || {
                let asked = s.query(&run, name, input.clone()).await;
                (asked.status != 409).then(|| assert_eq!(asked.ok(200)["result"], answer))
            }).await;
        };
        answers("stage", Value::Null, json!("waiting")).await;
        answers("times", json!(21), json!(42)).await;
        let unknown = s.query(&run, "unknown", Value::Null).await;
        assert!(unknown.error(422, "query_failed").to_string().contains("UnknownQuery"));
        s.signal(&run, "go", "g", Value::Null).await;
        s.completes(&run, Value::Null).await;
        vec![run]
    } => "Started Signaled Completed"
    14 Always |s| {
        let run = s.start("stages", Value::Null).await;
        s.signal(&run, "go", "g", Value::Null).await;
        s.completes(&run, Value::Null).await;
        assert_eq!(s.query(&run, "stage", Value::Null).await.ok(200)["result"], "done");
        vec![run]
    } => "Started Signaled Completed"
    15 Always |s| {
        let run = s.start("stages", Value::Null).await;
        s.event(&run, "WorkflowExecutionStarted").await;
        for name in ["act", "crash"] {
            eventually("the query is refused", async || {
                let asked = s.query(&run, name, Value::Null).await;
                (asked.status != 409).then(|| asked.error(422, "query_failed"))
            }).await;
        }
        s.signal(&run, "go", "g", Value::Null).await;
        s.completes(&run, Value::Null).await;
        vec![run]
    } => "Started Signaled Completed"
    16 Always |s| {
        let run = s.start("cart", Value::Null).await;
        assert_eq!(s.update(&run, "add", "u-1", json!("lamp")).await["result"], 1);
        for (name, id, input, type_name) in
            [("add", "u-2", "", "NoItem"), ("unknown", "u-3", "x", "UnknownUpdate")]
        {
            let refused = s.update(&run, name, id, json!(input)).await;
            assert_eq!(refused["stage"], "rejected", "{refused}");
            assert_eq!(refused["failure"]["type"], type_name, "{refused}");
        }
        assert_eq!(s.update(&run, "add_slowly", "u-4", json!("desk")).await["result"], 2);
        s.update(&run, "check_out", "u-5", Value::Null).await;
        s.completes(&run, json!(["lamp", "desk"])).await;
        vec![run]
    } => "Started UpdateAccepted UpdateCompleted UpdateAccepted ActivityTaskScheduled \
          ActivityTaskCompleted UpdateCompleted UpdateAccepted UpdateCompleted Completed"
    17 Always |s| {
        let run = s.start("publishes", Value::Null).await;
        let status = async |expected: &str| {
            eventually("the value is shown", async || {
                let shown = s.query(&run, "status", Value::Null).await;
                (shown.status == 200 && shown.json()["result"] == expected).then_some(())
            }).await;
        };
        status("packing").await;
        s.signal(&run, "go", "g", Value::Null).await;
        s.completes(&run, Value::Null).await;
        status("shipped").await;
        vec![run]
    } => "Started Signaled Completed"
    18 NotKilled |s| {
        let run = s.start("stages", Value::Null).await;
        let waiting = eventually("it tells", async || {
            let waiting = s.waiting(&run).await;
            (waiting["waits"].as_array().map(Vec::len) == Some(1)).then_some(waiting)
        }).await;
        let wait = &waiting["waits"][0];
        assert_eq!((&wait["kind"], &wait["signal_name"]), (&json!("signal"), &json!("go")), "{wait}");
        let location = wait["location"].as_str().unwrap_or_default();
        assert!(location.starts_with(s.language.source), "{wait}");
        s.signal(&run, "go", "g", Value::Null).await;
        s.completes(&run, Value::Null).await;
        vec![run]
    } => "Started Signaled Completed"

    19 Always |s| { simple(s, "parent", json!({"number": 7}), json!(49)).await }
        => "Started StartChildWorkflowExecutionInitiated ChildWorkflowExecutionStarted \
            ChildWorkflowExecutionCompleted Completed"
    20 Always |s| {
        let types = json!(["ChildWorkflowFailure", "Refused", "Inner"]);
        simple(s, "parent_of_failure", Value::Null, types).await
    } => "Started StartChildWorkflowExecutionInitiated ChildWorkflowExecutionStarted \
          ChildWorkflowExecutionFailed Completed"
    21 Always differs ["event_id"]; @ in_any_order |s| {
        simple(s, "nudge", json!({"text": "hello"}), json!("hello")).await
    } => "Started StartChildWorkflowExecutionInitiated ChildWorkflowExecutionStarted \
          SignalExternalWorkflowExecutionInitiated ExternalWorkflowExecutionSignaled \
          ChildWorkflowExecutionCompleted Completed"
    22 Always |s| {
        let mut runs = Vec::new();
        for (policy, status) in
            [("abandon", "running"), ("terminate", "terminated"), ("request_cancel", "canceled")]
        {
            let child = format!("child-{policy}");
            let input = json!({"input": {"policy": policy, "workflow_id": child}});
            let run = s.start_with("leaves", policy, input).await;
            s.completes(&run, json!({ "workflow_id": child })).await;
            let path = format!("runs/{child}");
            eventually("the child is treated so", async || {
                let child = s.address.send(reqwest::Method::GET, &path, None).await.ok(200);
                (child["status"] == status).then_some(())
            }).await;
            runs.push(run);
        }
        runs
    } => "Started StartChildWorkflowExecutionInitiated ChildWorkflowExecutionStarted Completed \
          Started StartChildWorkflowExecutionInitiated ChildWorkflowExecutionStarted Completed \
          Started StartChildWorkflowExecutionInitiated ChildWorkflowExecutionStarted Completed"
    23 Always |s| {
        let to = listener(s, "told").await;
        let input = json!({"to": to.workflow_id});
        let runs = simple(s, "tells", input, json!([null, ["RunNotFound"]])).await;
        s.completes(&to, json!(5)).await;
        runs
    } => "Started SignalExternalWorkflowExecutionInitiated ExternalWorkflowExecutionSignaled \
          SignalExternalWorkflowExecutionInitiated SignalExternalWorkflowExecutionFailed Completed"
    24 Always |s| {
        let to = listener(s, "told").await;
        let runs = simple(s, "cancels", json!({"to": to.workflow_id}), Value::Null).await;
        assert_eq!(s.end(&to).await["status"], "canceled");
        runs
    } => "Started RequestCancelExternalWorkflowExecutionInitiated \
          ExternalWorkflowExecutionCancelRequested Completed"
    25 Always |s| {
        let run = s.start("relay", json!({"count": 3, "taken": []})).await;
        words(s, &run).await;
        let end = s.last_end(&run).await;
        assert_eq!(end["result"], json!([1, 2, 3]), "{end}");
        chain(s, run).await
    } => "Started Signaled Signaled Signaled Signaled ActivityTaskScheduled ActivityTaskCompleted \
          ContinuedAsNew \
          Started Signaled Signaled ActivityTaskScheduled ActivityTaskCompleted ContinuedAsNew \
          Started Signaled ActivityTaskScheduled ActivityTaskCompleted Completed"
    26 Always differs ["WorkflowExecutionDelayEnded", "event_id"]; |s| {
        let retry = json!({"initial_interval_seconds": 0.001});
        let run = s.start_with("tries", "run", json!({"options": {"retry_policy": retry}})).await;
        let end = s.last_end(&run).await;
        assert_eq!(end["result"], json!({"attempt": 2, "before": "NotYet"}), "{end}");
        chain(s, run).await
    } => "Started Failed Started Completed"

    27 Always |s| {
        let run = s.start("fails", Value::Null).await;
        let end = s.end(&run).await;
        assert_eq!(end["status"], "failed", "{end}");
        let failure = &end["failure"];
        assert_eq!((&failure["type"], &failure["message"]), (&json!("Refused"), &json!("it is refused")));
        assert_eq!((&failure["non_retryable"], &failure["details"]), (&json!(true), &json!({"code": 7})));
        let cause = &failure["causes"][0];
        assert_eq!((&cause["type"], &cause["message"]), (&json!("Inner"), &json!("the reason")));
        vec![run]
    } => "Started Failed"
    28 Always |s| {
        let types = ["ActivityFailure", "Declined", "Reason"];
        let told = json!({"types": types, "message": "no funds", "details": [1, 2]});
        simple(s, "sees_failure", Value::Null, told).await
    } => "Started ActivityTaskScheduled ActivityTaskFailed Completed"
    29 NotKilled differs ["failure"]; |s| {
        let runs = simple(s, "sees_crash", Value::Null, json!(2)).await;
        let history = s.history(&runs[0]).await;
        let failure = history[2]["attributes"]["failure"].to_string();
        assert!(failure.contains("a bug in the activity"), "{failure}");
        assert!(failure.contains(s.language.source), "the line: {failure}");
        runs
    } => "Started ActivityTaskScheduled ActivityTaskFailed Completed"
    30 NotKilled |s| { simple(s, "retries", Value::Null, json!(3)).await }
        => "Started ActivityTaskScheduled ActivityTaskCompleted Completed"
    31 Always |s| {
        let types = json!(["ActivityFailure", "Listed", "Reason"]);
        simple(s, "retries_not", Value::Null, types).await
    } => "Started ActivityTaskScheduled ActivityTaskFailed Completed"
    32 Always differs ["message"]; |s| {
        let types = json!(["ActivityFailure", "ActivityTypeNotFound"]);
        simple(s, "unknown_activity", Value::Null, types).await
    } => "Started ActivityTaskScheduled ActivityTaskFailed Completed"
    33 NotKilled differs ALL_BUT_NUMBER; |s| {
        faulty(s, "bug", &["guest_trap"], &["a bug in the workflow", s.language.source]).await
    } => "Started ActivityTaskScheduled ActivityTaskCompleted WorkflowTaskFailed Terminated"
    34 Peace differs ALL_BUT_NUMBER; |s| {
        faulty(s, "hoards", &["guest_memory_limit", "guest_trap"], &[]).await
    } => "Started ActivityTaskScheduled ActivityTaskCompleted WorkflowTaskFailed Terminated"
    35 Peace differs ALL_BUT_NUMBER; |s| {
        faulty(s, "spins", &["guest_cpu_limit"], &["loop"]).await
    } => "Started ActivityTaskScheduled ActivityTaskCompleted WorkflowTaskFailed Terminated"
    36 NotKilled differs ALL_BUT_NUMBER; |s| {
        faulty(s, "huge", &["payload_too_large"], &[]).await
    } => "Started WorkflowTaskFailed Terminated"
    37 Always differs ["message"]; |s| {
        let run = s.start_with("square", "run", json!({"input_base64": "/w=="})).await;
        let end = s.end(&run).await;
        let failure = &end["failure"];
        assert_eq!((&end["status"], &failure["type"]), (&json!("failed"), &json!("InvalidInput")));
        assert_eq!(failure["non_retryable"], true);
        vec![run]
    } => "Started Failed"
    38 NotKilled differs ["failure"]; |s| {
        simple(s, "calls_forbidden", Value::Null, json!("failed")).await
    } => "Started ActivityTaskScheduled ActivityTaskStarted ActivityTaskFailed Completed"

    39 Always |s| {
        let run = s.start("cleans_up", Value::Null).await;
        s.event(&run, "TimerStarted").await;
        s.cancel(&run).await;
        assert_eq!(s.end(&run).await["status"], "canceled");
        vec![run]
    } => "Started TimerStarted CancelRequested TimerCanceled ActivityTaskScheduled \
          ActivityTaskCompleted Canceled"
    40 Always |s| {
        let run = s.start("scope", Value::Null).await;
        s.event(&run, "TimerStarted").await;
        s.signal(&run, "stop", "s", Value::Null).await;
        s.completes(&run, json!([true, true])).await;
        vec![run]
    } => "Started ActivityTaskScheduled TimerStarted Signaled ActivityTaskCanceled TimerCanceled \
          ActivityTaskScheduled ActivityTaskCompleted Completed"
    // After a crash no attempt may run that could say something.
    41 NotKilled |s| {
        let run = s.start("asks", Value::Null).await;
        s.event(&run, "ActivityTaskScheduled").await;
        s.signal(&run, "stop", "s", Value::Null).await;
        let types = ["ActivityFailure", "Cancelled"];
        s.completes(&run, json!({"cancelled": true, "types": types, "message": "stopped"})).await;
        vec![run]
    } => "Started ActivityTaskScheduled Signaled ActivityTaskCancelRequested ActivityTaskCanceled \
          Completed"
    // The child may have ended before its parent hears that it was asked.
    42 Always differs ["ExternalWorkflowExecutionCancelRequested", "event_id"]; |s| {
        let run = s.start("parent_cancelled", Value::Null).await;
        s.event(&run, "ChildWorkflowExecutionStarted").await;
        s.cancel(&run).await;
        assert_eq!(s.end(&run).await["status"], "canceled");
        vec![run]
    } => "Started StartChildWorkflowExecutionInitiated ChildWorkflowExecutionStarted \
          CancelRequested RequestCancelExternalWorkflowExecutionInitiated \
          ChildWorkflowExecutionCanceled Canceled"

    43 NotKilled |s| { simple(s, "heartbeats", Value::Null, json!({"attempt": 2, "from": 3})).await }
        => "Started ActivityTaskScheduled ActivityTaskCompleted Completed"
    44 Always |s| { simple(s, "versions", Value::Null, json!([1, 1])).await }
        => "Started MarkerRecorded TimerStarted TimerFired Completed"
    45 Always |s| { simple(s, "side_effects", Value::Null, json!([7, [1, "a"]])).await }
        => "Started MarkerRecorded TimerStarted TimerFired MarkerRecorded Completed"
    46 Always |s| {
        let runs = simple(s, "memo", Value::Null, json!([{"at": "packing"}, null])).await;
        assert_eq!(s.describe(&runs[0]).await["memo"], json!({"step": {"at": "packing"}}));
        runs
    } => "Started WorkflowPropertiesModified WorkflowPropertiesModified TimerStarted TimerFired \
          WorkflowPropertiesModified Completed"
    47 Always |s| {
        let names = json!(["big", "customer", "due", "labels", "paid", "share", "title"]);
        simple(s, "search_attributes", Value::Null, names).await
    } => "Started UpsertWorkflowSearchAttributes Completed"
    48 Always |s| { simple(s, "logs", Value::Null, Value::Null).await }
        => "Started TimerStarted TimerFired ActivityTaskScheduled ActivityTaskCompleted Completed"
    49 Always |s| {
        let value = json!({
            "text": "Grüße, 世界 🎼 \"\\ \u{0} \u{2028}",
            "small": [0, -1, 2_147_483_648_u64, 9_007_199_254_740_991_u64],
            "large": [
                9_007_199_254_740_993_u64, i64::MIN, 9_223_372_036_854_775_807_u64, u64::MAX
            ],
            "real": [0.5, -1.25, 1e300],
            "nested": {"empty": {}, "list": [[], [null, true, false]]},
        });
        simple(s, "payloads", value.clone(), value).await
    } => "Started ActivityTaskScheduled ActivityTaskCompleted Completed"
    50 Always |s| {
        let run = s.start_with("nothing", "run", json!({})).await;
        s.completes(&run, Value::Null).await;
        vec![run]
    } => "Started ActivityTaskScheduled ActivityTaskCompleted Completed"
    51 Always |s| {
        let run = s.start("about", Value::Null).await;
        let workflow_id = &run.workflow_id;
        s.completes(&run, json!({
            "workflow_type": "about", "workflow_id": workflow_id, "attempt": 1,
            "activity": {
                "activity_type": "attempt_info", "operation": 1, "attempt": 1,
                "workflow_id": workflow_id,
            },
        })).await;
        vec![run]
    } => "Started ActivityTaskScheduled ActivityTaskCompleted Completed"
    52 NotKilled |s| {
        let run = s.start("options", json!({"queue": "conformance"})).await;
        let worker = Worker::new(s.address.client(), "conformance", "test");
        let task = worker.task().await;
        assert_eq!((&task["activity_type"], &task["input"]), (&json!("step"), &json!(1)), "{task}");
        worker.report(&task, json!({"result": "done"})).await.expect("it is recorded");
        s.completes(&run, json!("done")).await;
        vec![run]
    } => "Started ActivityTaskScheduled ActivityTaskCompleted Completed"
    53 Always differs ["url"]; |s| {
        let run = s.start("posts", json!({"url": s.effects.url()})).await;
        s.completes(&run, json!("posted")).await;
        let arrived = s.effects.of(&run.workflow_id);
        let key = format!("{}-1", run.run_id);
        assert!(arrived.iter().all(|it| it.run_id != run.run_id || it.key == key), "{arrived:?}");
        assert!(arrived.iter().any(|it| it.run_id == run.run_id), "{arrived:?}");
        vec![run]
    } => "Started ActivityTaskScheduled ActivityTaskCompleted Completed"
    54 NotKilled |s| { programs::play(s).await } => ""
}

/// A run and those that follow it.
async fn chain(stage: &Stage<'_>, first: Played) -> Vec<Played> {
    let mut runs = vec![first];
    loop {
        let last = runs.last().expect("there is one").clone();
        let end = stage.end(&last).await;
        match end["new_run_id"].as_str() {
            Some(next) => runs.push(Played { run_id: next.to_owned(), ..last }),
            None => return runs,
        }
    }
}
