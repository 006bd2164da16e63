//! What a closure that stands for an activity can do while it runs.

use std::any::type_name;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dacapo_engine::guest::{ActivityTask, AttemptLink, AttemptSignals};
use dacapo_model::failure::Failure;
use dacapo_model::payload::Payload;
use dacapo_service::clock::Clock as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::activities::{Activities, ActivityFailure, decode, failure};
use crate::clock::VirtualClock;

/// One attempt of an activity that the test answers, for the closures of
/// [`TestEnv::activity_with`](crate::TestEnv::activity_with).
pub struct Attempt {
    task: ActivityTask,
    link: Arc<dyn AttemptLink>,
    activities: Arc<Activities>,
    clock: VirtualClock,
}

impl Attempt {
    pub(crate) fn new(
        task: ActivityTask,
        link: Arc<dyn AttemptLink>,
        activities: Arc<Activities>,
        clock: VirtualClock,
    ) -> Self {
        Self { task, link, activities, clock }
    }

    pub(crate) fn task(&self) -> &ActivityTask {
        &self.task
    }

    /// Which attempt of the call it is, from 1.
    pub fn number(&self) -> u32 {
        self.task.attempt
    }

    /// Says that the attempt is alive, and what the next one is to be told.
    /// Returns what this one is to know: whether it was asked to cancel.
    ///
    /// # Panics
    ///
    /// If `details` can't be written as JSON.
    pub fn heartbeat(&self, details: &impl Serialize) -> AttemptSignals {
        let details = serde_json::to_vec(details).expect("the details can be written as JSON");
        self.link.heartbeat(Some(Payload::new(details)));
        self.link.signals()
    }

    /// What the attempts before said last; none if they said nothing.
    pub fn heartbeat_details<T: DeserializeOwned>(&self) -> Result<Option<T>, ActivityFailure> {
        let details = self.task.heartbeat_details.as_ref();
        details.map(|details| decode(details.as_bytes())).transpose().map_err(|error| {
            let (name, expected) = (&self.task.activity_type, type_name::<T>());
            let message = format!("what activity `{name}` said is no `{expected}`: {error}");
            failure("InvalidDetails", message).non_retryable()
        })
    }

    /// Lets this much time of the environment pass.
    pub async fn sleep(&self, duration: Duration) {
        let slept = self.clock.sleep_until(self.clock.now().after(duration));
        // Dropped before the sleep is: it is busy until it waits again.
        let _hanging = self.activities.hang();
        slept.await;
    }

    /// Returns once the attempt is asked to cancel.
    pub async fn cancel_requested(&self) {
        let _hanging = self.activities.hang();
        self.link.cancel_requested().await;
    }

    /// Never returns. The attempt ends with its timeout, or when it is stopped.
    pub async fn hang<T>(&self) -> T {
        let _hanging = self.activities.hang();
        std::future::pending().await
    }

    /// Leaves the attempt open for somebody else to complete, and returns the
    /// token by which that is done: see
    /// [`TestEnv::activity_by_token`](crate::TestEnv::activity_by_token). What the
    /// closure returns then is ignored, unless it is a failure.
    pub async fn complete_later(&self) -> Result<String, ActivityFailure> {
        self.link.complete_later().await.map_err(|failure| ActivityFailure(Box::new(failure)))
    }
}

/// The link of an attempt, real or not, whose token the test may ask for.
pub(crate) struct RecordedLink {
    pub(crate) link: Arc<dyn AttemptLink>,
    pub(crate) task: ActivityTask,
    pub(crate) activities: Arc<Activities>,
}

#[async_trait]
impl AttemptLink for RecordedLink {
    fn heartbeat(&self, details: Option<Payload>) {
        self.link.heartbeat(details);
    }

    fn signals(&self) -> AttemptSignals {
        self.link.signals()
    }

    async fn cancel_requested(&self) {
        self.link.cancel_requested().await;
    }

    async fn complete_later(&self) -> Result<String, Failure> {
        let token = self.link.complete_later().await?;
        self.activities.record_token(&self.task, &token);
        Ok(token)
    }
}
