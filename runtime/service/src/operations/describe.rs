//! Describes a run.

use std::collections::BTreeMap;

use dacapo_model::event::{Chain, EventAttributes, HistoryEvent};
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::EventId;

use super::RunRef;
use super::locate::Located;
use crate::error::Result;
use crate::run::Message;
use crate::salvage::or_nothing;
use crate::tenancy::Tenant;
use crate::types::{ChainDescription, RunDescription};

impl Tenant {
    /// Everything that is known of a run without its history.
    pub async fn describe_run(&self, run: &RunRef) -> Result<RunDescription> {
        self.confirmed(run, self.describe_located(run)).await
    }

    async fn describe_located(&self, run: &RunRef) -> Result<RunDescription> {
        let store = &self.shared.store;
        match self.ask(run, |answer| Message::Describe { answer }).await? {
            Located::Open((open, description)) => {
                let names = store.query_result_names(open.key).await?;
                description.map(|it| RunDescription { published: names, ..it })
            }
            Located::Closed(execution) => {
                // Of a damaged history, what can be read.
                let first = store.load_history(execution.key, EventId::FIRST, 1).await;
                let first = or_nothing(first)?;
                let last = or_nothing(store.last_event(execution.key).await)?;
                let parents = or_nothing(store.find_parents(&[execution.key]).await)?;
                let published = store.query_result_names(execution.key).await?;
                Ok(RunDescription {
                    cancel_requested: execution.status == ExecutionStatus::Canceled,
                    execution: *execution,
                    history_length: last.map_or(0, |event| event.id.0),
                    chain: chain_of_closed(&first),
                    pending_activities: Vec::new(),
                    pending_timers: Vec::new(),
                    versions: BTreeMap::new(),
                    parent: parents.into_iter().next().map(|(_, parent)| parent),
                    pending_children: Vec::new(),
                    pending_externals: Vec::new(),
                    pending_updates: Vec::new(),
                    published,
                })
            }
        }
    }
}

fn chain_of_closed(first: &[HistoryEvent]) -> ChainDescription {
    let chain = match first.first().map(|event| &event.attributes) {
        Some(EventAttributes::WorkflowExecutionStarted(started)) => started.chain.clone(),
        _ => Chain::default(),
    };
    ChainDescription {
        attempt: chain.attempt,
        first_run_id: chain.first_run_id,
        delayed_until: None,
        times_out_at: None,
    }
}
