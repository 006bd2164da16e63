//! Why an activity failed.

use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::payload::Payload;

/// Causes that the server keeps of a failure.
const CAUSES_MAX: usize = 16;

/// Bytes of a message; the server cuts longer ones as well.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// The input is not what the function takes. Trying again can't help.
pub(crate) const INVALID_INPUT: &str = "InvalidInput";
/// What the function returned can't be written as JSON.
pub(crate) const INVALID_RESULT: &str = "InvalidResult";
/// The server took the report of an outcome for wrong, such as a result that is too large.
pub(crate) const RESULT_REFUSED: &str = "ResultRefused";
/// The worker stopped before the function had ended.
pub(crate) const WORKER_SHUTDOWN: &str = "WorkerShutdown";
/// The function ended as cancelled, and nobody had asked for it.
pub(crate) const CANCELLED: &str = "Cancelled";
/// The worker was given something that it has not registered.
pub(crate) const NOT_REGISTERED: &str = "ActivityTypeNotFound";
/// The function panicked.
pub(crate) const PANIC: &str = "Panic";

/// What went wrong, in the broadest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// Raised by code.
    Application,
    /// Ended by a request to cancel.
    Cancelled,
    /// A timeout elapsed; the type says which.
    Timeout,
    /// A run was terminated from outside.
    Terminated,
    /// An activity closed without a result; the cause says why.
    Activity,
    /// A child workflow closed without a result; the cause says why.
    Child,
    /// One that this version does not know.
    #[serde(other)]
    Other,
}

/// One link of a failure's chain.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureInfo {
    /// What went wrong, in the broadest terms.
    pub kind: FailureKind,
    /// A stable name for programs, such as `CardDeclined`. Retry policies match it exactly.
    pub type_name: String,
    /// A sentence for people.
    pub message: String,
    /// True if trying again can't help; no retry policy overrides it.
    pub non_retryable: bool,
    /// Wait before the next attempt, instead of what the retry policy says.
    pub next_retry_delay: Option<Duration>,
    /// Data for the program that handles the failure: JSON.
    pub details: Option<Payload>,
}

/// Why an activity failed, with everything that led to it.
///
/// `?` makes one of any [`Error`]: its type becomes the name, its sources become the
/// causes. That is why `Failure` does not implement [`Error`] itself.
///
/// ```
/// use std::time::Duration;
/// use dacapo_worker::Failure;
///
/// let declined = Failure::new("CardDeclined", "the bank says no").non_retryable();
/// let busy = Failure::new("Busy", "try later").retry_after(Duration::from_secs(90));
/// # let _ = (declined, busy);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The failure itself.
    pub info: FailureInfo,
    /// What led to it, the nearest first.
    pub causes: Vec<FailureInfo>,
}

impl Failure {
    /// A failure that is tried again as the retry policy of the activity says.
    pub fn new(type_name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of_kind(FailureKind::Application, type_name.into(), message.into())
    }

    /// Says that the function ended because it was asked to. It counts so if that is true.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::of_kind(FailureKind::Cancelled, CANCELLED.to_owned(), message.into())
    }

    fn of_kind(kind: FailureKind, type_name: String, message: String) -> Self {
        let info = FailureInfo {
            kind,
            type_name,
            message,
            non_retryable: false,
            next_retry_delay: None,
            details: None,
        };
        Self { info, causes: Vec::new() }
    }

    /// The same, never tried again.
    #[must_use]
    pub fn non_retryable(mut self) -> Self {
        self.info.non_retryable = true;
        self
    }

    /// The same, tried again after this time instead of what the retry policy says.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.info.next_retry_delay = Some(delay);
        self
    }

    /// The same with data for whoever handles it. Data that is not JSON is left out, with a
    /// word about it in the message: the failure itself matters more.
    #[must_use]
    pub fn with_details<T: Serialize + ?Sized>(mut self, details: &T) -> Self {
        match Payload::json(details) {
            Ok(details) => self.info.details = Some(details),
            Err(error) => {
                self.info.message.push_str(&format!(" [its details can't be written: {error}]"));
            }
        }
        self
    }

    /// The same with what led to it, and with what led to that.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Self>) -> Self {
        let cause = cause.into();
        self.causes = std::iter::once(cause.info).chain(cause.causes).collect();
        self
    }

    /// Whether it says that the function ended because it was asked to.
    pub fn is_cancelled(&self) -> bool {
        self.info.kind == FailureKind::Cancelled
    }

    /// About how many bytes of a request it takes.
    pub(crate) fn size(&self) -> usize {
        const FRAME: usize = 100;
        let infos = std::iter::once(&self.info).chain(self.causes.iter().take(CAUSES_MAX));
        infos
            .map(|info| {
                let details = info.details.as_ref().map_or(0, |details| details.bytes().len());
                FRAME + cut(&info.type_name).len() + cut(&info.message).len() + details
            })
            .sum()
    }

    /// Whether it, or what led to it, has this type.
    pub fn is_type(&self, type_name: &str) -> bool {
        std::iter::once(&self.info).chain(&self.causes).any(|info| info.type_name == type_name)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.info.type_name, self.info.message)?;
        for cause in &self.causes {
            write!(f, "; caused by {}: {}", cause.type_name, cause.message)?;
        }
        Ok(())
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut failure = Self::new(short_type_name::<E>(), error.to_string());
        let mut source = error.source();
        while let Some(cause) = source
            && failure.causes.len() < CAUSES_MAX
        {
            failure.causes.push(Self::new("Error", cause.to_string()).info);
            source = cause.source();
        }
        failure
    }
}

