//! Fan-out and fan-in, with some items that fail.

use dacapo_testing::{TestEnv, TestError, failure};
use serde_json::{Value, json};

#[tokio::test]
async fn a_thousand_items_are_all_processed() -> Result<(), TestError> {
    let env = TestEnv::of_crate(env!("CARGO_MANIFEST_DIR")).await?;
    env.activity("process", |item: u64| Ok(item * item));
    let run = env.start("batch", &json!({"items": 1000, "concurrency": 50})).await?;
    assert_eq!(run.result::<Value>().await?, json!({"sum": 332_833_500, "failed": []}));
    assert_eq!(env.calls("process").count(), 1000);
    Ok(())
}

#[tokio::test]
async fn no_more_than_so_many_are_under_way() -> Result<(), TestError> {
    let env = TestEnv::of_crate(env!("CARGO_MANIFEST_DIR")).await?;
    env.activity_hangs("process");
    let run = env.start("batch", &json!({"items": 1000, "concurrency": 50})).await?;
    assert_eq!(run.describe().await?.pending_activities.len(), 50);
    Ok(())
}

#[tokio::test]
async fn a_server_that_dies_half_way_does_no_item_again_that_is_done() -> Result<(), TestError> {
    let env = TestEnv::of_crate(env!("CARGO_MANIFEST_DIR")).await?;
    env.activity_with("process", |attempt, item: u64| async move {
        if item < 30 { Ok(1) } else { attempt.hang().await }
    });
    let run = env.start("batch", &json!({"items": 100, "concurrency": 10})).await?;
    env.settle().await?;
    env.activity("process", |_item: u64| Ok(1));
    env.restart().await?;
    assert_eq!(run.result::<Value>().await?, json!({"sum": 100, "failed": []}));
    assert_eq!(env.calls("process").attempts(), 100 + 10, "those that were under way");
    Ok(())
}

#[tokio::test]
async fn what_fails_for_good_is_reported_and_stops_nothing() -> Result<(), TestError> {
    let env = TestEnv::of_crate(env!("CARGO_MANIFEST_DIR")).await?;
    env.activity(
        "process",
        |item: u64| {
            if item % 4 == 3 { Err(failure("Broken", "it broke")) } else { Ok(1) }
        },
    );
    let run = env.start("batch", &json!({"items": 8, "concurrency": 2})).await?;
    assert_eq!(run.result::<Value>().await?, json!({"sum": 6, "failed": [3, 7]}));
    assert_eq!(env.calls("process").attempts(), 6 + 2 * 3);
    env.replay(&run.history().await?).await
}
