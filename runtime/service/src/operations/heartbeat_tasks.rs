//! A worker says that it is alive, for many tasks at once.

use dacapo_model::code::ErrorCode;
use dacapo_model::limits::{HEARTBEAT_DETAILS_BYTES_MAX, POLLED_TASKS_MAX};
use dacapo_model::payload::Payload;
use dacapo_model::task_token::TaskToken;

use super::locate::check_payload;
use crate::error::{Result, ServiceError};
use crate::queues::{self, Heartbeat, LeaseAnswer};
use crate::tenancy::Tenant;

/// What a worker says about one of its tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskHeartbeat {
    /// Names the attempt.
    pub token: TaskToken,
    /// What the next attempt is to know, if it says anything.
    pub details: Option<Payload>,
}

/// What a worker hears about a task that it has.
#[derive(Debug)]
pub struct HeartbeatAnswer {
    /// Its lease, which is prolonged.
    pub lease: LeaseAnswer,
    /// Why what the heartbeat says is not kept.
    pub not_kept: Option<ServiceError>,
}

impl Tenant {
    /// Prolongs the leases of tasks, and says what their workers are to know: in their
    /// order, each by itself. A worker that says too much is alive.
    pub async fn heartbeat_tasks(
        &self,
        heartbeats: Vec<TaskHeartbeat>,
    ) -> Result<Vec<Result<HeartbeatAnswer>>> {
        self.shared.admit_write()?;
        check_count("heartbeats", heartbeats.len())?;
        let (mut refusals, mut heard) = (Vec::new(), Vec::new());
        for TaskHeartbeat { token, details } in heartbeats {
            let not_kept = check(details.as_ref()).err();
            let details = details.filter(|_| not_kept.is_none());
            refusals.push(not_kept);
            heard.push(Heartbeat { token, details });
        }
        let heard = queues::renew(&self.shared, &self.namespace, heard).await?;
        let answered = heard.into_iter().zip(refusals).map(|(lease, not_kept)| {
            lease.map(|lease| HeartbeatAnswer { lease, not_kept }).ok_or_else(lease_lost)
        });
        Ok(answered.collect())
    }
}

fn check(details: Option<&Payload>) -> Result<()> {
    details.map_or(Ok(()), |details| {
        check_payload("what the heartbeat says", details, HEARTBEAT_DETAILS_BYTES_MAX)
    })
}

/// One request is about so many tasks as a poll gives, at most.
pub fn check_count(what: &str, count: usize) -> Result<()> {
    if count <= POLLED_TASKS_MAX {
        return Ok(());
    }
    Err(ServiceError::new(
        ErrorCode::InvalidArgument,
        format!(
            "the request has {count} {what}; at most {POLLED_TASKS_MAX} are allowed: send several \
             requests"
        ),
    ))
}

pub(super) fn lease_lost() -> ServiceError {
    ServiceError::new(
        ErrorCode::LeaseLost,
        "the worker does not have this attempt any more: its lease was over, or the activity has \
         ended. Stop the work, and throw its outcome away",
    )
}
