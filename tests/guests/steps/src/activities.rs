//! Activities with one simple effect each.

use std::hint::black_box;
use std::time::Duration;

use dacapo::Failure;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Does nothing.
#[dacapo::activity]
pub(crate) fn noop() {}

/// Returns its input byte for byte.
#[dacapo::activity(name = "echo")]
pub(crate) fn echo_activity(input: Box<RawValue>) -> Box<RawValue> {
    input
}

/// Returns twice the number.
#[dacapo::activity]
pub(crate) async fn double(number: u64) -> u64 {
    number * 2
}

/// What to fail with.
#[derive(Serialize, Deserialize)]
pub(crate) struct FailureSpec {
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) non_retryable: bool,
    #[serde(default)]
    pub(crate) retry_after_millis: Option<u64>,
}

impl FailureSpec {
    pub(crate) fn into_failure(self) -> Failure {
        let mut failure = Failure::application(self.type_name, self.message);
        if self.non_retryable {
            failure = failure.non_retryable();
        }
        if let Some(millis) = self.retry_after_millis {
            failure = failure.retry_after(Duration::from_millis(millis));
        }
        failure
    }
}

/// Fails as asked.
#[dacapo::activity]
pub(crate) fn fail(failure: FailureSpec) -> Result<(), Failure> {
    Err(failure.into_failure())
}

/// An effect that a test can count.
#[derive(Serialize, Deserialize)]
pub(crate) struct Post {
    pub(crate) url: String,
    /// The name of the effect.
    pub(crate) effect: String,
    /// The attempt that succeeds; the ones before fail without an effect.
    #[serde(default)]
    pub(crate) succeed_at: u32,
}

#[derive(Serialize)]
struct Effect<'a> {
    effect: &'a str,
    /// The same in each attempt.
    key: String,
    workflow_id: String,
    run_id: String,
    attempt: u32,
}

/// POSTs a description of the effect to the URL and returns its name.
#[dacapo::activity]
pub(crate) fn post(post: Post) -> Result<String, Failure> {
    let info = dacapo::activity_info();
    if info.attempt < post.succeed_at {
        let message = format!("attempt {} fails as asked", info.attempt);
        return Err(Failure::application("NotYet", message));
    }
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

/// Computes without end, or for this many rounds.
#[dacapo::activity]
pub(crate) fn spin(rounds: Option<u64>) -> u64 {
    let mut round = 0_u64;
    while rounds.is_none_or(|rounds| round < rounds) {
        round = black_box(round + 1);
    }
    round
}

/// Sleeps for this many milliseconds of real time.
#[dacapo::activity]
pub(crate) fn wait(millis: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(millis));
    millis
}

/// Returns a text of this many bytes, and the two quotes around it.
#[dacapo::activity]
pub(crate) fn big_result(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Returns the value of an environment variable, if it has one.
#[dacapo::activity]
pub(crate) fn env(name: String) -> Option<String> {
    std::env::var(name).ok()
}

/// What a GET request gave.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// GETs a URL.
#[dacapo::activity]
pub(crate) fn fetch(url: String) -> Result<Fetched, Failure> {
    let response = dacapo::http::get(url).timeout(Duration::from_secs(10)).send()?;
    Ok(Fetched { status: response.status(), body: response.text()?.to_owned() })
}

/// A request with a secret.
#[derive(Serialize, Deserialize)]
pub(crate) struct Authorized {
    pub(crate) url: String,
    /// The environment variable that the secret is in.
    pub(crate) secret: String,
    /// Whether the answer is to be read from its end.
    #[serde(default)]
    pub(crate) backwards: bool,
    /// Whether to fail with the answer.
    #[serde(default)]
    pub(crate) fail: bool,
}

/// GETs a URL with a secret, writes what it was told to standard output, and returns it.
#[dacapo::activity]
pub(crate) fn authorized(request: Authorized) -> Result<String, Failure> {
    let secret = std::env::var(&request.secret).unwrap_or_default();
    let authorization = format!("Bearer {secret}");
    let response = dacapo::http::get(request.url).header("authorization", authorization).send()?;
    let told = response.text()?;
    let told: String =
        if request.backwards { told.chars().rev().collect() } else { told.to_owned() };
    println!("told {told}");
    if request.fail { Err(Failure::application("Told", told)) } else { Ok(told) }
}

/// Fails until this attempt, and then returns its number.
#[dacapo::activity]
pub(crate) fn flaky_step(succeed_at: u32) -> Result<u32, Failure> {
    let attempt = dacapo::activity_info().attempt;
    if attempt < succeed_at {
        return Err(Failure::application("NotYet", format!("attempt {attempt} of {succeed_at}")));
    }
    Ok(attempt)
}

/// What an attempt knows about itself.
#[derive(Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) namespace: String,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) activity_type: String,
    pub(crate) operation: u32,
    pub(crate) attempt: u32,
}

/// Returns what the attempt knows about itself.
#[dacapo::activity]
pub(crate) fn attempt_info() -> Attempt {
    let info = dacapo::activity_info();
    Attempt {
        namespace: info.namespace,
        workflow_id: info.workflow_id,
        run_id: info.run_id,
        activity_type: info.activity_type,
        operation: info.operation,
        attempt: info.attempt,
    }
}
