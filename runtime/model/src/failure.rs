//! One failure type for guest, host, store and API.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{FAILURE_CAUSES_MAX, FAILURE_MESSAGE_BYTES_MAX, RETRIED_FAILURE_BYTES_MAX};
use crate::payload::Payload;
use crate::text::cut;
use crate::time::{optional_duration_micros, whole_micros};

/// What went wrong, in the broadest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Raised by the code of a workflow or an activity.
    Application,
    /// Ended by a cancellation request.
    Cancelled,
    /// A timeout of the runtime elapsed.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureInfo {
    /// What went wrong, in the broadest terms.
    pub kind: FailureKind,
    /// A stable name for programs; retry policies match it exactly.
    #[serde(rename = "type")]
    pub type_name: String,
    /// A sentence for people.
    pub message: String,
    /// True if trying again can't help.
    #[serde(default)]
    pub non_retryable: bool,
    /// Wait before the next attempt, instead of what the retry policy says.
    #[serde(
        default,
        rename = "next_retry_delay_micros",
        with = "optional_duration_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub next_retry_delay: Option<Duration>,
    /// Data for the program that handles the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Payload>,
}

/// A failure with everything that led to it, the nearest cause first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The failure itself.
    #[serde(flatten)]
    pub info: FailureInfo,
    /// Its causes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<FailureInfo>,
}

impl Failure {
    /// A failure without a cause that may be retried.
    pub fn new(
        kind: FailureKind,
        type_name: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let info = FailureInfo {
            kind,
            type_name: type_name.into(),
            message: message.into(),
            non_retryable: false,
            next_retry_delay: None,
            details: None,
        };
        Self { info, causes: Vec::new() }.bounded()
    }

    /// The same failure, never retried.
    #[must_use]
    pub fn non_retryable(mut self) -> Self {
        self.info.non_retryable = true;
        self
    }

    /// Wraps `cause` and its own causes.
    #[must_use]
    pub fn caused_by(mut self, cause: Failure) -> Self {
        self.causes = std::iter::once(cause.info).chain(cause.causes).collect();
        self.bounded()
    }

    /// Cuts what a guest could make too long, messages and the chain, and rounds
    /// what a history can't keep exactly.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.causes.truncate(FAILURE_CAUSES_MAX);
        for info in std::iter::once(&mut self.info).chain(&mut self.causes) {
            cut(&mut info.message, FAILURE_MESSAGE_BYTES_MAX);
            cut(&mut info.type_name, FAILURE_MESSAGE_BYTES_MAX);
            info.next_retry_delay = info.next_retry_delay.map(whole_micros);
        }
        self
    }

    /// What is kept of it while the activity is tried again: if it is large, not its
    /// details, nor its farthest causes, nor the ends of long texts.
    #[must_use]
    pub fn while_retried(mut self) -> Self {
        if self.bytes() <= RETRIED_FAILURE_BYTES_MAX {
            return self;
        }
        let details = self.details_len();
        for info in std::iter::once(&mut self.info).chain(&mut self.causes) {
            info.details = None;
        }
        cut(&mut self.info.message, RETRIED_FAILURE_BYTES_MAX / 2);
        cut(&mut self.info.type_name, RETRIED_FAILURE_BYTES_MAX / 4);
        if details > 0 {
            self.info.message.push_str(&format!(" [{details} bytes of details are not kept]"));
        }
        while self.bytes() > RETRIED_FAILURE_BYTES_MAX && self.causes.pop().is_some() {}
        self
    }

    /// Bytes of all texts and details together.
    fn bytes(&self) -> usize {
        let texts = self.infos().map(|info| info.message.len() + info.type_name.len());
        texts.sum::<usize>() + self.details_len()
    }

    /// Bytes of all details together, which the payload limit applies to.
    pub fn details_len(&self) -> usize {
        self.infos().filter_map(|info| info.details.as_ref()).map(Payload::len).sum()
    }

    fn infos(&self) -> impl Iterator<Item = &FailureInfo> {
        std::iter::once(&self.info).chain(&self.causes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_keeps_its_nearest_causes() {
        let mut failure = Failure::new(FailureKind::Application, "Leaf", "leaf");
        for depth in 0..40 {
            failure =
                Failure::new(FailureKind::Activity, format!("D{depth}"), "x").caused_by(failure);
        }
        assert_eq!(failure.causes.len(), FAILURE_CAUSES_MAX);
        assert_eq!(failure.causes[0].type_name, "D38");
    }

    #[test]
    fn a_bounded_failure_survives_being_stored() {
        let mut failure = Failure::new(FailureKind::Application, "T", "x");
        failure.info.next_retry_delay = Some(Duration::from_nanos(1_500));
        failure.info.details = Some(Payload::new(vec![0, 255]));
        let failure = Failure::new(FailureKind::Activity, "A", "y").caused_by(failure);
        let text = serde_json::to_string(&failure).expect("serialises");
        assert_eq!(serde_json::from_str::<Failure>(&text).expect("parses"), failure);
        assert_eq!(failure.causes[0].next_retry_delay, Some(Duration::from_micros(2)));
    }

    #[test]
    fn what_is_kept_of_a_failure_between_attempts_is_small() {
        let mut small = Failure::new(FailureKind::Application, "T", "x");
        small.info.details = Some(Payload::new(vec![b'x'; RETRIED_FAILURE_BYTES_MAX - 2]));
        assert_eq!(small.clone().while_retried(), small, "as it is");

        let mut large = small.clone();
        large.info.details = Some(Payload::new(vec![b'x'; 2 * 1024 * 1024]));
        let kept = large.while_retried().info;
        assert_eq!((kept.type_name.as_str(), kept.details), ("T", None));
        assert_eq!(kept.message, "x [2097152 bytes of details are not kept]");

        let long = "ü".repeat(FAILURE_MESSAGE_BYTES_MAX);
        let mut largest = Failure::new(FailureKind::Application, long.clone(), long.clone());
        for _ in 0..FAILURE_CAUSES_MAX {
            largest =
                Failure::new(FailureKind::Activity, long.clone(), long.clone()).caused_by(largest);
        }
        largest.info.details.clone_from(&small.info.details);
        let kept = largest.while_retried();
        assert!(kept.bytes() <= RETRIED_FAILURE_BYTES_MAX, "{} bytes", kept.bytes());

        let causes = (0..FAILURE_CAUSES_MAX).fold(small.clone(), |cause, depth| {
            let message = format!("{depth} {}", "x".repeat(4_000));
            Failure::new(FailureKind::Application, "T", message).caused_by(cause)
        });
        let kept = causes.while_retried();
        assert_eq!(kept.causes.len(), 3, "the nearest of them");
        assert!(kept.causes[0].message.starts_with("14 "));
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let failure = Failure::new(FailureKind::Application, "T", "ü".repeat(100_000));
        assert!(failure.info.message.len() <= FAILURE_MESSAGE_BYTES_MAX + '…'.len_utf8());
    }
}
