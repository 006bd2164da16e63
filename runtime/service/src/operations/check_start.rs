//! What a start may not ask for, and what it asks for if it does not say.

use dacapo_model::builtin::BUILTIN_IDS;
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::IdConflictPolicy;
use dacapo_model::ids::WorkflowId;
use dacapo_model::limits::TIMER_MAX;
use dacapo_model::text::shown;
use dacapo_model::time::whole_micros;

use super::{StartOptions, StartRequest};
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;

/// Bytes of all environment variables and arguments of a run together.
const ENVIRONMENT_BYTES_MAX: usize = 32 * 1024;

impl StartRequest {
    /// What happens if a run of the workflow id is open: whoever sends a signal or an
    /// update wants to reach the run that is there.
    pub(super) fn conflict_policy(&self) -> IdConflictPolicy {
        let brings_something = self.signal.is_some() || self.update.is_some();
        self.conflict_policy.unwrap_or(match brings_something {
            true => IdConflictPolicy::UseExisting,
            false => IdConflictPolicy::default(),
        })
    }
}

/// Refuses a request id that would promise nothing.
pub(super) fn check_repeatable(request: &StartRequest) -> Result<()> {
    if request.request_id.is_none() || request.workflow_id.is_some() {
        return Ok(());
    }
    Err(ServiceError::new(
        ErrorCode::InvalidArgument,
        "a request_id needs a workflow_id: repeats are recognised within one",
    ))
}

/// Refuses an id that only built-in workflows have.
pub(super) fn check_own_id(workflow_id: &WorkflowId) -> Result<()> {
    if !workflow_id.is_builtin() {
        return Ok(());
    }
    Err(ServiceError::new(
        ErrorCode::InvalidArgument,
        format!(
            "workflow ids that begin with `{BUILTIN_IDS}` are those of built-in workflows: choose \
             another one, or start what is built in by its own request"
        ),
    ))
}

impl Tenant {
    /// Refuses a start with more data than this namespace may send.
    pub(super) fn check_sizes(&self, request: &StartRequest) -> Result<()> {
        self.check_payload("the input", &request.input)?;
        check_environment_size(request)?;
        check_environment(request)
    }
}

fn check_environment_size(request: &StartRequest) -> Result<()> {
    let environment: usize =
        request.environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    let arguments: usize = request.arguments.iter().map(String::len).sum();
    if environment + arguments > ENVIRONMENT_BYTES_MAX {
        return Err(ServiceError::new(
            ErrorCode::InvalidArgument,
            format!(
                "environment and arguments have {} bytes together; at most {ENVIRONMENT_BYTES_MAX} are allowed. Pass data in the input",
                environment + arguments
            ),
        ));
    }
    Ok(())
}

/// Refuses what a program could not read as it was meant: `A=B` named `C` is `A` named
/// `B=C` to it, and a NUL ends what it stands in.
fn check_environment(request: &StartRequest) -> Result<()> {
    let invalid = |message: String| Err(ServiceError::new(ErrorCode::InvalidArgument, message));
    for (name, value) in &request.environment {
        let shown_name = shown(name);
        if name.is_empty() || name.contains(['=', '\0']) {
            return invalid(format!(
                "{shown_name:?} can't name an environment variable: a name is not empty, and has \
                 neither `=` nor NUL"
            ));
        }
        if value.contains('\0') {
            return invalid(format!("environment variable {shown_name:?} has a NUL in its value"));
        }
    }
    match request.arguments.iter().position(|argument| argument.contains('\0')) {
        Some(index) => invalid(format!("argument {} has a NUL", index + 1)),
        None => Ok(()),
    }
}

/// Refuses what breaks a rule, and rounds what a history can't keep exactly.
pub(super) fn check_options(options: &mut StartOptions) -> Result<()> {
    let invalid = |message: String| ServiceError::new(ErrorCode::InvalidArgument, message);
    for (name, duration, minimum) in [
        ("run timeout", &mut options.run_timeout, 1),
        ("execution timeout", &mut options.execution_timeout, 1),
        ("start delay", &mut options.start_delay, 0),
    ] {
        let Some(duration) = duration else { continue };
        *duration = whole_micros(*duration);
        if duration.as_micros() < minimum || *duration > TIMER_MAX {
            return Err(invalid(format!(
                "the {name} must be more than 0 and at most {} seconds",
                TIMER_MAX.as_secs()
            )));
        }
    }
    if let Some(policy) = &mut options.retry {
        policy.check().map_err(|problem| invalid(format!("the retry policy's {problem}")))?;
        policy.initial_interval = whole_micros(policy.initial_interval);
        policy.maximum_interval = whole_micros(policy.maximum_interval);
    }
    options.attributes.check().map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dacapo_model::execution::IdReusePolicy;
    use dacapo_model::ids::{RequestId, SignalName, TypeName, UpdateName, WorkflowId};
    use dacapo_model::payload::Payload;
    use dacapo_model::signal::Signal;
    use dacapo_model::update::Update;

    use super::*;
    use crate::operations::made_up_update_id;

    fn request() -> StartRequest {
        StartRequest {
            workflow_type: TypeName::new("w").expect("valid"),
            workflow_id: None,
            request_id: None,
            input: Payload::new("null"),
            module: None,
            reuse_policy: IdReusePolicy::default(),
            conflict_policy: None,
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            options: StartOptions::default(),
            signal: None,
            update: None,
        }
    }

    #[test]
    fn a_start_with_a_message_is_for_the_run_that_is_there_unless_it_says_otherwise() {
        assert_eq!(request().conflict_policy(), IdConflictPolicy::Fail);
        let signal = Signal {
            name: SignalName::new("approved").expect("valid"),
            input: Payload::new("null"),
            request_id: None,
        };
        let mut signals = StartRequest { signal: Some(signal), ..request() };
        assert_eq!(signals.conflict_policy(), IdConflictPolicy::UseExisting);
        signals.conflict_policy = Some(IdConflictPolicy::Fail);
        assert_eq!(signals.conflict_policy(), IdConflictPolicy::Fail);
        let update = Update {
            id: made_up_update_id(),
            name: UpdateName::new("add").expect("valid"),
            input: Payload::new("null"),
        };
        let updates = StartRequest { update: Some(update), ..request() };
        assert_eq!(updates.conflict_policy(), IdConflictPolicy::UseExisting);
    }

    #[test]
    fn a_request_id_without_a_workflow_id_would_promise_nothing() {
        let request_id = Some(RequestId::new("r").expect("valid"));
        let mut request = StartRequest { request_id, ..request() };
        let error = check_repeatable(&request).expect_err("no promise");
        assert!(error.message.contains("workflow_id"), "{error}");
        request.workflow_id = Some(WorkflowId::new("i").expect("valid"));
        assert_eq!(check_repeatable(&request), Ok(()));
    }
}
