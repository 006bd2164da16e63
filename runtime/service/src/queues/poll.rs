//! A worker asks for tasks, and waits for them.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::code::ErrorCode;

use super::poller::Poller;
use super::queue::{Queue, Waiting};
use super::{look_for_tasks, release};
use crate::error::{Result, ServiceError};
use crate::health::now;
use crate::runtime::Shared;
use crate::types::HandedTask;

/// How long a poll that has a task waits for others that are being committed together with
/// it. Those that come later go back into the queue.
const GATHER_TIME: Duration = Duration::from_millis(20);

/// Tasks that were promised and not answered yet go back if the caller goes away.
struct Unanswered<'a> {
    shared: &'a Arc<Shared>,
    waiting: Waiting,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        release(self.shared, self.waiting.poller.close());
    }
}

/// Waits for tasks of a queue; none if the wait is over, or the node stops. `begun` is told
/// that it waits, and can refuse that: whoever waits when the namespace goes is dismissed.
pub(crate) async fn poll(
    shared: &Arc<Shared>,
    queue: &Arc<Queue>,
    poller: Arc<Poller>,
    wait: Duration,
    begun: impl FnOnce(&Poller) -> Result<()>,
) -> Result<Vec<HandedTask>> {
    let began = now();
    let unanswered = Unanswered { shared, waiting: queue.wait(poller.clone()) };
    begun(&poller)?;
    shared.queues.polled.notify_one();
    look_for_tasks(shared, queue);
    tokio::select! {
        _touched_or_over = tokio::time::timeout(wait, poller.touched()) => {}
        () = shared.life.stopping.cancelled() => {}
        () = shared.hold.loss.of_any_kind() => {}
    }
    let _ = tokio::time::timeout(GATHER_TIME, poller.filled_or_empty()).await;
    let tasks = unanswered.waiting.poller.close();
    match queue.claims_fail_since(began) {
        // There may be some: a worker is not to believe that there is nothing to do.
        Some(error) if tasks.is_empty() && !shared.life.stopping.is_cancelled() => {
            Err(ServiceError::new(
                ErrorCode::Unavailable,
                format!("tasks of queue `{}` can't be claimed ({error}); poll again", queue.name),
            ))
        }
        _ => Ok(tasks),
    }
}
