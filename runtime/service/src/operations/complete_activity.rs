//! Somebody outside says how an attempt ended, or that it is alive.

use std::sync::Arc;

use dacapo_engine::decide::{ActivityTarget, Input, Refusal, Report};
use dacapo_engine::guest::AttemptSignals;
use dacapo_model::code::ErrorCode;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{OperationId, RunId};
use dacapo_model::limits::{HEARTBEAT_DETAILS_BYTES_MAX, TIMER_MAX};
use dacapo_model::payload::Payload;
use dacapo_model::task_token::TaskToken;
use tokio::sync::oneshot;

use super::RunRef;
use super::heartbeat_tasks::{HeartbeatAnswer, TaskHeartbeat, lease_lost};
use super::locate::{Located, check_payload};
use crate::delivery::{Address, Reached, deliver, find, no_answer, tell_open};
use crate::error::{Result, ServiceError};
use crate::queues::LeaseAnswer;
use crate::run::{Message, OpenRun};
use crate::tenancy::Tenant;

/// Names an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActivityRef {
    /// By what its attempt was given.
    Token(TaskToken),
    /// By the run that asked for it.
    Operation {
        /// Which run.
        run: RunRef,
        /// The workflow's name for it.
        operation_id: OperationId,
    },
}

impl Tenant {
    /// Ends an attempt that was left open. When it returns, that is durable.
    pub async fn report_activity(&self, activity: &ActivityRef, report: Report) -> Result<RunId> {
        self.shared.admit_write()?;
        let report = bounded(report);
        self.check_report(&report)?;
        let reported = match activity {
            ActivityRef::Token(token) if token.attempt.is_some() => {
                self.report_lease(token, report).await
            }
            ActivityRef::Token(_) | ActivityRef::Operation { .. } => {
                self.report(activity, report).await
            }
        };
        self.unless_displaced(activity, reported).await
    }

    async fn report(&self, activity: &ActivityRef, report: Report) -> Result<RunId> {
        let run = self.run_of(activity).await?;
        let input = Input::ActivityReported { activity: target(activity), report };
        match tell_open(&self.shared, &run, input).await? {
            Ok(()) => Ok(run.key.run_id),
            Err(refusal) => Err(refused(&refusal)),
        }
    }

    /// Says that an attempt which was left open is alive.
    pub async fn heartbeat_activity(
        &self,
        activity: &ActivityRef,
        details: Option<Payload>,
    ) -> Result<AttemptSignals> {
        self.shared.admit_write()?;
        if let Some(details) = &details {
            check_payload("what the heartbeat says", details, HEARTBEAT_DETAILS_BYTES_MAX)?;
        }
        let heard = match activity {
            ActivityRef::Token(token) if token.attempt.is_some() => {
                self.heartbeat_lease(*token, details).await
            }
            ActivityRef::Token(_) | ActivityRef::Operation { .. } => {
                self.heartbeat(activity, details).await
            }
        };
        self.unless_displaced(activity, heard).await
    }

    async fn heartbeat(
        &self,
        activity: &ActivityRef,
        details: Option<Payload>,
    ) -> Result<AttemptSignals> {
        let run = self.run_of(activity).await?;
        let (answer, answered) = oneshot::channel();
        let message = Message::Heartbeat { activity: target(activity), details, answer };
        if deliver(&self.shared, &run, message).await.is_err() {
            return Err(not_found());
        }
        let signals = answered.await.map_err(|_| no_answer())??;
        signals.map_err(|refusal| refused(&refusal))
    }

    async fn heartbeat_lease(
        &self,
        token: TaskToken,
        details: Option<Payload>,
    ) -> Result<AttemptSignals> {
        let heartbeat = TaskHeartbeat { token, details };
        let mut heard = self.heartbeat_tasks(vec![heartbeat]).await?;
        let HeartbeatAnswer { lease, not_kept } =
            heard.pop().unwrap_or_else(|| Err(lease_lost()))?;
        if let Some(error) = not_kept {
            return Err(error);
        }
        let LeaseAnswer { cancel_requested, paused, .. } = lease;
        Ok(AttemptSignals { cancel_requested, paused })
    }

    /// Lets a refusal out only if the run is still this node's: nothing was committed for
    /// it, which would have shown that, and whoever hears it throws the outcome away.
    async fn unless_displaced<T>(&self, activity: &ActivityRef, told: Result<T>) -> Result<T> {
        let is_refused = |error: &ServiceError| error.code != ErrorCode::Unavailable;
        if told.as_ref().is_err_and(is_refused) {
            let hash = match activity {
                ActivityRef::Token(token) => token.key.hash,
                ActivityRef::Operation { run, .. } => self.hash_of(&run.workflow_id),
            };
            self.shared.hold.confirm.held(hash).await?;
        }
        told
    }

