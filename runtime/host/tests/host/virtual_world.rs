//! A workflow written with nothing but `std` sees a world that repeats.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::guests::guest;
use crate::history::{Run, START, replay, started};
use crate::support::{config, host, run, text};

const PAUSE_MILLIS: u64 = 3_600_000;

/// Runs `std_only` to its end, and answers what it saw.
async fn observe(run_id: u128) -> Value {
    let guest = guest("std_only");
    let host = host(config(), &[&guest]);
    let context = run(guest.digest, run_id);
    let mut started = started(&context, "std_only", &PAUSE_MILLIS.to_string());
    started.environment = BTreeMap::from([("REGION".to_owned(), "eu".to_owned())]);
    started.arguments = vec!["std_only".to_owned(), "--fast".to_owned()];
    let mut run = Run::start_with(&host, &context, started).await.expect("starts");
    assert_eq!(run.event_types(), ["WorkflowExecutionStarted", "TimerStarted"]);
    run.timer_fires().await.expect("goes on");
    let seen = serde_json::from_str(text(run.result())).expect("JSON");
    assert_eq!(replay(&host, &context, run.history).await, Ok(0), "it replays");
    seen
}

#[tokio::test]
async fn clocks_show_the_time_of_the_run_and_a_sleep_is_a_durable_timer() {
    let seen = observe(1).await;
    let pause = Duration::from_millis(PAUSE_MILLIS);
    assert_eq!(seen["system_before"], START.as_nanos());
    assert_eq!(seen["system_after"], START.after(pause).as_nanos());
    assert_eq!(seen["monotonic_elapsed"], u64::try_from(pause.as_nanos()).expect("fits"));
}

#[tokio::test]
async fn environment_and_arguments_are_those_of_the_start_request() {
    let seen = observe(1).await;
    assert_eq!(seen["env"], serde_json::json!({"REGION": "eu"}));
    assert_eq!(seen["args"], serde_json::json!(["std_only", "--fast"]));
}

#[tokio::test]
async fn the_same_run_sees_the_same_random_numbers_and_another_run_others() {
    let (first, again, other) = (observe(1).await, observe(1).await, observe(2).await);
    assert_eq!(first, again);
    assert_ne!(first["hash"], other["hash"]);
    // Of 40,320 orders; these two run ids give different ones.
    assert_ne!(first["keys"], other["keys"]);
}

#[tokio::test]
async fn a_sleep_is_not_disturbed_by_a_request_to_cancel() {
    let guest = guest("std_only");
    let host = host(config(), &[&guest]);
    let context = run(guest.digest, 3);
    let mut run = Run::start(&host, &context, "std_only", "1000").await.expect("starts");
    run.wait(Duration::from_millis(10));
    run.input(dacapo_engine::decide::Input::RequestCancel {
        reason: "test".to_owned(),
        request_id: None,
    })
    .await
    .expect("recorded");
    assert_eq!(run.state.timers.len(), 1, "it still sleeps");
    run.timer_fires().await.expect("goes on");
    let seen: Value = serde_json::from_str(text(run.result())).expect("JSON");
    assert_eq!(seen["monotonic_elapsed"], 1_000_000_000);
}
