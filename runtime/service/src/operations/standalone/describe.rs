//! Describes an activity without a workflow.

use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::ids::{EventId, RunKey};

use crate::builtin;
use crate::error::Result;
use crate::salvage::or_nothing;
use crate::tenancy::Tenant;
use crate::types::{StandaloneDescription, StandaloneRef, StandaloneSummary};

/// The end of a history: how the activity ended, and with it the run.
const END: u32 = 2;

impl Tenant {
    /// Everything that is known of an activity without its history.
    pub async fn describe_activity(
        &self,
        activity: &StandaloneRef,
    ) -> Result<StandaloneDescription> {
        let described = self.describe_run(&activity.run()?).await;
        let run = described.map_err(|error| self.told_of(&activity.activity_id, error))?;
        let key = run.execution.key;
        let first = self.events(key, EventId::FIRST, 1).await?;
        let options = first.first().and_then(|event| match &event.attributes {
            EventAttributes::WorkflowExecutionStarted(started) => {
                builtin::activity::options(started).ok()
            }
            _ => None,
        });
        let pending = run.pending_activities.into_iter().next();
        let attempt = match (&pending, run.execution.status.is_open()) {
            (Some(pending), _) => Some(pending.attempt),
            (None, true) => None,
            (None, false) => {
                let end = EventId(run.history_length.saturating_sub(u64::from(END) - 1).max(1));
                self.events(key, end, END).await?.iter().find_map(last_attempt)
            }
        };
        Ok(StandaloneDescription {
            summary: StandaloneSummary::of(run.execution)?,
            history_length: run.history_length,
            options,
            cancel_requested: run.cancel_requested,
            delayed_until: run.chain.delayed_until,
            attempt,
            pending,
        })
    }

    /// Of a damaged history, what can be read.
    async fn events(&self, key: RunKey, from: EventId, limit: u32) -> Result<Vec<HistoryEvent>> {
        Ok(or_nothing(self.shared.store.load_history(key, from, limit).await)?)
    }
}

fn last_attempt(event: &HistoryEvent) -> Option<u32> {
    match event.attributes {
        EventAttributes::ActivityTaskCompleted { attempt, .. }
        | EventAttributes::ActivityTaskFailed { attempt, .. }
        | EventAttributes::ActivityTaskTimedOut { attempt, .. } => Some(attempt),
        _ => None,
    }
}
