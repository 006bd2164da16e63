//! How an attempt ended, as the run that asked for it will see it.

use dacapo_model::code::ErrorCode;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::TypeName;
use dacapo_model::limits::Limits;

use super::redaction::Redaction;
use crate::bindings::dacapo::workflow::types as guest;
use crate::config::HostError;
use crate::module::Unusable;
use crate::trap::Fault;

/// Defined types that a message lists; a module may have a thousand.
const TYPES_SHOWN: usize = 20;

/// What stands in the place of `user:password` in a URL.
const CREDENTIALS: &str = "***";

const PAYLOAD_TOO_LARGE: &str = "PayloadTooLarge";

/// Takes out of a failure what should be in no history: secrets, and passwords in URLs.
pub(super) fn redact(failure: &mut guest::Failure, secrets: &Redaction) {
    for info in std::iter::once(&mut failure.info).chain(&mut failure.causes) {
        for text in [&mut info.type_name, &mut info.message] {
            secrets.text(text);
            without_credentials(text);
        }
        if let Some(redacted) = info.details.as_ref().and_then(|details| secrets.bytes(details)) {
            info.details = Some(redacted);
        }
    }
}

/// Puts asterisks in the place of `user:password` in the URLs of a text.
fn without_credentials(text: &mut String) {
    let mut from = 0;
    while let Some(at) = text[from..].find("://") {
        let start = from + at + "://".len();
        let ends = |character: char| {
            matches!(character, '/' | '?' | '#' | '"' | '\'' | '`' | '<' | '>')
                || character.is_whitespace()
        };
        let end = text[start..].find(ends).map_or(text.len(), |length| start + length);
        from = end;
        if let Some(at) = text[start..end].rfind('@') {
            text.replace_range(start..start + at, CREDENTIALS);
            from = end - at + CREDENTIALS.len();
        }
    }
}

/// What its namespace says that it may use makes no sense to this host.
pub(super) fn not_permitted(error: HostError) -> Failure {
    failure("ActivityNotPermitted", error.to_string())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_no_part_of_a_message() {
        let shown = |text: &str| {
            let mut text = text.to_owned();
            without_credentials(&mut text);
            text
        };
        assert_eq!(
            shown("`http://me:pw@h/a?b=c@d` and https://x:p@ss@h2 failed: me@mail.example"),
            "`http://***@h/a?b=c@d` and https://***@h2 failed: me@mail.example"
        );
        assert_eq!(shown("see https://h/ and ://"), "see https://h/ and ://");
        assert_eq!(shown("http://@"), "http://***@");
    }
}
