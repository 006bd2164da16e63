//! The workflow, with a closure in the place of the worker.

use std::time::Duration;

use dacapo_testing::{TestEnv, TestError, failure};
use serde_json::{Value, json};

fn umbrellas(in_stock: u64) -> Value {
    json!({"name": "umbrella", "sold": [12, 15, 18, 21], "in_stock": in_stock})
}

async fn env() -> Result<TestEnv, TestError> {
    let env = TestEnv::of_crate(env!("CARGO_MANIFEST_DIR")).await?;
    env.activity("forecast", |_sold: Vec<u64>| Ok(json!({"expected": 23.5})));
    env.activity("order", |_order: Value| Ok(()));
    Ok(env)
}

#[tokio::test]
async fn what_is_missing_is_ordered() -> Result<(), TestError> {
    let env = env().await?;
    let run = env.start("restock", &umbrellas(5)).await?;
    assert_eq!(run.result::<u64>().await?, 19);
    assert_eq!(env.calls("order").count(), 1);
    Ok(())
}

#[tokio::test]
async fn nothing_is_ordered_while_there_is_enough() -> Result<(), TestError> {
    let env = env().await?;
    let run = env.start("restock", &umbrellas(30)).await?;
    assert_eq!(run.result::<u64>().await?, 0);
    assert_eq!(env.calls("order").count(), 0);
    Ok(())
}

#[tokio::test]
async fn a_worker_that_fails_is_asked_again() -> Result<(), TestError> {
    let env = env().await?;
    env.activity_attempts("forecast", |attempt, _sold: Vec<u64>| match attempt {
        1 => Err(failure("Busy", "later")),
        _ => Ok(json!({"expected": 1})),
    });
    let run = env.start("restock", &umbrellas(0)).await?;
    assert_eq!(run.result::<u64>().await?, 1);
    assert_eq!(env.elapsed(), Duration::from_secs(1));
    Ok(())
}
