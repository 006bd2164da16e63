//! Activities that somebody else completes, and closures that take their time.

use std::time::Duration;

use dacapo_testing::{ExecutionStatus, TestError, cancelled, failure};
use serde_json::{Value, json};

use crate::env;

#[tokio::test]
async fn an_attempt_is_completed_by_its_token() {
    let env = env().await;
    env.activity_completes_later("echo");
    let run = env.start("call", &json!({"activity": "echo", "input": 7})).await.expect("started");
    env.settle().await.expect("settled");
    let tokens = env.calls("echo").tokens();
    assert_eq!(tokens.len(), 1);
    let activity = env.activity_by_token(&tokens[0]).expect("a token");
    let heard = activity.heartbeat(&"soon").await.expect("it is open");
    assert!(!heard.cancel_requested);
    activity.complete(&"from outside").await.expect("it is open");
    assert_eq!(run.result::<String>().await.expect("completed"), "from outside");
    assert_eq!(env.elapsed(), Duration::ZERO);

    let over = activity.complete(&"again").await.expect_err("it is over");
    assert!(over.to_string().contains("no such activity"), "{over}");
    let nonsense = env.activity_by_token("nonsense").err().expect("no token");
    assert!(matches!(nonsense, TestError::Value(_)), "{nonsense}");
}

#[tokio::test]
async fn an_attempt_is_failed_by_its_name_and_made_again() {
    let env = env().await;
    env.activity_completes_later("echo");
    let run = env.start("call", &json!({"activity": "echo"})).await.expect("started");
    let pending = run.describe().await.expect("described").pending_activities;
    assert!(pending[0].is_open);
    let activity = run.activity(pending[0].operation_id.0);
    activity.fail(failure("NotYet", "later")).await.expect("it is open");
    env.advance(Duration::from_secs(1)).await.expect("time goes on");
    assert_eq!(env.calls("echo").tokens().len(), 2);
    activity.complete(&1).await.expect("the second is open");
    assert_eq!(run.result::<u32>().await.expect("completed"), 1);
}

#[tokio::test]
async fn an_attempt_that_nobody_completes_runs_into_its_timeout() {
    let env = env().await;
    env.activity_completes_later("echo");
    let options = json!({"start_to_close_millis": 5_000, "maximum_attempts": 1});
    let input = json!({"activity": "echo", "options": options});
    let run = env.start("call", &input).await.expect("started");
    let failed = run.result::<Value>().await.expect_err("nobody completes it");
    assert!(failed.is_failure("StartToClose"), "{failed}");
    assert_eq!(env.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn an_activity_that_runs_for_real_may_be_completed_from_outside_too() {
    let env = env().await;
    let run = env.start("call", &json!({"activity": "talk"})).await.expect("started");
    env.settle().await.expect("settled");
    let tokens = env.calls("talk").tokens();
    env.activity_by_token(&tokens[0]).expect("a token").complete(&"done").await.expect("open");
    assert_eq!(run.result::<String>().await.expect("completed"), "done");
}

#[tokio::test]
async fn a_closure_takes_time_that_nobody_waits_for() {
    let env = env().await;
    env.activity_with("echo", |attempt, minutes: u32| async move {
        for _ in 0..minutes {
            attempt.sleep(Duration::from_secs(60)).await;
        }
        Ok(attempt.number())
    });
    let options = json!({"start_to_close_millis": 3_600_000});
    let input = json!({"activity": "echo", "input": 50, "options": options});
    let run = env.start("call", &input).await.expect("started");
    assert_eq!(run.result::<u32>().await.expect("completed"), 1);
    assert_eq!(env.elapsed(), Duration::from_secs(50 * 60));
}

#[tokio::test]
async fn a_closure_goes_on_where_the_attempt_before_has_stopped() {
    let env = env().await;
    env.activity_with("echo", |attempt, items: u32| async move {
        let first = attempt.heartbeat_details::<u32>()?.unwrap_or(0);
        attempt.heartbeat(&(first + 1));
        if first + 1 < items { Err(failure("Interrupted", "again")) } else { Ok(first + 1) }
    });
    let input = json!({"activity": "echo", "input": 4});
    let run = env.start("call", &input).await.expect("started");
    assert_eq!(run.result::<u32>().await.expect("completed"), 4);
    assert_eq!(env.calls("echo").attempts(), 4);
}

#[tokio::test]
async fn a_closure_hears_that_it_is_to_cancel() {
    let env = env().await;
    env.activity_with("echo", |attempt, _: Value| async move {
        attempt.cancel_requested().await;
        Err::<(), _>(cancelled("as it was told"))
    });
    let input = json!({"activity": "echo", "options": {"cancellation": "wait"}});
    let run = env.start("call", &input).await.expect("started");
    env.settle().await.expect("settled");
    run.cancel().await.expect("asked");
    assert_eq!(run.end().await.expect("ended"), ExecutionStatus::Canceled);
    assert_eq!(env.elapsed(), Duration::ZERO);
    assert_eq!(run.history().await.expect("a history").count("ActivityTaskCanceled"), 1);
}
