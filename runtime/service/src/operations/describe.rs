//! Describes a run.

use std::collections::BTreeMap;

use dacapo_model::event::{Chain, EventAttributes};
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{EventId, RunKey};
use dacapo_store::task::{LeasedTask, TaskPlace};

use super::RunRef;
use super::locate::Located;
use crate::error::Result;
use crate::run::Message;
use crate::salvage::or_nothing;
use crate::tenancy::Tenant;
use crate::types::{ActivityDescription, ChainDescription, LeaseDescription, RunDescription};

/// Tasks of a run that are read to say who has them: each may have 64 KiB of details.
const TASKS_READ_MAX: usize = 100;

impl Tenant {
    /// Everything that is known of a run without its history.
    pub async fn describe_run(&self, run: &RunRef) -> Result<RunDescription> {
        self.confirmed(run, self.describe_located(run)).await
    }

    async fn describe_located(&self, run: &RunRef) -> Result<RunDescription> {
        let store = &self.shared.store;
        match self.ask(run, |answer| Message::Describe { answer }).await? {
            Located::Open((open, description)) => {
                let mut description = description?;
                description.published = store.query_result_names(open.key).await?;
                self.add_leases(open.key, &mut description.pending_activities).await?;
                Ok(description)
            }
            Located::Closed(execution) => {
                // Of a damaged history, what can be read.
                let first = store.load_history(execution.key, EventId::FIRST, 1).await;
                let first = or_nothing(first)?;
                let history_length = match &execution.history_size {
                    Some(size) => size.events,
                    // A version closed it that did not write its length into the row.
                    None => {
                        let last = or_nothing(store.last_event(execution.key).await)?;
                        last.map_or(0, |event| event.id.0)
                    }
                };
                let first = first.into_iter().find_map(|event| match event.attributes {
                    EventAttributes::WorkflowExecutionStarted(started) => Some(*started),
                    _ => None,
                });
                let (chain, parent) = match first {
                    Some(started) => (started.chain, started.parent.map(|parent| *parent)),
                    None => (Chain::default(), None),
                };
                let published = store.query_result_names(execution.key).await?;
                Ok(RunDescription {
                    cancel_requested: execution.status == ExecutionStatus::Canceled,
                    history_length,
                    history_bytes: execution.history_size.map(|size| size.bytes),
                    execution: *execution,
                    chain: chain_of_closed(&chain),
                    pending_activities: Vec::new(),
                    pending_timers: Vec::new(),
                    versions: BTreeMap::new(),
                    parent,
                    pending_children: Vec::new(),
                    pending_externals: Vec::new(),
                    pending_updates: Vec::new(),
                    published,
                })
            }
        }
    }

    /// Says which of them workers have, and how far those have come.
    async fn add_leases(&self, key: RunKey, activities: &mut [ActivityDescription]) -> Result<()> {
        let of_queues = activities.iter_mut().filter(|activity| activity.task_queue.is_some());
        let mut of_queues: BTreeMap<_, _> = of_queues
            .take(TASKS_READ_MAX)
            .map(|activity| (activity.scheduled_event_id, activity))
            .collect();
        if of_queues.is_empty() {
            return Ok(());
        }
        let tasks: Vec<_> = of_queues.keys().map(|event_id| (key, *event_id)).collect();
        for place in self.shared.store.find_tasks(&tasks).await? {
            let (task, lease) = match place {
                TaskPlace::Queue(task) => (task, None),
                TaskPlace::Hand(LeasedTask { task, lease }) => (task, Some(lease)),
            };
            let Some(activity) = of_queues.get_mut(&task.event_id) else { continue };
            activity.heartbeat_details = task.attempt.details;
            activity.lease = lease.map(|lease| LeaseDescription {
                worker: lease.worker,
                started_at: lease.started_at,
                expires_at: lease.expires_at,
            });
        }
        Ok(())
    }
}

fn chain_of_closed(chain: &Chain) -> ChainDescription {
    ChainDescription {
        attempt: chain.attempt,
        first_run_id: chain.first_run_id,
        delayed_until: None,
        times_out_at: None,
    }
}
