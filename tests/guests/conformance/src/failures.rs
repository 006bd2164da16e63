//! Failures and bugs.

use std::hint::black_box;

use dacapo::{ActivityCall, Failure, RetryPolicy};
use serde_json::{Value, json};

use crate::activities::{Flaky, Refusal, crash, flaky, forbidden, noop, refuse};
use crate::{at_once, failure_of, retried, types};

#[dacapo::workflow]
pub(crate) async fn fails() -> Result<(), Failure> {
    Err(Failure::application("Refused", "it is refused")
        .non_retryable()
        .with_details(&json!({"code": 7}))?
        .caused_by(Failure::application("Inner", "the reason")))
}

#[dacapo::workflow]
pub(crate) async fn sees_failure() -> Result<Value, Failure> {
    let refusal = Refusal {
        type_name: "Declined".to_owned(),
        message: "no funds".to_owned(),
        non_retryable: true,
        details: Some(json!([1, 2])),
    };
    let failure = failure_of(refuse(refusal).await)?;
    let declined = failure.causes.first();
    Ok(json!({
        "types": types(&failure),
        "message": declined.map(|it| &it.message),
        "details": declined
            .and_then(|it| it.details.as_deref())
            .map(serde_json::from_slice::<Value>)
            .transpose()?,
    }))
}

#[dacapo::workflow]
pub(crate) async fn sees_crash() -> Result<usize, Failure> {
    let crashed = crash().options(retried(at_once().maximum_attempts(2))).await;
    Ok(types(&failure_of(crashed)?).len())
}

#[dacapo::workflow]
pub(crate) async fn retries() -> Result<u32, Failure> {
    flaky(Flaky { succeed_at: 3 }).options(retried(at_once())).await
}

#[dacapo::workflow]
pub(crate) async fn retries_not() -> Result<Vec<String>, Failure> {
    let refusal = Refusal {
        type_name: "Listed".to_owned(),
        message: "m".to_owned(),
        non_retryable: false,
        details: None,
    };
    let options = retried(at_once().non_retryable_types(["Listed"]));
    Ok(types(&failure_of(refuse(refusal).options(options).await)?))
}

#[dacapo::workflow]
pub(crate) async fn unknown_activity() -> Result<Vec<String>, Failure> {
    let call = ActivityCall::<Value>::named("nobody_defines_this", &());
    Ok(types(&failure_of(call.await)?))
}

#[dacapo::workflow]
pub(crate) async fn bug() -> Result<(), Failure> {
    noop().await?;
    panic!("a bug in the workflow")
}

#[dacapo::workflow]
pub(crate) async fn hoards() -> Result<(), Failure> {
    noop().await?;
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[dacapo::workflow]
pub(crate) async fn spins() -> Result<(), Failure> {
    noop().await?;
    loop {
        black_box(());
    }
}

#[dacapo::workflow]
pub(crate) async fn huge() -> String {
    "x".repeat(3 * 1024 * 1024)
}

#[dacapo::workflow]
pub(crate) async fn calls_forbidden() -> Result<&'static str, Failure> {
    failure_of(forbidden().options(retried(RetryPolicy::never())).await)?;
    Ok("failed")
}
