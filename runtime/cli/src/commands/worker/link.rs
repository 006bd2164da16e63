//! How a guest in a worker talks to its run: through the worker's protocol.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use dacapo_engine::guest::{AttemptLink, AttemptSignals};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::payload::Payload;
use dacapo_worker::ActivityContext;

/// The type of the failure of an attempt that can't be left to somebody outside.
pub(super) const NOT_LEFT: &str = "ActivityCannotBeOpened";

/// The link of one attempt.
pub(super) struct Link {
    context: ActivityContext,
    /// The guest has asked for what a worker can't do.
    was_to_be_left: AtomicBool,
    /// A heartbeat was not sent, which is logged once.
    has_failed: AtomicBool,
}

impl Link {
    pub(super) fn new(context: ActivityContext) -> Self {
        Self { context, was_to_be_left: AtomicBool::new(false), has_failed: AtomicBool::new(false) }
    }

    /// Why the attempt failed, if that is what it asked for.
    pub(super) fn refusal(&self) -> Option<Failure> {
        self.was_to_be_left.load(Ordering::Relaxed).then(not_left)
    }
}

fn not_left() -> Failure {
    Failure::new(
        FailureKind::Application,
        NOT_LEFT,
        "an activity that `dacapo worker` runs can't be completed later: it holds a lease, which \
         somebody has to prolong. Wait for the outcome in the activity, or let the server run it",
    )
    .non_retryable()
}

#[async_trait]
impl AttemptLink for Link {
    fn heartbeat(&self, details: Option<Payload>) {
        let Some(details) = details else { return };
        let sent = match String::from_utf8(Vec::from(details.into_bytes())) {
            Ok(json) => self.context.heartbeat_json(json).map_err(|error| error.to_string()),
            Err(_) => Err("it is no text".to_owned()),
        };
        if let Err(problem) = sent
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%problem, "what a heartbeat says is not sent: it has to be JSON");
        }
    }

    fn signals(&self) -> AttemptSignals {
        AttemptSignals {
            cancel_requested: self.context.is_cancelled(),
            paused: self.context.is_paused(),
        }
    }

    async fn cancel_requested(&self) {
        self.context.cancelled().await;
    }

    async fn complete_later(&self) -> Result<String, Failure> {
        self.was_to_be_left.store(true, Ordering::Relaxed);
        Err(not_left())
    }
}