    fn check_report(&self, report: &Report) -> Result<()> {
        let bytes_max = self.policy.limits.payload_bytes_max;
        match report {
            Report::Completed(result) => check_payload("the result", result, bytes_max),
            Report::Failed(failure) | Report::Canceled(failure) => {
                let bytes = failure.details_len();
                if bytes <= bytes_max {
                    return Ok(());
                }
                Err(ServiceError::new(
                    ErrorCode::PayloadTooLarge,
                    format!(
                        "the details of the failure have {bytes} bytes; at most {bytes_max} are \
                         allowed"
                    ),
                ))
            }
        }
    }

    /// The run that waits for the activity.
    async fn run_of(&self, activity: &ActivityRef) -> Result<Arc<OpenRun>> {
        let found = match activity {
            ActivityRef::Token(token) => match find(&self.shared, Address::Key(token.key)).await? {
                Reached::Here(open) => {
                    Some(open).filter(|it| it.namespace == self.namespace && it.key == token.key)
                }
                Reached::Elsewhere => return Err(ServiceError::displaced()),
                Reached::Unreadable(error) => return Err(error.into()),
                Reached::Closed(_) | Reached::Unknown => None,
            },
            ActivityRef::Operation { run, .. } => match self.locate(run).await? {
                Located::Open(open) => Some(open),
                Located::Closed(_) => None,
            },
        };
        found.ok_or_else(not_found)
    }
}

/// The report of an attempt that ended because it was asked to.
pub fn canceled_report(message: String, details: Option<Payload>) -> Report {
    let message = match message {
        message if message.is_empty() => "the activity ended as it was asked to".to_owned(),
        message => message,
    };
    let mut failure = Failure::new(FailureKind::Cancelled, "Cancelled", message);
    failure.info.details = details;
    Report::Canceled(failure)
}

/// What is kept of a failure, which may come with any text and any delay.
fn bounded(report: Report) -> Report {
    let bound = |mut failure: Failure| {
        for info in std::iter::once(&mut failure.info).chain(&mut failure.causes) {
            info.next_retry_delay = info.next_retry_delay.map(|delay| delay.min(TIMER_MAX));
        }
        failure.bounded()
    };
    match report {
        Report::Completed(result) => Report::Completed(result),
        Report::Failed(failure) => Report::Failed(bound(failure)),
        Report::Canceled(failure) => Report::Canceled(bound(failure)),
    }
}

fn target(activity: &ActivityRef) -> ActivityTarget {
    match activity {
        ActivityRef::Token(token) => ActivityTarget::Token {
            scheduled_event_id: token.scheduled_event_id,
            digest: token.digest(),
        },
        ActivityRef::Operation { operation_id, .. } => ActivityTarget::Operation(*operation_id),
    }
}

/// The error for a request about an activity.
pub(super) fn refused(refusal: &Refusal) -> ServiceError {
    match refusal {
        Refusal::ActivityNotOpen => ServiceError::new(
            ErrorCode::ActivityNotOpen,
            "the activity is pending, but its attempt is not to be completed from outside: it \
             runs in the server, or waits for its time",
        ),
        Refusal::CancelNotRequested => ServiceError::new(
            ErrorCode::InvalidArgument,
            "the workflow did not ask the activity to cancel: complete it, or let it fail",
        ),
        Refusal::HistoryFull { max } => ServiceError::new(
            ErrorCode::RunLimitExceeded,
            format!("the history of the run has {max} events, which is all that it may have"),
        ),
        _ => not_found(),
    }
}

pub(super) fn not_found() -> ServiceError {
    ServiceError::new(
        ErrorCode::ActivityNotFound,
        "there is no such activity: it has its outcome, its attempt is over, or it never was",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dacapo_model::limits::{FAILURE_CAUSES_MAX, FAILURE_MESSAGE_BYTES_MAX};

    use super::*;

    #[test]
    fn a_report_of_a_failure_is_bounded() {
        let mut failure = Failure::new(FailureKind::Application, "Declined", "no");
        failure.info.next_retry_delay = Some(Duration::MAX);
        failure.causes = vec![failure.info.clone(); FAILURE_CAUSES_MAX + 1];
        let Report::Failed(kept) = bounded(Report::Failed(failure)) else {
            panic!("it is a failure");
        };
        assert_eq!(kept.causes.len(), FAILURE_CAUSES_MAX);
        for info in std::iter::once(&kept.info).chain(&kept.causes) {
            assert_eq!(info.next_retry_delay, Some(TIMER_MAX));
        }
    }

    #[test]
    fn what_a_canceled_attempt_says_is_bounded() {
        let long = "x".repeat(2 * FAILURE_MESSAGE_BYTES_MAX);
        let Report::Canceled(kept) = bounded(canceled_report(long, None)) else {
            panic!("it is canceled");
        };
        // What is cut ends with a mark.
        assert_eq!(kept.info.message.len(), FAILURE_MESSAGE_BYTES_MAX + '…'.len_utf8());
    }

    #[test]
    fn an_attempt_that_canceled_says_so_if_nothing_else() {
        let message = |text: &str| match canceled_report(text.to_owned(), None) {
            Report::Canceled(failure) => failure.info.message,
            other => panic!("{other:?}"),
        };
        assert_eq!(message(""), "the activity ended as it was asked to");
        assert_eq!(message("enough"), "enough");
    }
}
