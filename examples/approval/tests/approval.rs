//! Days of waiting, in milliseconds.

use std::time::Duration;

use dacapo_testing::{ExecutionStatus, TestEnv, TestError};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(86_400);

async fn env() -> Result<TestEnv, TestError> {
    let env = TestEnv::of_crate(env!("CARGO_MANIFEST_DIR")).await?;
    env.activity("notify", |_text: String| Ok(()));
    Ok(env)
}

#[tokio::test]
async fn a_decision_on_the_second_day_is_the_outcome() -> Result<(), TestError> {
    let env = env().await?;
    let run = env.start("approval", &json!({"employee": "ada", "cents": 4200})).await?;
    env.advance(DAY + DAY / 2).await?;
    env.restart().await?; // nothing of the wait is lost with the server
    run.signal("decision", &json!({"by": "grace", "approved": true})).await?;

    assert_eq!(run.result::<Value>().await?, json!({"approved": {"by": "grace"}}));
    assert_eq!(env.elapsed(), DAY + DAY / 2);
    let texts = env.calls("notify").inputs::<String>();
    assert_eq!(texts.len(), 3, "two questions and an answer: {texts:?}");
    Ok(())
}

#[tokio::test]
async fn after_three_days_of_silence_it_expires() -> Result<(), TestError> {
    let env = TestEnv::builder().crate_folder(env!("CARGO_MANIFEST_DIR")).replay_every_step();
    let env = env.start().await?;
    env.activity("notify", |_text: String| Ok(()));
    let run = env.start("approval", &json!({"employee": "ada", "cents": 4200})).await?;

    assert_eq!(run.result::<Value>().await?, json!("expired"));
    assert_eq!(env.elapsed(), 3 * DAY);
    env.replay(&run.history().await?).await
}

#[tokio::test]
async fn a_request_that_is_withdrawn_ends_at_once() -> Result<(), TestError> {
    let env = env().await?;
    let run = env.start("approval", &json!({"employee": "ada", "cents": 4200})).await?;
    run.cancel().await?;
    assert_eq!(run.end().await?, ExecutionStatus::Canceled);
    assert_eq!(env.elapsed(), Duration::ZERO);
    Ok(())
}
