//! Heartbeats, graces and waits for slots take the time of the environment.

use std::time::Duration;

use dacapo_testing::{ExecutionStatus, TestEnv, TestError, TestRun};
use serde_json::{Value, json};

use crate::{env, steps};

async fn call<'env>(env: &'env TestEnv, options: Value) -> TestRun<'env> {
    let input = json!({"activity": "echo", "input": 7, "options": options});
    env.start("call", &input).await.expect("started")
}

async fn failure_of(run: &TestRun<'_>) -> TestError {
    run.result::<Value>().await.expect_err("it fails")
}

#[tokio::test]
async fn an_attempt_that_falls_silent_ends_with_its_heartbeat_timeout() {
    let env = env().await;
    env.activity_hangs("echo");
    let run = call(&env, json!({"heartbeat_millis": 5_000, "maximum_attempts": 1})).await;
    let failed = failure_of(&run).await;
    assert!(failed.is_failure("Heartbeat"), "{failed}");
    assert_eq!(env.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn an_attempt_that_says_that_it_is_alive_goes_on() {
    let env = env().await;
    env.activity_with("echo", |attempt, rounds: u32| async move {
        for round in 0..rounds {
            attempt.sleep(Duration::from_secs(4)).await;
            attempt.heartbeat(&round);
        }
        attempt.hang::<()>().await;
        Ok(())
    });
    let run = call(&env, json!({"heartbeat_millis": 5_000, "maximum_attempts": 1})).await;
    env.advance(Duration::from_secs(27)).await.expect("time goes on");
    let pending = run.describe().await.expect("described").pending_activities;
    let said = pending[0].heartbeat_details.as_ref().expect("it has said something");
    assert_eq!(said.as_bytes(), b"5", "each 4 s, as often as they are stored");
    let failed = failure_of(&run).await;
    assert!(failed.is_failure("Heartbeat"), "{failed}");
    assert_eq!(env.elapsed(), Duration::from_secs(7 * 4 + 5));
}

#[tokio::test]
async fn heartbeats_from_outside_keep_an_attempt_alive() {
    let env = env().await;
    env.activity_completes_later("echo");
    let run = call(&env, json!({"heartbeat_millis": 5_000, "maximum_attempts": 1})).await;
    for beat in 0..5 {
        env.advance(Duration::from_secs(3)).await.expect("time goes on");
        let pending = run.describe().await.expect("described").pending_activities;
        run.activity(pending[0].operation_id.0).heartbeat(&beat).await.expect("it is open");
    }
    let failed = failure_of(&run).await;
    assert!(failed.is_failure("Heartbeat"), "{failed}");
    assert_eq!(env.elapsed(), Duration::from_secs(5 * 3 + 5));
}

#[tokio::test]
async fn an_attempt_that_does_not_end_when_it_is_asked_is_stopped_after_its_grace() {
    let env = env().await;
    env.activity_hangs("echo");
    let options = json!({"cancellation": "wait", "grace_millis": 30_000});
    let run = call(&env, options).await;
    env.settle().await.expect("settled");
    run.cancel().await.expect("asked");
    assert_eq!(env.elapsed(), Duration::ZERO);
    assert_eq!(run.end().await.expect("ended"), ExecutionStatus::Canceled);
    assert_eq!(env.elapsed(), Duration::from_secs(30));
    let history = format!("{:?}", run.history().await.expect("a history"));
    assert!(history.contains("grace"), "{history}");
}

#[tokio::test]
async fn an_attempt_that_gets_no_slot_in_time_is_given_up() {
    let env = steps().activities_max(1).start().await.expect("an environment");
    env.activity_hangs("echo");
    let first = call(&env, json!({"start_to_close_millis": 20_000, "maximum_attempts": 1})).await;
    env.settle().await.expect("settled");
    let second = call(&env, json!({"schedule_to_start_millis": 10_000})).await;
    let third =
        call(&env, json!({"schedule_to_start_millis": 30_000, "maximum_attempts": 1})).await;
    let failed = failure_of(&second).await;
    assert!(failed.is_failure("ScheduleToStart"), "{failed}");
    assert_eq!(env.elapsed(), Duration::from_secs(10));
    assert_eq!(env.calls("echo").attempts(), 1);

    let failed = failure_of(&first).await;
    assert!(failed.is_failure("StartToClose"), "{failed}");
    env.settle().await.expect("settled");
    assert_eq!(env.calls("echo").attempts(), 2, "the slot is free");
    let failed = failure_of(&third).await;
    assert!(failed.is_failure("StartToClose"), "{failed}");
    assert_eq!(env.elapsed(), Duration::from_secs(20 + 60));
}
