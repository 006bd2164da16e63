//! How a worker is put together.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connection::Connection;
use crate::context::ActivityContext;
use crate::error::WorkerError;
use crate::failure::Failure;
use crate::options::Options;
use crate::payload::Payload;
use crate::registry::{Registry, raw, typed};
use crate::worker::Worker;

/// Puts a worker together; made by [`Worker::builder`].
#[derive(Debug)]
pub struct WorkerBuilder {
    connection: Connection,
    options: Options,
    registry: Registry,
}

impl WorkerBuilder {
    pub(crate) fn new(connection: Connection, task_queue: String) -> Self {
        let registry = Registry::default();
        Self { connection, options: Options::new(task_queue), registry }
    }

    /// Runs activities of this type with `function`. Input and output are JSON.
    ///
    /// The function may be called for several tasks at a time, and more than once for the
    /// same activity: an attempt whose end nobody hears of is made again.
    #[must_use]
    pub fn activity<I, O, F, Fut>(mut self, activity_type: impl Into<String>, function: F) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        F: Fn(ActivityContext, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        self.registry.add(activity_type.into(), typed(function));
        self
    }

    /// The same with bytes as they are.
    #[must_use]
    pub fn raw_activity<F, Fut>(mut self, activity_type: impl Into<String>, function: F) -> Self
    where
        F: Fn(ActivityContext, Payload) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Payload, Failure>> + Send + 'static,
    {
        self.registry.add(activity_type.into(), raw(function));
        self
    }

    /// The worker's name for itself, for people [default: process id and host].
    #[must_use]
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.options.identity = identity.into();
        self
    }

    /// The version of its code, for people.
    #[must_use]
    pub fn build_id(mut self, build_id: impl Into<String>) -> Self {
        self.options.build_id = Some(build_id.into());
        self
    }

    /// Tasks in hand at a time [default: 100]. The worker never asks for more than it has
    /// room for.
    #[must_use]
    pub fn concurrency(mut self, tasks: usize) -> Self {
        self.options.concurrency = tasks;
        self
    }

    /// How long a poll waits for tasks [default: 20 s; at most 60 s].
    #[must_use]
    pub fn poll_wait(mut self, wait: Duration) -> Self {
        self.options.poll_wait = wait;
        self
    }

    /// After how much silence a task goes to another worker [default: 30 s; 1 s to 1 h]. The
    /// worker says that it is alive after a third of it.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.options.lease = lease;
        self
    }

    /// What heartbeats say is sent no more often than this [default: 2 s].
    #[must_use]
    pub fn heartbeat_throttle(mut self, throttle: Duration) -> Self {
        self.options.heartbeat_throttle = throttle;
        self
    }

    /// How long tasks in hand may go on when the worker is to stop [default: 30 s]. Then
    /// they are cancelled.
    #[must_use]
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.options.shutdown_grace = grace;
        self
    }

    /// How long cancelled tasks may take to end [default: 5 s]. Then they are dropped, and
    /// others try them again.
    #[must_use]
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.options.cancel_grace = grace;
        self
    }

    /// The worker, if everything fits.
    pub fn build(self) -> Result<Worker, WorkerError> {
        self.connection.check()?;
        self.options.check()?;
        self.registry.check()?;
        Ok(Worker::new(self.connection, self.options, self.registry))
    }
}
