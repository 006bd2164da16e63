//! One attempt of an activity, from the task to its report.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::api::Api;
use crate::context::ActivityContext;
use crate::execute::execute;
use crate::failure::{Failure, NOT_REGISTERED};
use crate::heartbeats;
use crate::in_hand::{Entry, InHand};
use crate::info::TaskInfo;
use crate::outcome::Outcome;
use crate::payload::Payload;
use crate::registry::Function;
use crate::reporter::Reports;

/// An attempt that is about to begin.
pub(crate) struct Attempt {
    pub(crate) api: Arc<Api>,
    pub(crate) info: TaskInfo,
    pub(crate) input: Result<Payload, Failure>,
    pub(crate) function: Option<Function>,
    pub(crate) entry: Entry,
    pub(crate) in_hand: Arc<InHand>,
    pub(crate) reports: Reports,
    /// Cancelled when nothing is waited for any more.
    pub(crate) give_up: CancellationToken,
    /// Room in the worker.
    pub(crate) _permit: OwnedSemaphorePermit,
}

impl Attempt {
    /// Runs it and reports how it ended.
    pub(crate) async fn run(self) {
        let TaskInfo { workflow_id, run_id, activity_type, attempt, .. } = &self.info;
        let span = tracing::info_span!(
            "activity",
            %workflow_id,
            %run_id,
            %activity_type,
            attempt,
            operation_id = self.info.operation_id,
            traceparent = self.info.trace_context.get("traceparent").map(tracing::field::display),
        );
        self.run_in_span().instrument(span).await;
    }

    async fn run_in_span(self) {
        let Self { api, info, input, function, entry, in_hand, reports, give_up, _permit } = self;
        tracing::debug!("an attempt begins");
        let outcome = match (function, input) {
            (Some(function), Ok(input)) => {
                let context = ActivityContext::new(info, entry.share(), in_hand);
                tokio::select! {
                    biased;
                    returned = execute(function, context, input) => {
                        Outcome::of(returned, entry.cancellation().reason())
                    }
                    () = entry.lost() => {
                        tracing::warn!("the lease of an attempt is lost; it is stopped");
                        return;
                    }
                    () = give_up.cancelled() => Outcome::shut_down(),
                }
            }
            (None, _) => Outcome::failed(not_registered(&info.activity_type)),
            (_, Err(failure)) => Outcome::failed(failure),
        };
        // The next attempt is to hear of it, and a report does not say it.
        if outcome.failure().is_some() && entry.has_details() {
            heartbeats::flush(&api, entry.share()).await;
        }
        match outcome.failure() {
            Some(failure) => tracing::warn!(%failure, "an attempt has failed"),
            None => tracing::debug!("an attempt has ended"),
        }
        reports.report(entry.share(), outcome).await;
    }
}

fn not_registered(activity_type: &str) -> Failure {
    let message = format!("this worker has no function for the activity `{activity_type}`");
    Failure::new(NOT_REGISTERED, message)
}
