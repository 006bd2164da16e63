//! Activities that workers of task queues run, as the code of a workflow asks for them.

use dacapo_model::event::EventAttributes;
use dacapo_model::task::TaskRoute;

use crate::guests::guest;
use crate::history::{Run, replay};
use crate::support::{config, host, json, run, text};

/// Where the activities of a run wait.
fn routes(run: &Run) -> Vec<&TaskRoute> {
    let scheduled = run.history.iter().filter_map(|event| match &event.attributes {
        EventAttributes::ActivityTaskScheduled { options, .. } => Some(options),
        _ => None,
    });
    scheduled.map(|options| options.task_queue.as_ref().expect("it names a queue")).collect()
}

#[tokio::test]
async fn steps_of_workers_are_recorded_with_their_place_and_make_one_history() {
    let guest = guest("steps");
    let host = host(config(), &[&guest]);
    let context = run(guest.digest, 1);
    for (options, priority, key, weight) in [
        ("{}", 3, None, 1.0),
        (r#"{"priority": 1, "fairness_key": "tenant 7"}"#, 1, Some("tenant 7"), 1.0),
        (r#"{"fairness_weight": 2.5}"#, 3, None, 2.5),
    ] {
        let input = format!(r#"{{"queue": "e mails", "steps": 2, "options": {options}}}"#);
        let mut run =
            Run::start(&host, &context, "remote_sequential", &input).await.expect("starts");
        for result in ["\"a\"", "\"b\""] {
            run.activity_returns(Ok(json(result))).await.expect("goes on");
        }
        assert_eq!(text(run.result()), r#"["a","b"]"#);
        let shown = routes(&run).into_iter().map(|route| {
            let key = route.fairness_key.as_ref().map(|key| key.as_str());
            let weight = route.fairness_weight.number();
            (route.queue.as_str(), route.priority.number(), key, weight)
        });
        assert_eq!(shown.collect::<Vec<_>>(), [("e mails", priority, key, weight); 2]);
        assert_eq!(replay(&host, &context, run.history).await, Ok(0));
    }
}

#[tokio::test]
async fn steps_of_workers_are_all_asked_for_at_once() {
    let guest = guest("steps");
    let host = host(config(), &[&guest]);
    let input = r#"{"queue": "emails", "activity": "send", "steps": 3}"#;
    let context = run(guest.digest, 1);
    let run = Run::start(&host, &context, "remote_fan_out", input).await.expect("starts");
    assert_eq!((routes(&run).len(), run.effects.len()), (3, 0), "nothing of it runs here");
}

#[tokio::test]
async fn another_place_in_history_is_named() {
    let guest = guest("steps");
    let host = host(config(), &[&guest]);
    let context = run(guest.digest, 1);
    let input = r#"{"queue": "emails", "steps": 1, "options": {"fairness_key": "a"}}"#;
    let mut history =
        Run::start(&host, &context, "remote_sequential", input).await.expect("starts").history;
    let Some(EventAttributes::ActivityTaskScheduled { options, .. }) =
        history.last_mut().map(|event| &mut event.attributes)
    else {
        panic!("an activity was to be scheduled: {history:?}");
    };
    options.task_queue.as_mut().expect("it names a queue").fairness_key = None;
    let blocked = replay(&host, &context, history).await.expect_err("it is another one");
    assert_eq!(blocked.code, "nondeterminism");
    let found = blocked.nondeterminism.expect("it says where");
    assert!(found.recorded.ends_with(r#"task queue "emails" with priority 3"#), "{found:?}");
    assert!(
        found.attempted.ends_with(r#"task queue "emails" with priority 3 for "a" with weight 1"#),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_place_that_breaks_a_rule_stops_the_code_with_the_rule() {
    let guest = guest("steps");
    let host = host(config(), &[&guest]);
    let context = run(guest.digest, 1);
    for (input, rule) in [
        (r#"{"queue": "", "steps": 1}"#, "`task-queue` is wrong: the task queue must not be empty"),
        (
            r#"{"queue": "a", "steps": 1, "options": {"priority": 6}}"#,
            "it goes from 1, which comes first, to 5",
        ),
        (
            r#"{"queue": "a", "steps": 1, "options": {"fairness_weight": 0.0}}"#,
            "it goes from 0.001 to 1000",
        ),
    ] {
        let blocked = Run::start(&host, &context, "remote_sequential", input).await.err();
        let blocked = blocked.expect("it breaks a rule");
        assert_eq!(blocked.code, "guest_trap");
        assert!(blocked.message.contains(rule), "{}", blocked.message);
    }
}
