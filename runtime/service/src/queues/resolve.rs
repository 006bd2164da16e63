//! What a token of a task is worth now.

use std::sync::Arc;

use dacapo_model::failure::Failure;
use dacapo_model::ids::NamespaceName;
use dacapo_model::task_token::TaskToken;
use dacapo_store::task::{LeasedTask, TaskPlace};

use crate::error::Result;
use crate::runtime::Shared;

/// What is known of the attempt that a token names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resolved {
    /// Its worker has it.
    Held,
    /// A task of the activity is there, and this is not the token of its lease.
    Passed {
        /// The attempt that is current, among all there ever were.
        attempt: u32,
        /// What the attempt before that failed with.
        last_failure: Option<Failure>,
    },
    /// The activity has no task any more.
    Gone,
    /// It is no token of a task of this namespace.
    Unknown,
}

/// Looks whether a token is that of the current lease.
pub(crate) async fn resolve(
    shared: &Arc<Shared>,
    namespace: &NamespaceName,
    token: &TaskToken,
) -> Result<Resolved> {
    let task = (token.key, token.scheduled_event_id);
    if let Some(known) = shared.queues.leases.get(task)
        && is_of(&known.leased, namespace, token)
    {
        return Ok(Resolved::Held);
    }
    let place = shared.store.find_tasks(&[task]).await?.pop();
    Ok(match place {
        None => Resolved::Gone,
        Some(TaskPlace::Hand(leased)) if is_of(&leased, namespace, token) => {
            shared.queues.leases.insert(leased);
            Resolved::Held
        }
        Some(TaskPlace::Hand(LeasedTask { task, .. }) | TaskPlace::Queue(task)) => {
            match task.namespace == *namespace {
                true => Resolved::Passed {
                    attempt: task.attempt.number,
                    last_failure: task.attempt.last_failure,
                },
                false => Resolved::Unknown,
            }
        }
    })
}

fn is_of(leased: &LeasedTask, namespace: &NamespaceName, token: &TaskToken) -> bool {
    leased.task.namespace == *namespace && leased.lease.token_digest == token.digest_bytes()
}
