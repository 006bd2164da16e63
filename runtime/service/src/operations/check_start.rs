//! What a start may not ask for.

use dacapo_model::code::ErrorCode;
use dacapo_model::limits::TIMER_MAX;
use dacapo_model::text::shown;
use dacapo_model::time::whole_micros;

use super::locate::check_payload;
use super::{StartOptions, StartRequest};
use crate::error::{Result, ServiceError};

/// Bytes of all environment variables and arguments of a run together.
const ENVIRONMENT_BYTES_MAX: usize = 32 * 1024;

pub(super) fn check_sizes(request: &StartRequest, payload_bytes_max: usize) -> Result<()> {
    check_payload("the input", &request.input, payload_bytes_max)?;
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
    check_environment(request)
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
