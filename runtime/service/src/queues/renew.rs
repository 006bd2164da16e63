//! Workers say that they are alive.

use std::sync::Arc;

use dacapo_model::ids::NamespaceName;
use dacapo_model::payload::Payload;
use dacapo_model::task_token::TaskToken;
use dacapo_model::time::Timestamp;
use dacapo_store::task::{Lease, LeaseRenewal};

use crate::error::Result;
use crate::runtime::Shared;

/// What a worker says about one of its tasks.
pub(crate) struct Heartbeat {
    pub(crate) token: TaskToken,
    pub(crate) details: Option<Payload>,
}

/// What it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseAnswer {
    /// The workflow asked the activity to cancel.
    pub cancel_requested: bool,
    /// An operator holds the activity.
    pub paused: bool,
    /// The lease goes on until then.
    pub lease_until: Timestamp,
}

/// Prolongs leases, in one write. None where the lease is lost. A heartbeat that follows
/// another at once is not written: a worker may send as many as it likes.
pub(crate) async fn renew(
    shared: &Arc<Shared>,
    namespace: &NamespaceName,
    heartbeats: Vec<Heartbeat>,
) -> Result<Vec<Option<LeaseAnswer>>> {
    let now = shared.clock.now();
    let mut heard = vec![None; heartbeats.len()];
    let mut renewals = Vec::new();
    let mut places = Vec::new();
    for (place, Heartbeat { token, details }) in heartbeats.into_iter().enumerate() {
        let task = (token.key, token.scheduled_event_id);
        let token_digest = token.digest_bytes();
        if let Some(known) = shared.queues.leases.get(task)
            && known.leased.lease.token_digest == token_digest
            && known.leased.task.namespace == *namespace
            && !known.is_to_be_renewed(details.is_some(), now)
        {
            heard[place] = Some(said(&known.leased.lease));
            if let Some(details) = details {
                shared.queues.leases.keep(task, details);
            }
            continue;
        }
        renewals.push(LeaseRenewal { task, token_digest, details });
        places.push(place);
    }
    if renewals.is_empty() {
        return Ok(heard);
    }
    let renewed = shared.store.renew_leases(&renewals, now).await?;
    for ((place, renewal), leased) in places.into_iter().zip(&renewals).zip(renewed) {
        match leased {
            // One of another namespace is not this caller's to know of.
            Some(leased) if leased.task.namespace == *namespace => {
                heard[place] = Some(said(&leased.lease));
                shared.queues.leases.renewed(&leased, now);
            }
            Some(_) => {}
            None => shared.queues.leases.forget(renewal.task, renewal.token_digest),
        }
    }
    Ok(heard)
}

/// Writes what the last heartbeat of a task said, if it was not written: the task has
/// failed, and the next attempt is told.
pub(crate) async fn write_last(shared: &Arc<Shared>, token: &TaskToken) -> Result<()> {
    let task = (token.key, token.scheduled_event_id);
    if let Some(details) = shared.queues.leases.take_unsaved(task) {
        let token_digest = token.digest_bytes();
        let renewal = LeaseRenewal { task, token_digest, details: Some(details) };
        shared.store.renew_leases(&[renewal], shared.clock.now()).await?;
    }
    Ok(())
}

fn said(lease: &Lease) -> LeaseAnswer {
    LeaseAnswer {
        cancel_requested: lease.cancel_requested,
        paused: lease.paused,
        lease_until: lease.expires_at,
    }
}
