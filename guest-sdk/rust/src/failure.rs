//! What went wrong, in the shape that the runtime records and shows.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::dacapo::workflow::types as wit;
use crate::http::HttpError;
use crate::payload;
use crate::signals::InvalidSignal;
use crate::time::nanos;

/// What went wrong, in the broadest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// Raised by the code of a workflow or an activity.
    Application,
    /// Ended by a cancellation request.
    Cancelled,
    /// A timeout of the runtime elapsed; the type name says which.
    Timeout,
    /// A run was terminated from outside.
    Terminated,
    /// An activity closed without a result; the cause says why.
    Activity,
    /// A child workflow closed without a result; the cause says why.
    Child,
    /// The code does not fit the recorded history.
    Nondeterminism,
}

/// One link of a failure's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureInfo {
    /// What went wrong, in the broadest terms.
    pub kind: FailureKind,
    /// A stable name for programs, such as `CardDeclined`. Retry policies
    /// match it exactly.
    pub type_name: String,
    /// A sentence for people.
    pub message: String,
    /// True if trying again can't help; no retry policy overrides it.
    pub non_retryable: bool,
    /// How long to wait before the next attempt, instead of what the retry
    /// policy says.
    pub next_retry_delay: Option<Duration>,
    /// Data for the program that handles the failure; JSON by convention.
    pub details: Option<Vec<u8>>,
}

/// A failure of a workflow or an activity, with everything that led to it.
///
/// `?` turns any [`std::error::Error`] into a `Failure`: its type becomes the
/// type name, its sources become the causes. That conversion is why `Failure`
/// does not implement `Error` itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The failure itself.
    pub info: FailureInfo,
    /// Its causes, the nearest first.
    pub causes: Vec<FailureInfo>,
}

impl Failure {
    /// A failure raised by the code of a workflow or an activity.
    pub fn application(type_name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Application, type_name.into(), message.into())
    }

    /// A failure that says the work was cancelled. A workflow that returns it
    /// ends as cancelled, not as failed.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Cancelled, "Cancelled".to_owned(), message.into())
    }

    fn new(kind: FailureKind, type_name: String, message: String) -> Self {
        Self {
            info: FailureInfo {
                kind,
                type_name,
                message,
                non_retryable: false,
                next_retry_delay: None,
                details: None,
            },
            causes: Vec::new(),
        }
    }

    /// The same failure, never retried.
    #[must_use]
    pub fn non_retryable(mut self) -> Self {
        self.info.non_retryable = true;
        self
    }

    /// The same failure, retried after `delay` whatever the policy says.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.info.next_retry_delay = Some(delay);
        self
    }

    /// Adds data for the program that handles the failure, as JSON.
    pub fn with_details(mut self, details: &impl Serialize) -> Result<Self, Failure> {
        self.info.details = Some(payload::encode_details(details)?);
        Ok(self)
    }

    /// The data of the failure itself, if it has any.
    pub fn details<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        self.info.details.as_deref().map(payload::decode_details).transpose()
    }

    /// Wraps `cause` and its own causes.
    #[must_use]
    pub fn caused_by(mut self, cause: Failure) -> Self {
        self.causes = std::iter::once(cause.info).chain(cause.causes).collect();
        self
    }

    /// The failure itself, then its causes, the nearest first.
    pub fn chain(&self) -> impl Iterator<Item = &FailureInfo> {
        std::iter::once(&self.info).chain(&self.causes)
    }

    /// True if the failure or one of its causes has this type name.
    ///
    /// What an activity raised arrives in the workflow as the cause of a
    /// failure of kind [`FailureKind::Activity`], so this is the way to ask
    /// for it.
    pub fn is_type(&self, type_name: &str) -> bool {
        self.chain().any(|info| info.type_name == type_name)
    }

    /// True if this is the consequence of a cancellation.
    pub fn is_cancelled(&self) -> bool {
        self.chain()
            .find(|info| !matches!(info.kind, FailureKind::Activity | FailureKind::Child))
            .is_some_and(|info| info.kind == FailureKind::Cancelled)
    }

    pub(crate) fn from_wit(failure: wit::Failure) -> Self {
        Self {
            info: FailureInfo::from_wit(failure.info),
            causes: failure.causes.into_iter().map(FailureInfo::from_wit).collect(),
        }
    }

    pub(crate) fn into_wit(self) -> wit::Failure {
        wit::Failure {
            info: self.info.into_wit(),
            causes: self.causes.into_iter().map(FailureInfo::into_wit).collect(),
        }
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

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut failure = Self::application(short_type_name::<E>(), error.to_string());
        let http_error = (&error as &dyn Any).downcast_ref::<HttpError>();
        // Neither comes to anything else by being tried again.
        failure.info.non_retryable = http_error.is_some_and(HttpError::is_permanent)
            || (&error as &dyn Any).is::<InvalidSignal>();
        let mut source = error.source();
        while let Some(cause) = source {
            failure.causes.push(Self::application("Error", cause.to_string()).info);
            source = cause.source();
        }
        failure
    }
}

