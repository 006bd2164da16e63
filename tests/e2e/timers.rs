//! Timers of all lengths, from outside: on time, once, and however often the
//! server dies meanwhile.

use chrono::{DateTime, TimeDelta, Utc};
use dacapo_tests::{Database, Server, event_types, on_both_databases};
use serde_json::{Value, json};

on_both_databases! {
    timers_of_a_millisecond_fire_once_and_never_early,
    a_timer_of_ten_years_outlives_the_server_and_longer_ones_are_cut_to_it,
    timers_that_lost_a_race_are_cancelled,
    a_timer_does_not_wait_for_very_many_of_other_runs,
}

fn time(of: &Value) -> DateTime<Utc> {
    let text = of.as_str().unwrap_or_else(|| panic!("a time was expected, not {of}"));
    text.parse().expect("RFC 3339")
}

fn of_type<'a>(history: &'a [Value], event_type: &str) -> Vec<&'a Value> {
    history.iter().filter(|event| event["event_type"] == event_type).collect()
}

async fn timers_of_a_millisecond_fire_once_and_never_early(database: Database) {
    let server = Server::start(&database).await;
    server.client().upload_guests(&["steps"]).await;
    let run = server.client().start("timers", json!({"millis": [1, 0, 1, 2]})).await;
    let passed: Vec<u64> = serde_json::from_value(run.completed().await).expect("numbers");
    assert_eq!(passed.len(), 4);
    assert!(passed.iter().zip([1, 0, 1, 2]).all(|(passed, asked)| *passed >= asked), "{passed:?}");

    let history = run.history().await;
    let (started, fired) = (of_type(&history, "TimerStarted"), of_type(&history, "TimerFired"));
    assert_eq!((started.len(), fired.len()), (4, 4));
    for (started, fired) in started.iter().zip(fired) {
        assert_eq!(fired["attributes"]["started_event_id"], started["event_id"]);
        let (due, at) = (time(&started["attributes"]["fire_at"]), time(&fired["time"]));
        assert!(at >= due, "due at {due}, fired at {at}");
    }
}

async fn a_timer_of_ten_years_outlives_the_server_and_longer_ones_are_cut_to_it(
    database: Database,
) {
    let ten_years = TimeDelta::days(10 * 366);
    let server = Server::start(&database).await;
    server.client().upload_guests(&["steps"]).await;
    let years = u64::try_from(ten_years.num_milliseconds()).expect("a positive number");
    for asked in [years, u64::MAX] {
        let run = server.client().start("timers", json!({"millis": [asked]})).await;
        let history = run.history().await;
        let started = of_type(&history, "TimerStarted")[0];
        let fire_at = time(&started["attributes"]["fire_at"]);
        assert_eq!(fire_at - time(&history[0]["time"]), ten_years);
    }
    let run = server.client().start("timers", json!({"millis": [u64::MAX]})).await;
    let pending = run.describe().await["pending_timers"].clone();
    server.kill().await;

    let server = Server::start(&database).await;
    let run = run.on(&server);
    assert_eq!(run.describe().await["pending_timers"], pending);
    assert_eq!(event_types(&run.history().await), ["WorkflowExecutionStarted", "TimerStarted"]);
    run.act("terminate", &json!({"reason": "we can't wait"})).await.ok(200);
}

async fn timers_that_lost_a_race_are_cancelled(database: Database) {
    let server = Server::start(&database).await;
    server.client().upload_guests(&["steps"]).await;
    let run = server.client().start("race", json!({"millis": [86_400_000, 5, u64::MAX]})).await;
    assert_eq!(run.completed().await, 1);
    let history = run.history().await;
    assert_eq!(
        event_types(&history),
        [
            "WorkflowExecutionStarted",
            "TimerStarted",
            "TimerStarted",
            "TimerStarted",
            "TimerFired",
            "TimerCanceled",
            "TimerCanceled",
            "WorkflowExecutionCompleted"
        ]
    );
    let given_up: Vec<_> =
        of_type(&history, "TimerCanceled").iter().map(|it| &it["attributes"]).collect();
    let operations: Vec<_> = given_up.iter().map(|it| it["operation_id"].as_u64()).collect();
    assert_eq!(operations, [Some(1), Some(3)]);
}

/// All are due at the same time, the one included.
async fn a_timer_does_not_wait_for_very_many_of_other_runs(database: Database) {
    const TIMERS: usize = 400;
    let server = Server::start(&database).await;
    server.client().upload_guests(&["steps"]).await;
    #[expect(clippy::disallowed_methods, reason = "the server goes by the same clock")]
    let due = Utc::now() + TimeDelta::seconds(5);
    let start = async |count: usize| {
        let input = json!({"count": count, "due_micros": due.timestamp_micros()});
        server.client().start("alarms", input).await
    };
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(start(TIMERS).await);
    }
    let one = start(1).await;
    assert_eq!(one.completed().await, 1);
    let fired_at = time(&of_type(&one.history().await, "TimerFired")[0]["time"]);
    let mut before = 0;
    for other in others {
        assert_eq!(other.completed().await, TIMERS);
        let history = other.history().await;
        let fired = of_type(&history, "TimerFired").into_iter().map(|event| time(&event["time"]));
        before += fired.filter(|at| *at < fired_at).count();
    }
    assert!(before < 10 * TIMERS / 2, "{before} fired before it");
}
