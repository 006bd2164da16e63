//! Three years, in milliseconds.

use std::time::Duration;

use dacapo_testing::{TestEnv, TestError, failure};
use serde_json::{Value, json};

const MONTH: Duration = Duration::from_secs(30 * 86_400);

#[tokio::test]
async fn three_years_are_charged_month_by_month_over_several_runs() -> Result<(), TestError> {
    let env = TestEnv::of_crate(env!("CARGO_MANIFEST_DIR")).await?;
    env.activity("charge", |_: Value| Ok("receipt"));
    let run = env.start("subscription", &json!({"customer": "ada", "cents": 900})).await?;

    env.advance(14 * MONTH + MONTH / 2).await?;
    run.signal("price", &1200).await?;
    env.restart().await?; // the new price is in the history, and so is the month
    env.advance(21 * MONTH).await?;
    run.signal("cancel", &()).await?;

    assert_eq!(run.result::<u32>().await?, 36);
    let prices: Vec<u64> = env
        .calls("charge")
        .inputs::<Value>()
        .iter()
        .filter_map(|input| input["cents"].as_u64())
        .collect();
    assert_eq!(prices[..15], [900; 15]);
    assert_eq!(prices[15..], [1200; 21]);
    assert!(run.history().await?.events().len() < 100, "a year at most");
    Ok(())
}

#[tokio::test]
async fn a_bank_that_is_down_for_days_delays_a_month_and_skips_none() -> Result<(), TestError> {
    let env = TestEnv::of_crate(env!("CARGO_MANIFEST_DIR")).await?;
    env.activity_attempts("charge", |attempt, _: Value| {
        if attempt < 1_000 { Err(failure("BankDown", "no answer")) } else { Ok("receipt") }
    });
    let run = env.start("subscription", &json!({"customer": "ada", "cents": 900})).await?;
    env.advance(2 * MONTH).await?;
    run.signal("cancel", &()).await?;
    assert_eq!(run.result::<u32>().await?, 2);
    assert_eq!(env.calls("charge").attempts(), 2_000);
    Ok(())
}
