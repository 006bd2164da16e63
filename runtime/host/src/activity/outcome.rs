//! How an attempt ended, as the run that asked for it will see it.

use dacapo_model::code::ErrorCode;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::TypeName;
use dacapo_model::limits::Limits;

use crate::module::Unusable;
use crate::trap::Fault;

/// Defined types that a message lists; a module may have a thousand.
const TYPES_SHOWN: usize = 20;

const PAYLOAD_TOO_LARGE: &str = "PayloadTooLarge";

/// The activity returned more than may be recorded.
pub(super) fn result_too_large(bytes: usize, limits: &Limits) -> Failure {
    let message = format!(
        "the activity's result has {bytes} bytes; at most {} are allowed \
         (`limits.payload_bytes_max`): store it elsewhere and return where",
        limits.payload_bytes_max
    );
    failure(PAYLOAD_TOO_LARGE, message).non_retryable()
}

/// The instance was stopped.
pub(super) fn fault(fault: Fault) -> Failure {
    let (type_name, retryable) = match fault.code {
        ErrorCode::GuestMemoryLimit => ("ActivityMemoryLimit", true),
        ErrorCode::GuestStackOverflow => ("ActivityStackOverflow", true),
        ErrorCode::GuestCpuLimit => ("ActivityCpuLimit", true),
        ErrorCode::GuestForbiddenCall => ("ActivityForbiddenCall", false),
        ErrorCode::PayloadTooLarge => (PAYLOAD_TOO_LARGE, false),
        _ => ("ActivityTrap", true),
    };
    let message = match fault.backtrace {
        Some(backtrace) => format!("{}\n{backtrace}", fault.message),
        None => fault.message,
    };
    let failure = failure(type_name, message);
    if retryable { failure } else { failure.non_retryable() }
}

/// The module does not define the type.
pub(super) fn type_not_found(wanted: &TypeName, defined: &[TypeName]) -> Failure {
    let mut listed: Vec<String> =
        defined.iter().take(TYPES_SHOWN).map(|name| format!("`{name}`")).collect();
    if defined.len() > TYPES_SHOWN {
        listed.push(format!("and {} more", defined.len() - TYPES_SHOWN));
    }
    let listed = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
    let message = format!(
        "the module defines no activity `{wanted}`; the activities that it defines are: {listed}"
    );
    failure("ActivityTypeNotFound", message).non_retryable()
}

/// The module can't be run on this node now.
pub(super) fn unusable(error: &Unusable) -> Failure {
    failure("ModuleUnavailable", error.describe())
}

/// Another node, or this one later, will do better.
pub(super) fn shutting_down() -> Failure {
    failure("HostUnavailable", "the host is shutting down".to_owned())
}

/// A defect of the host.
pub(super) fn internal(error: &wasmtime::Error) -> Failure {
    failure("HostFailed", format!("the host can't make an instance: {error:#}"))
}

fn failure(type_name: &str, message: String) -> Failure {
    Failure::new(FailureKind::Application, type_name, message)
}
