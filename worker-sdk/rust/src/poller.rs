//! Asks for tasks, as long as there is room for more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use crate::api::Api;
use crate::backoff::Backoff;
use crate::clock::now;
use crate::error::{RequestError, WorkerError};
use crate::options::Options;
use crate::wire::{BATCH_MAX, Task};

const BACKOFF_INITIAL: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Between two polls that are refused for good: somebody may set it right.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// An empty answer that comes sooner has not waited for tasks.
const AT_ONCE: Duration = Duration::from_millis(200);

/// Asks for tasks.
pub(crate) struct Poller {
    pub(crate) api: Arc<Api>,
    pub(crate) options: Arc<Options>,
    pub(crate) activity_types: Vec<String>,
    /// Room for tasks.
    pub(crate) room: Arc<Semaphore>,
}

impl Poller {
    /// Hands each task over with its room, until this is dropped. Returns if the server
    /// refuses the first poll for good.
    pub(crate) async fn run(
        &self,
        mut hand_over: impl FnMut(Task, Instant, OwnedSemaphorePermit),
    ) -> WorkerError {
        let mut backoff = Backoff::new(BACKOFF_INITIAL, BACKOFF_MAX);
        let (mut was_answered, mut is_failing) = (false, false);
        let mut most = BATCH_MAX;
        loop {
            let mut room = self.room(most).await;
            let begun = now();
            let polled =
                self.api.poll(&self.options, &self.activity_types, room.num_permits()).await;
            let wait = match polled {
                Ok(tasks) => {
                    match (was_answered, is_failing) {
                        (_, true) => tracing::info!("the server answers again"),
                        (false, false) => tracing::info!("the server answers"),
                        (true, false) => {}
                    }
                    (was_answered, is_failing) = (true, false);
                    backoff.reset();
                    let received = now();
                    let is_empty = tasks.is_empty();
                    if !is_empty {
                        most = (most * 2).min(BATCH_MAX);
                    }
                    for task in tasks {
                        // A server that gives more than was asked for is not this one's.
                        let Some(permit) = room.split(1) else { break };
                        hand_over(task, received, permit);
                    }
                    // A server that stops answers at once: it is not asked in a circle.
                    let at_once = is_empty && received < begun + AT_ONCE;
                    if at_once { AT_ONCE } else { Duration::ZERO }
                }
                Err(error) => {
                    if matches!(error, RequestError::TooLarge(_)) {
                        // Fewer tasks with large inputs fit into an answer.
                        most = (room.num_permits() / 2).max(1);
                    }
                    match self.failed(error, was_answered, &mut backoff) {
                        Ok(wait) => {
                            is_failing = true;
                            wait
                        }
                        Err(error) => return error,
                    }
                }
            };
            drop(room);
            sleep(wait).await;
        }
    }

    /// The room there is for up to `most` tasks, as soon as there is some.
    async fn room(&self, most: usize) -> OwnedSemaphorePermit {
        let first = Arc::clone(&self.room).acquire_owned().await;
        // Nobody closes it.
        let Ok(mut room) = first else { std::future::pending().await };
        let more = self.room.available_permits().min(most - 1);
        if let Ok(more) = u32::try_from(more)
            && let Ok(more) = Arc::clone(&self.room).try_acquire_many_owned(more)
        {
            room.merge(more);
        }
        room
    }

    /// How long to wait before the next poll.
    fn failed(
        &self,
        error: RequestError,
        was_answered: bool,
        backoff: &mut Backoff,
    ) -> Result<Duration, WorkerError> {
        let wait = if error.is_passing() {
            backoff.next(error.retry_after())
        } else if was_answered {
            REFUSED_PAUSE
        } else {
            let (code, message) = error.refusal();
            return Err(WorkerError::Refused { code, message });
        };
        tracing::warn!(%error, ?wait, "no tasks could be had; trying again");
        Ok(wait)
    }
}
