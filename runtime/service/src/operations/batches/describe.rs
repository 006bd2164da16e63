//! Describes a batch.

use dacapo_model::event::EventAttributes;
use dacapo_model::ids::{BatchId, EventId, QueryName};

use super::run;
use crate::builtin::batch::{PROGRESS, PartOutcome, spec};
use crate::error::Result;
use crate::salvage::or_nothing;
use crate::tenancy::Tenant;
use crate::types::{BatchDescription, BatchProgress, BatchSummary};

impl Tenant {
    /// Everything that is known of the latest batch of this id.
    pub async fn describe_batch(&self, batch_id: &BatchId) -> Result<BatchDescription> {
        let described = self.describe_run(&run(batch_id)?).await;
        let described = described.map_err(|error| self.told_of_batch(batch_id, error))?;
        let key = described.execution.key;
        let store = &self.shared.store;
        let first = or_nothing(store.load_history(key, EventId::FIRST, 1).await)?;
        let spec = first.first().and_then(|event| match &event.attributes {
            EventAttributes::WorkflowExecutionStarted(started) => spec(started).ok(),
            _ => None,
        });
        let published = store.query_result(key, &QueryName::new(PROGRESS)?).await?;
        let mut progress: BatchProgress = published
            .and_then(|value| serde_json::from_slice(value.as_bytes()).ok())
            .unwrap_or_default();
        let part = described.pending_activities.into_iter().next();
        if let Some(details) = part.as_ref().and_then(|part| part.heartbeat_details.as_ref())
            && let Ok(part) = serde_json::from_slice::<PartOutcome>(details.as_bytes())
        {
            progress.add(part.progress);
        }
        let failure = match described.execution.status.is_open() {
            true => None,
            false => {
                or_nothing(store.last_event(key).await)?.and_then(|event| match event.attributes {
                    EventAttributes::WorkflowExecutionFailed { failure, .. } => {
                        Some(failure.info.message)
                    }
                    _ => None,
                })
            }
        };
        Ok(BatchDescription {
            summary: BatchSummary::of(&described.execution)?,
            spec,
            progress,
            last_failure: part.and_then(|part| part.last_failure).map(|it| it.info.message),
            failure,
        })
    }
}
