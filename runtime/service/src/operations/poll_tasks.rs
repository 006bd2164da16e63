//! A worker asks for tasks.

use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{QueueName, TypeName, WorkerIdentity};
use dacapo_model::limits::{LEASE_MAX, LEASE_MIN, MODULE_TYPES_MAX, POLLED_TASKS_MAX};
use dacapo_model::task_token::TaskToken;

use crate::error::{Result, ServiceError};
use crate::queues::{self, Poller};
use crate::tenancy::Tenant;
use crate::types::HandedTask;

/// How long a poll waits unless it says otherwise, and at most. Proxies cut longer ones.
const WAIT_DEFAULT: Duration = Duration::from_secs(20);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How long a lease is unless the worker says otherwise.
const LEASE_DEFAULT: Duration = Duration::from_secs(30);

/// What a worker asks for, as it says it.
#[derive(Debug, Clone, PartialEq)]
pub struct PollRequest {
    /// The queue.
    pub queue: QueueName,
    /// Who asks.
    pub worker: WorkerIdentity,
    /// The version of its code, for people.
    pub build_id: Option<String>,
    /// The activity types that it can run; none means all.
    pub activity_types: Vec<TypeName>,
    /// How many tasks it has room for; 1 if it doesn't say.
    pub max_tasks: Option<u32>,
    /// How long it waits for the first.
    pub wait_seconds: Option<f64>,
    /// How long it may be silent about a task.
    pub lease_seconds: Option<f64>,
}

impl Tenant {
    /// Tasks of a queue, each leased to this worker. Waits for the first; there may be none
    /// when the wait is over, or the node stops.
    pub async fn poll_tasks(&self, request: PollRequest) -> Result<Vec<HandedTask>> {
        let shared = &self.shared;
        shared.admit_write()?;
        let wait =
            seconds("wait_seconds", request.wait_seconds, WAIT_DEFAULT, Duration::ZERO, WAIT_MAX)?;
        let lease =
            seconds("lease_seconds", request.lease_seconds, LEASE_DEFAULT, LEASE_MIN, LEASE_MAX)?;
        let room = room(request.max_tasks)?;
        if request.activity_types.len() > MODULE_TYPES_MAX {
            return Err(invalid(format!(
                "the poll names {} activity types; at most {MODULE_TYPES_MAX} are allowed, and none \
                 means all",
                request.activity_types.len()
            )));
        }
        let queue = shared.queues.queue(&self.namespace, &request.queue);
        let poller = Poller::new(request.worker, request.activity_types, lease, room);
        let begun = |poller: &Poller| {
            self.policy_now()?;
            queue.note_poll(poller, request.build_id, shared.clock.now());
            Ok(())
        };
        queues::poll(shared, &queue, poller, wait, begun).await
    }

    /// Puts tasks back into their queues that a poll was given and whose worker can't have
    /// heard of them. The attempts do not count.
    pub fn return_tasks(&self, tokens: &[TaskToken]) {
        let leases = tokens.iter().map(|it| ((it.key, it.scheduled_event_id), it.digest_bytes()));
        queues::release_leases(&self.shared, leases.collect());
    }
}

fn room(max_tasks: Option<u32>) -> Result<usize> {
    let tasks = max_tasks.unwrap_or(1);
    let room = usize::try_from(tasks).unwrap_or(usize::MAX);
    if (1..=POLLED_TASKS_MAX).contains(&room) {
        return Ok(room);
    }
    Err(invalid(format!("max_tasks is a number from 1 to {POLLED_TASKS_MAX}, not {tasks}")))
}

fn seconds(
    name: &str,
    given: Option<f64>,
    default: Duration,
    min: Duration,
    max: Duration,
) -> Result<Duration> {
    let Some(given) = given else {
        return Ok(default);
    };
    let (min, max) = (min.as_secs_f64(), max.as_secs_f64());
    // Rules out what is not a number, too.
    if (min..=max).contains(&given) {
        return Ok(Duration::from_secs_f64(given));
    }
    Err(invalid(format!("{name} is a number of seconds from {min} to {max}, not {given}")))
}

fn invalid(message: String) -> ServiceError {
    ServiceError::new(ErrorCode::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_poll_asks_for_is_bounded() {
        assert_eq!(room(None).ok(), Some(1));
        assert_eq!(room(Some(1_000)).ok(), Some(1_000));
        assert!(room(Some(0)).is_err() && room(Some(1_001)).is_err());
        let lease = |given| seconds("lease_seconds", given, LEASE_DEFAULT, LEASE_MIN, LEASE_MAX);
        assert_eq!(lease(None).ok(), Some(LEASE_DEFAULT));
        assert_eq!(lease(Some(1.5)).ok(), Some(Duration::from_millis(1_500)));
        for refused in [0.0, 0.9, -1.0, 3_601.0, f64::NAN, f64::INFINITY] {
            assert!(lease(Some(refused)).is_err(), "{refused}");
        }
    }
}