impl FailureInfo {
    fn from_wit(info: wit::FailureInfo) -> Self {
        Self {
            kind: FailureKind::from_wit(info.kind),
            type_name: info.type_name,
            message: info.message,
            non_retryable: info.non_retryable,
            next_retry_delay: info.next_retry_delay.map(Duration::from_nanos),
            details: info.details,
        }
    }

    fn into_wit(self) -> wit::FailureInfo {
        wit::FailureInfo {
            kind: self.kind.into_wit(),
            type_name: self.type_name,
            message: self.message,
            non_retryable: self.non_retryable,
            next_retry_delay: self.next_retry_delay.map(nanos),
            details: self.details,
        }
    }
}

impl FailureKind {
    fn from_wit(kind: wit::FailureKind) -> Self {
        match kind {
            wit::FailureKind::Application => Self::Application,
            wit::FailureKind::Cancelled => Self::Cancelled,
            wit::FailureKind::Timeout => Self::Timeout,
            wit::FailureKind::Terminated => Self::Terminated,
            wit::FailureKind::Activity => Self::Activity,
            wit::FailureKind::Child => Self::Child,
            wit::FailureKind::Nondeterminism => Self::Nondeterminism,
        }
    }

    fn into_wit(self) -> wit::FailureKind {
        match self {
            Self::Application => wit::FailureKind::Application,
            Self::Cancelled => wit::FailureKind::Cancelled,
            Self::Timeout => wit::FailureKind::Timeout,
            Self::Terminated => wit::FailureKind::Terminated,
            Self::Activity => wit::FailureKind::Activity,
            Self::Child => wit::FailureKind::Child,
            Self::Nondeterminism => wit::FailureKind::Nondeterminism,
        }
    }
}

/// The name of a type without its path and its parameters.
fn short_type_name<T>() -> &'static str {
    let full = std::any::type_name::<T>();
    let path = full.split('<').next().unwrap_or(full);
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct NoRoute(std::num::ParseIntError);

    impl fmt::Display for NoRoute {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no route")
        }
    }

    impl Error for NoRoute {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    fn activity_failure(cause: Failure) -> Failure {
        Failure::new(FailureKind::Activity, "ActivityFailed".to_owned(), "failed".to_owned())
            .caused_by(cause)
    }

    #[test]
    fn a_std_error_keeps_its_type_and_its_sources() {
        let source = "x".parse::<u8>().expect_err("not a number");
        let failure = Failure::from(NoRoute(source));
        assert_eq!(failure.info.type_name, "NoRoute");
        assert_eq!(failure.info.message, "no route");
        assert!(!failure.info.non_retryable);
        assert_eq!(failure.causes.len(), 1);
        assert_eq!(failure.causes[0].message, "invalid digit found in string");
    }

    #[test]
    fn the_type_of_an_activity_failure_is_found_through_its_cause() {
        let failure = activity_failure(Failure::application("CardDeclined", "declined"));
        assert!(failure.is_type("CardDeclined"));
        assert!(!failure.is_type("OutOfStock"));
        assert!(!failure.is_cancelled());
    }

    #[test]
    fn only_a_cancelled_activity_counts_as_cancelled() {
        assert!(activity_failure(Failure::cancelled("stop")).is_cancelled());
        let hidden = Failure::application("Broken", "x").caused_by(Failure::cancelled("stop"));
        assert!(!hidden.is_cancelled());
    }

    #[test]
    fn everything_survives_the_way_through_the_interface() {
        let failure = activity_failure(
            Failure::application("CardDeclined", "declined")
                .non_retryable()
                .retry_after(Duration::from_millis(7))
                .with_details(&[1, 2])
                .expect("numbers are JSON"),
        );
        assert_eq!(Failure::from_wit(failure.clone().into_wit()), failure);
    }

    #[test]
    fn a_permanent_http_error_is_not_retried() {
        let refused = HttpError::InvalidRequest("no scheme".to_owned());
        assert!(Failure::from(refused).info.non_retryable);
        let slow = HttpError::Timeout(Duration::from_secs(1));
        assert!(!Failure::from(slow).info.non_retryable);
    }
}
