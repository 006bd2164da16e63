//! What is recorded beside steps.

use std::time::{Duration, SystemTime};

use dacapo::{
    ActivityCall, ActivityOptions, Failure, RetryPolicy, SearchValue, remove_memo, side_effect,
    sleep, upsert_memo, upsert_search_attributes, version, workflow_info,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::activities::{Count, Counted, Post, attempt_info, count_to, echo, noop, post};
use crate::{at_once, retried};

const MILLISECOND: Duration = Duration::from_millis(1);

#[dacapo::workflow]
pub(crate) async fn heartbeats() -> Result<Counted, Failure> {
    let options = retried(at_once()).heartbeat(Duration::from_secs(10));
    count_to(Count { n: 3, fail_after: 2 }).options(options).await
}

#[dacapo::workflow]
pub(crate) async fn versions() -> Result<[u32; 2], Failure> {
    let first = version("conformance", 0, 1);
    sleep(MILLISECOND).await?;
    Ok([first, version("conformance", 0, 1)])
}

#[dacapo::workflow]
pub(crate) async fn side_effects() -> Result<Value, Failure> {
    let dice = side_effect("dice", || 7)?;
    sleep(MILLISECOND).await?;
    Ok(json!([dice, side_effect("pair", || json!([1, "a"]))?]))
}

#[dacapo::workflow]
pub(crate) async fn memo() -> Result<Value, Failure> {
    upsert_memo("step", &json!({"at": "packing"}))?;
    upsert_memo("gone", &1)?;
    sleep(MILLISECOND).await?;
    remove_memo("gone");
    Ok(json!([dacapo::memo::<Value>("step")?, dacapo::memo::<Value>("gone")?]))
}

#[dacapo::workflow]
pub(crate) async fn search_attributes() -> Vec<String> {
    // 2030-01-02T03:04:05Z
    let due = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_553_445);
    upsert_search_attributes([
        ("customer", SearchValue::keyword("c-17")),
        ("labels", SearchValue::keywords(["a", "b"])),
        ("title", SearchValue::text("a new life")),
        ("big", SearchValue::from(9_007_199_254_740_993_i64)),
        ("share", SearchValue::from(0.5)),
        ("paid", SearchValue::from(true)),
        ("due", SearchValue::from(due)),
    ]);
    dacapo::search_attributes().into_keys().collect()
}

#[dacapo::workflow]
pub(crate) async fn logs() -> Result<(), Failure> {
    println!("conformance before");
    sleep(30 * MILLISECOND).await?;
    println!("conformance after");
    noop().await
}

#[dacapo::workflow]
pub(crate) async fn payloads(value: Value) -> Result<Value, Failure> {
    echo(value).await
}

#[dacapo::workflow]
pub(crate) async fn nothing() -> Result<(), Failure> {
    noop().await
}

#[dacapo::workflow]
pub(crate) async fn about() -> Result<Value, Failure> {
    let info = workflow_info();
    Ok(json!({
        "workflow_type": info.workflow_type,
        "workflow_id": info.workflow_id,
        "attempt": info.attempt,
        "activity": attempt_info().await?,
    }))
}

#[derive(Deserialize)]
pub(crate) struct Queue {
    queue: String,
}

#[dacapo::workflow]
pub(crate) async fn options(input: Queue) -> Result<Value, Failure> {
    let retry = RetryPolicy::new()
        .initial_interval(Duration::from_millis(10))
        .backoff_coefficient(1.5)
        .maximum_interval(Duration::from_secs(1))
        .maximum_attempts(4)
        .non_retryable_types(["A", "B"]);
    let options = ActivityOptions::new()
        .start_to_close(Duration::from_secs(5))
        .schedule_to_close(Duration::from_secs(60))
        .schedule_to_start(Duration::from_secs(50))
        .heartbeat(Duration::from_secs(4))
        .retry(retry)
        .task_queue(input.queue)
        .priority(1)
        .fairness_key("tenant-7")
        .fairness_weight(2.5);
    ActivityCall::named("step", &1).options(options).await
}

#[derive(Deserialize)]
pub(crate) struct Url {
    url: String,
}

#[dacapo::workflow]
pub(crate) async fn posts(input: Url) -> Result<String, Failure> {
    post(Post { url: input.url, effect: "posted".to_owned() }).await
}
