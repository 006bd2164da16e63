//! What a start may ask for, and the time that it takes.

use std::time::Duration;

use dacapo_testing::{ExecutionStatus, RetryPolicy, SearchAttribute, SearchAttributeType, failure};
use serde_json::{Value, json};

use crate::{env, steps};

const HOUR: Duration = Duration::from_secs(3_600);

fn three_attempts() -> RetryPolicy {
    RetryPolicy { maximum_attempts: 3, ..RetryPolicy::default() }
}

#[tokio::test]
async fn a_run_that_waits_for_ever_ends_with_its_execution_timeout() {
    let env = env().await;
    let start = env.start_with("await_signals", &json!({"count": 1}));
    let run = start.execution_timeout(HOUR).await.expect("started");
    assert_eq!(run.end().await.expect("ended"), ExecutionStatus::TimedOut);
    let late = run.result::<Value>().await.expect_err("nobody signals");
    assert!(late.failure().is_some(), "{late}");
    assert_eq!(env.elapsed(), HOUR);
}

#[tokio::test]
async fn a_run_waits_for_its_delay_and_is_there_meanwhile() {
    let env = env().await;
    let start = env.start_with("sequential", &json!({"steps": 1}));
    let run = start.start_delay(HOUR).memo("order", &17).await.expect("started");
    let described = run.describe().await.expect("described");
    assert_eq!(described.execution.status, ExecutionStatus::Running);
    assert_eq!(env.calls("noop").count(), 0);
    env.restart().await.expect("restarted");
    assert_eq!(run.result::<u64>().await.expect("completed"), 1);
    assert_eq!(env.elapsed(), HOUR);
}

#[tokio::test]
async fn a_run_that_fails_is_followed_to_its_last_attempt() {
    let env = env().await;
    env.activity("noop", |()| -> Result<(), _> {
        Err(failure("Broken", "it broke").non_retryable())
    });
    let start = env.start_with("sequential", &json!({"steps": 1}));
    let run = start.retry(three_attempts()).await.expect("started");
    let failed = run.result::<Value>().await.expect_err("it fails");
    assert!(failed.is_failure("Broken"), "{failed}");
    assert_eq!(env.calls("noop").count(), 3);
    assert_eq!(env.elapsed(), Duration::from_secs(1 + 2), "the waits between attempts");

    let start = env.start_with("sequential", &json!({"steps": 1}));
    let run = start.retry(three_attempts()).await.expect("started");
    env.settle().await.expect("settled");
    env.activity("noop", |()| Ok(()));
    assert_eq!(run.result::<u64>().await.expect("the second attempt"), 1);
}

#[tokio::test]
async fn each_run_has_its_own_time() {
    let env = env().await;
    let start = env.start_with("await_signals", &json!({"count": 1}));
    let run = start.run_timeout(HOUR).retry(three_attempts()).await.expect("started");
    assert_eq!(run.end().await.expect("ended"), ExecutionStatus::TimedOut);
    assert_eq!(env.elapsed(), 3 * HOUR + Duration::from_secs(1 + 2));
}

#[tokio::test]
async fn what_is_said_about_a_run_is_shown() {
    let registered = steps().search_attribute("Customer", SearchAttributeType::Keyword);
    let env = registered.start().await.expect("an environment");
    let typo = SearchAttribute::Keyword("ada".to_owned());
    let start = env.start_with("await_signals", &json!({"count": 1}));
    let Err(refused) = start.search_attribute("Costumer", typo).await else {
        panic!("it is not registered");
    };
    assert!(refused.to_string().contains("`Costumer` is not registered"), "{refused}");
    let run = env
        .start_with("await_signals", &json!({"count": 1}))
        .memo("order", &json!({"id": 17}))
        .search_attribute("Customer", SearchAttribute::Keyword("ada".to_owned()))
        .signal("word", &"now")
        .await
        .expect("started");
    let described = run.describe().await.expect("described");
    assert_eq!(described.execution.attributes.memo["order"].as_str(), r#"{"id":17}"#);
    let customer = &described.execution.attributes.search_attributes["Customer"];
    assert_eq!(*customer, SearchAttribute::Keyword("ada".to_owned()));
    assert_eq!(run.result::<Vec<String>>().await.expect("completed"), ["now"]);
}
