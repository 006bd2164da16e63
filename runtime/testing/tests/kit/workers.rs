//! Activities of task queues, which closures of the test answer.

use std::time::Duration;

use dacapo_testing::{cancelled, failure};
use serde_json::{Value, json};

use crate::env;

#[tokio::test]
async fn closures_stand_for_workers_of_any_queue() {
    let env = env().await;
    env.activity("send", |step: u32| Ok(step * 10));
    for workflow in ["remote_sequential", "remote_fan_out"] {
        let input = json!({"queue": "emails", "activity": "send", "steps": 30});
        let run = env.start(workflow, &input).await.expect("started");
        let expected: Vec<u32> = (0..30).map(|step| step * 10).collect();
        assert_eq!(run.result::<Vec<u32>>().await.expect("completed"), expected);
    }
    assert_eq!(env.calls("send").attempts(), 60);
    assert_eq!(env.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_failed_attempt_is_made_again_after_its_time() {
    let env = env().await;
    env.activity_attempts("send", |attempt, _step: u32| match attempt {
        3 => Ok(attempt),
        _ => Err(failure("NotYet", "later")),
    });
    let input = json!({"queue": "emails", "activity": "send", "steps": 1});
    let run = env.start("remote_sequential", &input).await.expect("started");
    assert_eq!(run.result::<Vec<u32>>().await.expect("completed"), [3]);
    assert_eq!(env.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn an_attempt_that_hangs_runs_into_its_timeout() {
    let env = env().await;
    env.activity_hangs("send");
    for (options, timeout, seconds) in [
        (json!({"start_to_close_millis": 5_000, "maximum_attempts": 1}), "StartToClose", 5),
        (json!({"heartbeat_millis": 2_000, "maximum_attempts": 1}), "Heartbeat", 7),
        (json!({"schedule_to_close_millis": 3_000}), "ScheduleToClose", 10),
    ] {
        let input = json!({"queue": "emails", "activity": "send", "steps": 1, "options": options});
        let run = env.start("remote_sequential", &input).await.expect("started");
        let failed = run.result::<Value>().await.expect_err("it hangs");
        assert!(failed.is_failure(timeout), "{failed}");
        assert_eq!(env.elapsed(), Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn what_a_closure_says_is_told_to_the_next_attempt() {
    let env = env().await;
    env.activity_with("send", |attempt, _step: u32| async move {
        if let Some(said) = attempt.heartbeat_details::<String>()? {
            return Ok(said);
        }
        attempt.sleep(Duration::from_secs(1)).await;
        attempt.heartbeat(&"half");
        attempt.hang().await
    });
    let options = json!({"heartbeat_millis": 2_000});
    let input = json!({"queue": "emails", "activity": "send", "steps": 1, "options": options});
    let run = env.start("remote_sequential", &input).await.expect("started");
    assert_eq!(run.result::<Vec<String>>().await.expect("completed"), ["half"]);
    assert_eq!(env.elapsed(), Duration::from_secs(4));
}

#[tokio::test]
async fn a_closure_is_asked_to_cancel_and_may_clean_up() {
    let env = env().await;
    env.activity_with("send", |attempt, _input: Value| async move {
        attempt.cancel_requested().await;
        Err::<(), _>(cancelled("half done"))
    });
    let options = json!({"cancellation": "wait", "task_queue": "emails"});
    let input = json!({"activity": "send", "options": options});
    let run = env.start("call", &input).await.expect("started");
    env.settle().await.expect("settled");
    run.cancel().await.expect("it is open");
    let ended = run.result::<Value>().await.expect_err("it was cancelled");
    assert!(ended.to_string().contains("cancel"), "{ended}");
    assert_eq!(env.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn an_attempt_is_completed_by_its_token_also_after_a_restart() {
    let env = env().await;
    env.activity_completes_later("send");
    let input = json!({"queue": "emails", "activity": "send", "steps": 1});
    let run = env.start("remote_sequential", &input).await.expect("started");
    env.settle().await.expect("settled");
    env.restart().await.expect("restarted");
    let tokens = env.calls("send").tokens();
    assert_eq!(tokens.len(), 1, "it is not made again");
    env.activity_by_token(&tokens[0]).expect("a token").complete(&7).await.expect("it is open");
    assert_eq!(run.result::<Vec<u32>>().await.expect("completed"), [7]);
}

#[tokio::test]
async fn an_activity_that_no_closure_answers_says_so() {
    let env = env().await;
    let input = json!({"queue": "emails", "activity": "send", "steps": 1});
    let run = env.start("remote_sequential", &input).await.expect("started");
    let failed = run.result::<Value>().await.expect_err("nobody answers it");
    assert!(failed.is_failure("NoWorker"), "{failed}");
}
