//! Steps in a row, steps side by side, retries, and the ways to end.

use std::time::Duration;

use dacapo::{
    ActivityCall, ActivityOptions, CancellationType, Failure, RetryPolicy, continue_as_new,
    try_join_all,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::activities::{FailureSpec, double, flaky_step, noop};

#[derive(Deserialize)]
pub(crate) struct Steps {
    steps: u32,
}

/// `{"steps": n}`: n activities, one after the other. Returns n.
#[dacapo::workflow]
pub(crate) async fn sequential(input: Steps) -> Result<u32, Failure> {
    for _ in 0..input.steps {
        noop().await?;
    }
    Ok(input.steps)
}

/// `{"steps": n}`: n activities at once. Returns the doubles of 0..n in order.
#[dacapo::workflow]
pub(crate) async fn fan_out(input: Steps) -> Result<Vec<u64>, Failure> {
    try_join_all((0..u64::from(input.steps)).map(double)).await
}

/// A retry policy and timeouts, in milliseconds.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    initial_interval_millis: Option<u64>,
    backoff_coefficient: Option<f64>,
    maximum_interval_millis: Option<u64>,
    maximum_attempts: Option<u32>,
    non_retryable_types: Vec<String>,
    start_to_close_millis: Option<u64>,
    schedule_to_close_millis: Option<u64>,
    schedule_to_start_millis: Option<u64>,
    heartbeat_millis: Option<u64>,
    /// `wait` or `abandon`.
    cancellation: Option<String>,
    grace_millis: Option<u64>,
    task_queue: Option<String>,
    priority: Option<u8>,
    fairness_key: Option<String>,
    fairness_weight: Option<f64>,
    module: Option<String>,
    module_version: Option<u32>,
}

impl Options {
    pub(crate) fn build(self) -> ActivityOptions {
        let mut retry = RetryPolicy::new().non_retryable_types(self.non_retryable_types);
        if let Some(millis) = self.initial_interval_millis {
            retry = retry.initial_interval(Duration::from_millis(millis));
        }
        if let Some(coefficient) = self.backoff_coefficient {
            retry = retry.backoff_coefficient(coefficient);
        }
        if let Some(millis) = self.maximum_interval_millis {
            retry = retry.maximum_interval(Duration::from_millis(millis));
        }
        if let Some(attempts) = self.maximum_attempts {
            retry = retry.maximum_attempts(attempts);
        }
        let mut options = ActivityOptions::new().retry(retry);
        if let Some(millis) = self.start_to_close_millis {
            options = options.start_to_close(Duration::from_millis(millis));
        }
        if let Some(millis) = self.schedule_to_close_millis {
            options = options.schedule_to_close(Duration::from_millis(millis));
        }
        if let Some(millis) = self.schedule_to_start_millis {
            options = options.schedule_to_start(Duration::from_millis(millis));
        }
        if let Some(millis) = self.heartbeat_millis {
            options = options.heartbeat(Duration::from_millis(millis));
        }
        options = match self.cancellation.as_deref() {
            Some("wait") => options.cancellation(CancellationType::WaitCancellationCompleted),
            Some("abandon") => options.cancellation(CancellationType::Abandon),
            _ => options,
        };
        if let Some(millis) = self.grace_millis {
            options = options.cancellation_grace(Duration::from_millis(millis));
        }
        if let Some(task_queue) = self.task_queue {
            options = options.task_queue(task_queue);
        }
        match (self.module, self.module_version) {
            (Some(module), Some(version)) => options = options.module_version(module, version),
            (Some(module), None) => options = options.module(module),
            _ => {}
        }
        if let Some(priority) = self.priority {
            options = options.priority(priority);
        }
        if let Some(key) = self.fairness_key {
            options = options.fairness_key(key);
        }
        if let Some(weight) = self.fairness_weight {
            options = options.fairness_weight(weight);
        }
        options
    }
}

#[derive(Deserialize)]
pub(crate) struct Flaky {
    succeed_at: u32,
    #[serde(default)]
    options: Options,
}

/// `{"succeed_at": k, "options": {..}}`: an activity that fails before attempt
/// k. Returns the attempt that succeeded.
#[dacapo::workflow]
pub(crate) async fn flaky(input: Flaky) -> Result<u32, Failure> {
    flaky_step(input.succeed_at).options(input.options.build()).await
}

#[derive(Deserialize)]
pub(crate) struct Call {
    activity: String,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    options: Options,
}

/// `{"activity": "name", "input": .., "options": {..}}`: any activity. Returns
/// its result.
#[dacapo::workflow]
pub(crate) async fn call(input: Call) -> Result<Value, Failure> {
    ActivityCall::named(input.activity, &input.input).options(input.options.build()).await
}

/// Calls an activity that nobody defines.
#[dacapo::workflow]
pub(crate) async fn unknown_activity() -> Result<Value, Failure> {
    ActivityCall::named("nobody_defines_this", &()).await
}

/// Returns its input byte for byte.
#[dacapo::workflow]
pub(crate) async fn echo(input: Box<RawValue>) -> Box<RawValue> {
    input
}

/// `{"type": "..", "message": "..", "non_retryable": true}`: fails with it.
#[dacapo::workflow]
pub(crate) async fn fails(failure: FailureSpec) -> Result<(), Failure> {
    Err(failure.into_failure())
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Rounds {
    remaining: u32,
    #[serde(default)]
    done: u32,
}

/// `{"remaining": n}`: continues as new n times, with one activity each time.
/// Returns n.
#[dacapo::workflow]
pub(crate) async fn continue_n(rounds: Rounds) -> Result<u32, Failure> {
    if rounds.remaining == 0 {
        return Ok(rounds.done);
    }
    noop().await?;
    continue_as_new(&Rounds { remaining: rounds.remaining - 1, done: rounds.done + 1 }).await
}

/// What a run knows about itself.
#[derive(Serialize)]
pub(crate) struct Info {
    namespace: String,
    workflow_id: String,
    run_id: String,
    workflow_type: String,
    module_digest: String,
}

/// Returns what the run knows about itself.
#[dacapo::workflow]
pub(crate) async fn info() -> Info {
    let info = dacapo::workflow_info();
    Info {
        namespace: info.namespace,
        workflow_id: info.workflow_id,
        run_id: info.run_id,
        workflow_type: info.workflow_type,
        module_digest: info.module_digest,
    }
}
