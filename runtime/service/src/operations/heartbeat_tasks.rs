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

impl Tenant {
    /// Prolongs the leases of tasks, and says what their workers are to know: in their
    /// order, each by itself.
    pub async fn heartbeat_tasks(
        &self,
        heartbeats: Vec<TaskHeartbeat>,
    ) -> Result<Vec<Result<LeaseAnswer>>> {
        self.shared.admit_write()?;
        check_count("heartbeats", heartbeats.len())?;
        let mut answers = Vec::new();
        let mut heard = Vec::new();
        for TaskHeartbeat { token, details } in heartbeats {
            answers.push(check(details.as_ref()).err());
            if answers.last().is_some_and(Option::is_none) {
                heard.push(Heartbeat { token, details });
            }
        }
        let mut heard = queues::renew(&self.shared, &self.namespace, heard).await?.into_iter();
        let answered = answers.into_iter().map(|refused| match refused {
            Some(error) => Err(error),
            None => heard.next().flatten().ok_or_else(lease_lost),
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
pub(super) fn check_count(what: &str, count: usize) -> Result<()> {
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
