//! A worker says how attempts ended that it had from a queue.

use dacapo_engine::decide::{ActivityTarget, Input, Refusal, Report};
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{EventId, RunId};
use dacapo_model::task_token::TaskToken;
use futures::StreamExt as _;
use futures::stream;

use super::complete_activity::{ActivityRef, not_found, refused};
use super::heartbeat_tasks::{check_count, lease_lost};
use crate::delivery::{Address, Reached, find, tell_open};
use crate::error::{Result, ServiceError};
use crate::queues::{Resolved, resolve, write_last};
use crate::tenancy::Tenant;

/// Reports of one request that are recorded at a time.
const AT_ONCE: usize = 100;

/// Events after its beginning among which the end of an activity is looked for.
const LOOKED_AT_MAX: u32 = 10_000;
const LOOKED_AT_BYTES_MAX: u64 = 16 * 1024 * 1024;

impl Tenant {
    /// Ends attempts, each by itself: in their order, the run that each belongs to. What is
    /// recorded is durable.
    pub async fn report_tasks(
        &self,
        reports: Vec<(TaskToken, Report)>,
    ) -> Result<Vec<Result<RunId>>> {
        self.shared.admit_write()?;
        check_count("reports", reports.len())?;
        let reported = stream::iter(reports).map(|(token, report)| async move {
            let activity = ActivityRef::Token(token);
            self.report_activity(&activity, report).await
        });
        Ok(reported.buffered(AT_ONCE).collect().await)
    }

    /// Ends the attempt of a lease. A report that was recorded before is answered as it was
    /// then.
    pub(super) async fn report_lease(&self, token: &TaskToken, report: Report) -> Result<RunId> {
        let is_failure = matches!(report, Report::Failed(_));
        match resolve(&self.shared, &self.namespace, token).await? {
            Resolved::Held => {}
            Resolved::Unknown => return Err(not_found()),
            Resolved::Gone => return self.recorded_before(token).await,
            Resolved::Passed { attempt, last_failure } => {
                // The attempt after this one is current because this one was reported.
                let is_next = token.attempt.and_then(|it| it.checked_add(1)) == Some(attempt);
                let is_recorded = is_next && last_failure.is_some_and(|it| is_reported(&it));
                return match is_failure && is_recorded {
                    true => Ok(token.key.run_id),
                    false => Err(lease_lost()),
                };
            }
        }
        let run = match find(&self.shared, Address::Key(token.key)).await? {
            Reached::Here(run) => run,
            Reached::Elsewhere => return Err(ServiceError::displaced()),
            Reached::Unreadable(error) => return Err(error.into()),
            Reached::Closed(_) | Reached::Unknown => {
                return self.recorded_before(token).await;
            }
        };
        if is_failure {
            write_last(&self.shared, token).await?;
        }
        let scheduled_event_id = token.scheduled_event_id;
        let attempt = token.attempt.unwrap_or_default();
        let activity = ActivityTarget::Lease { scheduled_event_id, attempt };
        let input = Input::ActivityReported { activity, report };
        match tell_open(&self.shared, &run, input).await? {
            Ok(()) => Ok(run.key.run_id),
            Err(Refusal::LeaseLost) => Err(lease_lost()),
            Err(Refusal::NoSuchActivity | Refusal::Closed) => self.recorded_before(token).await,
            Err(refusal) => Err(refused(&refusal)),
        }
    }

    /// Whether the activity ended by the attempt of this token, which only its worker can
    /// have reported.
    async fn recorded_before(&self, token: &TaskToken) -> Result<RunId> {
        let store = &self.shared.store;
        let run = store.find_runs(&[token.key]).await?.pop();
        if run.is_none_or(|run| run.namespace != self.namespace) {
            return Err(not_found());
        }
        let from = token.scheduled_event_id;
        let events =
            store.load_history_part(token.key, from, LOOKED_AT_MAX, LOOKED_AT_BYTES_MAX).await?;
        match ended_by(&events, from) == token.attempt {
            true => Ok(token.key.run_id),
            false => Err(not_found()),
        }
    }
}

/// The attempt whose report has ended an activity, among all that there ever were.
fn ended_by(events: &[HistoryEvent], activity: EventId) -> Option<u32> {
    let mut before = 0;
    events.iter().find_map(|event| match &event.attributes {
        // Attempts are counted from there.
        EventAttributes::ActivityTaskReset(reset) if reset.scheduled_event_id == activity => {
            before = reset.attempts_before;
            None
        }
        EventAttributes::ActivityTaskCompleted { scheduled_event_id, attempt, .. }
        | EventAttributes::ActivityTaskFailed { scheduled_event_id, attempt, .. }
            if *scheduled_event_id == activity =>
        {
            Some(before + *attempt)
        }
        _ => None,
    })
}

/// Whether a failure came from a worker: that of a lease that is over was made here.
fn is_reported(failure: &Failure) -> bool {
    failure.info.kind != FailureKind::Timeout
}

#[cfg(test)]
mod tests {
    use dacapo_model::code::ErrorCode;

    use super::*;

    #[test]
    fn a_lease_that_is_over_was_not_reported() {
        let reported = Failure::new(FailureKind::Application, "Declined", "no");
        let over = Failure::new(FailureKind::Timeout, "Heartbeat", "silent");
        assert!(is_reported(&reported));
        assert!(!is_reported(&over));
        assert_eq!(lease_lost().code, ErrorCode::LeaseLost);
    }
}
