//! Runs, their activities, and the time that they take.

use std::time::{Duration, SystemTime};

use dacapo_testing::{ExecutionStatus, TestError, failure};
use serde_json::{Value, json};

use crate::{DAY, env};

#[tokio::test]
async fn a_month_of_timers_takes_no_time() {
    let env = env().await;
    #[expect(clippy::disallowed_methods, reason = "the machine's time is what is measured")]
    let began = SystemTime::now();
    let millis = vec![DAY.as_millis(); 30];
    let run = env.start("timers", &json!({"millis": millis})).await.expect("started");
    let _: Value = run.result().await.expect("completed");
    assert_eq!(env.elapsed(), 30 * DAY);
    assert!(began.elapsed().expect("time goes on") < Duration::from_secs(20));
}

#[tokio::test]
async fn retries_are_counted_and_their_backoffs_skipped() {
    let env = env().await;
    env.activity_attempts("noop", |attempt, ()| {
        if attempt < 10 { Err(failure("NotYet", "later")) } else { Ok(()) }
    });
    let run = env.start("sequential", &json!({"steps": 2})).await.expect("started");
    assert_eq!(run.result::<u64>().await.expect("completed"), 2);
    let calls = env.calls("noop");
    assert_eq!((calls.count(), calls.attempts()), (2, 20));
    // 1 + 2 + ... + 64 + 2 * 100 seconds, twice.
    assert_eq!(env.elapsed(), Duration::from_secs(2 * (127 + 200)));
}

#[tokio::test]
async fn what_is_not_replaced_runs_for_real_and_is_recorded_too() {
    let env = env().await;
    let run = env.start("fan_out", &json!({"steps": 5})).await.expect("started");
    assert_eq!(run.result::<Vec<u64>>().await.expect("completed"), [0, 2, 4, 6, 8]);
    let mut inputs = env.calls("double").inputs::<u64>();
    inputs.sort_unstable();
    assert_eq!(inputs, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_thousand_activities_answer_one_run() {
    let env = env().await;
    env.activity("double", |n: u64| Ok(n + 1));
    let run = env.start("fan_out", &json!({"steps": 1_000})).await.expect("started");
    let outputs: Vec<u64> = run.result().await.expect("completed");
    assert_eq!(outputs, (1..=1_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_thousand_timers_of_one_run_are_due_at_once() {
    let env = env().await;
    let input = json!({"millis": vec![60_000; 1_000]});
    let run = env.start("race", &input).await.expect("started");
    assert_eq!(run.result::<u64>().await.expect("completed"), 0);
    assert!(env.elapsed() < Duration::from_secs(70), "{:?}", env.elapsed());
}

#[tokio::test]
async fn time_stands_still_until_somebody_waits_for_a_result() {
    let env = env().await;
    let input = json!({"count": 1, "pause_millis": 5_000});
    let run = env.start("await_signals", &input).await.expect("started");
    run.signal("word", &"early").await.expect("recorded");
    let described = run.describe().await.expect("described");
    assert_eq!(described.execution.status, ExecutionStatus::Running);
    assert_eq!(described.pending_timers.len(), 1);
    assert_eq!(env.elapsed(), Duration::ZERO);
    assert_eq!(run.result::<Vec<String>>().await.expect("completed"), ["early"]);
    assert_eq!(env.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn time_goes_as_far_as_it_is_told_and_no_further_while_it_is_held() {
    let env = env().await;
    let hold = env.hold_time();
    let run = env.start("timers", &json!({"millis": [10_000, 10_000]})).await.expect("started");
    let stuck = run.result::<Value>().await.expect_err("time is held");
    assert!(stuck.to_string().contains("Time is held"), "{stuck}");
    assert!(stuck.to_string().contains("waits for a timer, 10s from now"), "{stuck}");

    env.advance(Duration::from_secs(15)).await.expect("time goes on");
    assert_eq!(env.elapsed(), Duration::from_secs(15));
    assert_eq!(run.history().await.expect("a history").count("TimerFired"), 1);
    drop(hold);
    let _: Value = run.result().await.expect("completed");
    assert_eq!(env.elapsed(), Duration::from_secs(20));
}

#[tokio::test]
async fn an_attempt_that_hangs_ends_with_its_timeout() {
    let env = env().await;
    env.activity_hangs("noop");
    let run = env.start("sequential", &json!({"steps": 1})).await.expect("started");
    env.advance(Duration::from_secs(59)).await.expect("time goes on");
    assert_eq!(env.calls("noop").attempts(), 1);
    env.advance(Duration::from_secs(2)).await.expect("time goes on");
    assert_eq!(env.calls("noop").attempts(), 2, "60 s for the attempt, 1 s of backoff");
    env.activity("noop", |()| Ok(()));
    assert_eq!(run.result::<u64>().await.expect("completed"), 1);
}

#[tokio::test]
async fn a_run_that_nothing_will_happen_to_says_what_it_waits_for() {
    let env = env().await;
    let run = env.start("await_signals", &json!({"count": 1})).await.expect("started");
    let stuck = run.result::<Value>().await.expect_err("nobody signals");
    assert!(matches!(stuck, TestError::Stuck(_)));
    assert!(stuck.to_string().contains("does it wait for a signal?"), "{stuck}");
    // Another task of the test may come to the rescue.
    let (result, sent) = tokio::join!(run.result::<Vec<u32>>(), run.signal("word", &7));
    sent.expect("recorded");
    assert_eq!(result.expect("completed"), [7]);
}

#[tokio::test]
async fn failures_cancellation_and_faults_are_told_apart() {
    let env = env().await;
    let input = json!({"type": "Broken", "message": "it broke"});
    let run = env.start("fails", &input).await.expect("started");
    let failed = run.result::<Value>().await.expect_err("it fails");
    assert!(failed.is_failure("Broken"), "{failed}");

    let run = env.start("cancellable", &json!(null)).await.expect("started");
    run.cancel().await.expect("asked");
    assert_eq!(run.end().await.expect("ended"), ExecutionStatus::Canceled);

    let unknown = env.start("no_such_workflow", &json!(null)).await.err().expect("refused");
    assert!(unknown.to_string().contains("no_such_workflow"), "{unknown}");
}

#[tokio::test]
async fn a_closure_that_panics_fails_the_activity_once() {
    let env = env().await;
    env.activity("noop", |()| -> Result<(), _> { panic!("an assertion of the test") });
    let run = env.start("sequential", &json!({"steps": 1})).await.expect("started");
    let failed = run.result::<Value>().await.expect_err("it fails");
    assert!(failed.to_string().contains("an assertion of the test"), "{failed}");
    assert_eq!(env.calls("noop").attempts(), 1);
}

#[tokio::test]
#[should_panic(expected = "no module defines activity `nop`")]
async fn a_misspelt_activity_is_found() {
    env().await.calls("nop");
}

#[tokio::test]
async fn runs_that_continue_as_new_are_followed_to_the_last() {
    let env = env().await;
    let run = env.start("continue_n", &json!({"remaining": 3})).await.expect("started");
    let _: Value = run.result().await.expect("completed");
    assert_eq!(env.calls("noop").count(), 3);
}

#[tokio::test]
async fn a_history_is_replayed_against_the_code_of_today() {
    let env = env().await;
    let run = env.start("sequential", &json!({"steps": 2})).await.expect("started");
    let _: u64 = run.result().await.expect("completed");
    let history = run.history().await.expect("a history");
    env.replay(&history).await.expect("it fits");
}
