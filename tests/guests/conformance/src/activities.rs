//! The activities of the list.

use std::time::Duration;

use dacapo::{Failure, activity_info, attempt_signals, heartbeat, heartbeat_details};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[dacapo::activity]
pub(crate) fn noop() {}

#[dacapo::activity]
pub(crate) fn double(number: u64) -> u64 {
    number * 2
}

#[dacapo::activity]
pub(crate) fn echo(value: Value) -> Value {
    value
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Flaky {
    pub(crate) succeed_at: u32,
}

#[dacapo::activity]
pub(crate) fn flaky(flaky: Flaky) -> Result<u32, Failure> {
    let attempt = activity_info().attempt;
    match attempt < flaky.succeed_at {
        true => Err(Failure::application("NotYet", format!("attempt {attempt}"))),
        false => Ok(attempt),
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Refusal {
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    pub(crate) message: String,
    pub(crate) non_retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Value>,
}

#[dacapo::activity]
pub(crate) fn refuse(refusal: Refusal) -> Result<(), Failure> {
    let Refusal { type_name, message, non_retryable, details } = refusal;
    let mut failure = Failure::application(type_name, message)
        .caused_by(Failure::application("Reason", "as asked"));
    if non_retryable {
        failure = failure.non_retryable();
    }
    if let Some(details) = details {
        failure = failure.with_details(&details)?;
    }
    Err(failure)
}

#[dacapo::activity]
pub(crate) fn crash() {
    panic!("a bug in the activity")
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) n: u32,
    pub(crate) fail_after: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Counted {
    attempt: u32,
    from: u32,
}

#[dacapo::activity]
pub(crate) fn count_to(count: Count) -> Result<Counted, Failure> {
    let from = heartbeat_details::<u32>()?.unwrap_or(0) + 1;
    let attempt = activity_info().attempt;
    for number in from..=count.n {
        heartbeat(&number)?;
        if attempt == 1 && number == count.fail_after {
            return Err(Failure::application("Interrupted", "fails as asked"));
        }
    }
    Ok(Counted { attempt, from })
}

#[dacapo::activity]
pub(crate) fn wait_cancel() -> Result<(), Failure> {
    attempt_signals();
    while !dacapo::wait_cancel_requested(Duration::from_secs(600)) {}
    Err(Failure::cancelled("stopped"))
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Attempt {
    activity_type: String,
    operation: u32,
    attempt: u32,
    workflow_id: String,
}

#[dacapo::activity]
pub(crate) fn attempt_info() -> Attempt {
    let info = activity_info();
    Attempt {
        activity_type: info.activity_type,
        operation: info.operation,
        attempt: info.attempt,
        workflow_id: info.workflow_id,
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Post {
    pub(crate) url: String,
    pub(crate) effect: String,
}

#[derive(Serialize)]
struct Effect<'a> {
    effect: &'a str,
    key: String,
    workflow_id: String,
    run_id: String,
    attempt: u32,
}

#[dacapo::activity]
pub(crate) fn post(post: Post) -> Result<String, Failure> {
    let info = activity_info();
    let effect = Effect {
        effect: &post.effect,
        key: info.idempotency_key(),
        workflow_id: info.workflow_id,
        run_id: info.run_id,
        attempt: info.attempt,
    };
    dacapo::http::post(post.url).json(&effect).send()?.error_for_status()?;
    Ok(post.effect)
}

#[dacapo::activity]
pub(crate) async fn forbidden() -> Result<(), Failure> {
    dacapo::sleep(Duration::from_millis(1)).await
}