/// `io::Error<T>` of `std::io::error::Error<some::T>`: its name without the way to it.
fn short_type_name<T>() -> &'static str {
    let whole = type_name::<T>();
    let base = whole.split('<').next().unwrap_or(whole);
    base.rsplit("::").next().unwrap_or(base)
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            #[serde(rename = "type")]
            type_name: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            non_retryable: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            next_retry_delay_seconds: Option<f64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<Box<RawValue>>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            causes: Vec<Wire<'a>>,
        }
        fn wire<'a>(info: &'a FailureInfo, causes: &'a [FailureInfo]) -> Wire<'a> {
            Wire {
                type_name: cut(&info.type_name),
                message: cut(&info.message),
                non_retryable: info.non_retryable,
                next_retry_delay_seconds: info.next_retry_delay.map(|delay| delay.as_secs_f64()),
                details: info
                    .details
                    .as_ref()
                    .and_then(|details| details.clone().into_wire().into_json()),
                causes: causes.iter().take(CAUSES_MAX).map(|cause| wire(cause, &[])).collect(),
            }
        }
        wire(&self.info, &self.causes).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Failure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default = "application")]
            kind: FailureKind,
            #[serde(rename = "type")]
            type_name: String,
            #[serde(default)]
            message: String,
            #[serde(default)]
            non_retryable: bool,
            #[serde(default)]
            next_retry_delay_seconds: Option<f64>,
            #[serde(default)]
            details: Option<Box<RawValue>>,
            #[serde(default)]
            causes: Vec<Wire>,
        }
        fn application() -> FailureKind {
            FailureKind::Application
        }
        fn info(wire: Wire) -> FailureInfo {
            let delay = wire.next_retry_delay_seconds;
            FailureInfo {
                kind: wire.kind,
                type_name: wire.type_name,
                message: wire.message,
                non_retryable: wire.non_retryable,
                next_retry_delay: delay.and_then(|it| Duration::try_from_secs_f64(it).ok()),
                details: wire.details.map(Payload::from),
            }
        }
        let mut wire = Wire::deserialize(deserializer)?;
        let causes = std::mem::take(&mut wire.causes).into_iter().map(info).collect();
        Ok(Self { info: info(wire), causes })
    }
}

/// The beginning of a text, of whole characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE_BYTES_MAX)]
}

/// What the server said in the place of a result or a message, as details.
pub(crate) fn refused(code: &str, message: &str) -> Failure {
    let text = format!("the server refused the report ({code}): {message}");
    let mut failure = Failure::new(RESULT_REFUSED, text);
    failure.info.details = to_raw_value(code).ok().map(Payload::from);
    failure
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the till is shut")]
    struct Shut(#[source] std::fmt::Error);

    fn fails() -> Result<(), Failure> {
        Err(Shut(std::fmt::Error))?;
        Ok(())
    }

    #[test]
    fn an_error_becomes_a_failure_with_its_causes() {
        let failure = fails().expect_err("it fails");
        assert_eq!(failure.info.type_name, "Shut");
        assert_eq!(failure.info.message, "the till is shut");
        assert_eq!(failure.causes.len(), 1);
        assert!(!failure.info.non_retryable);
    }

    #[test]
    fn a_failure_travels_as_the_server_reads_it() {
        let failure = Failure::new("Declined", "no")
            .non_retryable()
            .retry_after(Duration::from_millis(1_500))
            .with_details(&json!({"limit": 10}))
            .caused_by(Failure::new("Bank", "closed"));
        let sent = serde_json::to_value(&failure).expect("JSON");
        let expected = json!({
            "type": "Declined", "message": "no", "non_retryable": true,
            "next_retry_delay_seconds": 1.5, "details": {"limit": 10},
            "causes": [{"type": "Bank", "message": "closed"}],
        });
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_failure_of_the_server_is_read_whatever_its_kind() {
        let text = r#"{"kind":"new_kind","type":"T","message":"m","non_retryable":false,
            "details":null,"causes":[{"kind":"timeout","type":"Heartbeat","message":"silent",
            "non_retryable":false}]}"#;
        let failure: Failure = serde_json::from_str(text).expect("readable");
        assert_eq!(failure.info.kind, FailureKind::Other);
        assert_eq!(failure.causes[0].kind, FailureKind::Timeout);
        assert!(failure.is_type("Heartbeat"));
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let failure = Failure::new("T", "ü".repeat(MESSAGE_BYTES_MAX));
        let sent = serde_json::to_value(&failure).expect("JSON");
        assert_eq!(sent["message"].as_str().expect("text").len(), MESSAGE_BYTES_MAX);
    }
}
