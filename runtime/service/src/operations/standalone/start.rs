//! Starts an activity without a workflow.

use std::collections::BTreeMap;
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::event::{ActivityOptions, AskedActivityOptions};
use dacapo_model::ids::ActivityId;
use dacapo_model::limits::TIMER_MAX;
use uuid::Uuid;

use super::super::start::StartedRun;
use super::{WORKFLOW, workflow_id};
use crate::builtin;
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;
use crate::types::{
    StandaloneResult, StartActivityRequest, StartOptions, StartRequest, Started, StartedActivity,
};

/// Bytes of the options of one activity, as they are recorded. Only failure types can be
/// many.
const OPTIONS_BYTES_MAX: usize = 30 * 1024;

impl Tenant {
    /// Starts an activity, or finds the one that is there, as the policies say. When it
    /// returns, the start is committed. With `unavailable` it may be: the same request id
    /// makes a repeat safe.
    pub async fn start_activity(&self, request: StartActivityRequest) -> Result<StartedActivity> {
        let (activity_id, started) = self.start_standalone(request).await?;
        Ok(named(activity_id, &started.started))
    }

    /// Starts an activity and waits for its end. The result is none if it could not be
    /// read.
    pub async fn start_activity_and_wait(
        &self,
        request: StartActivityRequest,
        wait: Duration,
    ) -> Result<(StartedActivity, Option<StandaloneResult>)> {
        let (activity_id, started) = self.start_standalone(request).await?;
        let (started, result) = self.wait_for_started(started, wait).await;
        let result = result.and_then(|result| StandaloneResult::of(result).ok());
        Ok((named(activity_id, &started), result))
    }

    async fn start_standalone(
        &self,
        request: StartActivityRequest,
    ) -> Result<(ActivityId, StartedRun)> {
        let options = recorded_options(request.options)?;
        let activity_id = match (request.activity_id, &request.request_id) {
            (Some(activity_id), _) => activity_id,
            (None, None) => made_up_id()?,
            (None, Some(_)) => {
                return Err(invalid(
                    "a request_id needs an activity_id: repeats are recognised within one",
                ));
            }
        };
        let start = StartRequest {
            workflow_type: request.activity_type,
            workflow_id: Some(workflow_id(&activity_id)?),
            request_id: request.request_id,
            input: request.input,
            module: None,
            reuse_policy: request.reuse_policy,
            conflict_policy: Some(request.conflict_policy),
            environment: BTreeMap::new(),
            arguments: vec![options],
            options: StartOptions {
                start_delay: request.start_delay,
                attributes: request.attributes,
                inferred: request.inferred,
                ..StartOptions::default()
            },
            signal: None,
            update: None,
        };
        let started = self.start_builtin(WORKFLOW, start).await;
        let started = started.map_err(|error| self.told_of(&activity_id, error))?;
        Ok((activity_id, started))
    }
}

fn named(activity_id: ActivityId, started: &Started) -> StartedActivity {
    StartedActivity { activity_id, run_id: started.run_id, started: started.started }
}

#[expect(clippy::disallowed_methods, reason = "an activity's id is made here, once, and recorded")]
fn made_up_id() -> Result<ActivityId> {
    Ok(ActivityId::new(Uuid::now_v7().to_string())?)
}

/// Checks what is asked for, fills in all defaults, and says it as it is recorded.
fn recorded_options(asked: AskedActivityOptions) -> Result<String> {
    if asked.task_queue.is_none() {
        return Err(invalid(
            "task_queue is missing: an activity without a workflow has no module that could run \
             it, so name the queue whose workers do",
        ));
    }
    for (name, timeout) in [
        ("start_to_close_timeout_seconds", asked.start_to_close_timeout),
        ("schedule_to_close_timeout_seconds", asked.schedule_to_close_timeout),
        ("schedule_to_start_timeout_seconds", asked.schedule_to_start_timeout),
        ("heartbeat_timeout_seconds", asked.heartbeat_timeout),
    ] {
        let Some(timeout) = timeout else { continue };
        if timeout.as_micros() == 0 || timeout > TIMER_MAX {
            return Err(invalid(format!(
                "{name} must be more than 0 and at most {}",
                TIMER_MAX.as_secs()
            )));
        }
    }
    if let Some(policy) = &asked.retry {
        policy.check().map_err(|problem| invalid(format!("the retry policy's {problem}")))?;
    }
    let options = builtin::activity::argument(&ActivityOptions::from(asked).whole_micros());
    if options.len() > OPTIONS_BYTES_MAX {
        return Err(invalid(format!(
            "the options have {} bytes together; at most {OPTIONS_BYTES_MAX} are allowed. List \
             fewer failure types",
            options.len()
        )));
    }
    Ok(options)
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new(ErrorCode::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use dacapo_model::ids::QueueName;
    use dacapo_model::retry::RetryPolicy;
    use dacapo_model::task::TaskRoute;

    use super::*;

    fn asked() -> AskedActivityOptions {
        let queue = QueueName::new("emails").expect("a name");
        AskedActivityOptions { task_queue: Some(TaskRoute::to(queue)), ..Default::default() }
    }

    #[track_caller]
    fn refused(asked: AskedActivityOptions, about: &str) {
        let error = recorded_options(asked).expect_err("it breaks a rule");
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert!(error.message.contains(about), "{error}");
    }

    #[test]
    fn an_activity_needs_a_queue_and_nothing_else() {
        refused(AskedActivityOptions::default(), "task_queue is missing");
        let options = recorded_options(asked()).expect("enough");
        assert!(options.contains(r#""start_to_close_timeout_micros":60000000"#), "{options}");
    }

    #[test]
    fn times_out_of_range_and_too_many_failure_types_are_refused() {
        let none = Some(Duration::ZERO);
        refused(AskedActivityOptions { start_to_close_timeout: none, ..asked() }, "start_to_close");
        refused(AskedActivityOptions { heartbeat_timeout: none, ..asked() }, "heartbeat");
        let policy = RetryPolicy { backoff_coefficient: 0.5, ..RetryPolicy::default() };
        refused(AskedActivityOptions { retry: Some(policy), ..asked() }, "backoff");
        // As text, each of these has six bytes.
        let non_retryable_types = vec!["\u{1}".repeat(255); 100];
        let policy = RetryPolicy { non_retryable_types, ..RetryPolicy::default() };
        refused(AskedActivityOptions { retry: Some(policy), ..asked() }, "fewer failure types");
    }
}
