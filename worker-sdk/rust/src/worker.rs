//! A worker: asks for tasks, runs them, and reports.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::api::Api;
use crate::attempt::Attempt;
use crate::builder::WorkerBuilder;
use crate::cancellation::CancelReason;
use crate::connection::Connection;
use crate::error::WorkerError;
use crate::failure::{Failure, INVALID_INPUT};
use crate::heartbeats;
use crate::held::Held;
use crate::in_hand::InHand;
use crate::info::TaskInfo;
use crate::options::Options;
use crate::payload::Payload;
use crate::poller::Poller;
use crate::registry::Registry;
use crate::reporter::Reports;
use crate::wire::{Task, length};

/// How long a stopping worker tries to say what became of the tasks that it dropped.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A worker: asks for tasks of one task queue, runs their functions, and reports.
#[derive(Debug)]
pub struct Worker {
    connection: Connection,
    options: Options,
    registry: Registry,
}

/// What all attempts of a worker that runs have in common.
struct Running {
    api: Arc<Api>,
    options: Arc<Options>,
    namespace: String,
    registry: Registry,
    in_hand: Arc<InHand>,
    reports: Reports,
    give_up: CancellationToken,
    attempts: JoinSet<()>,
}

impl Worker {
    /// A worker for a task queue.
    pub fn builder(connection: Connection, task_queue: impl Into<String>) -> WorkerBuilder {
        WorkerBuilder::new(connection, task_queue.into())
    }

    pub(crate) fn new(connection: Connection, options: Options, registry: Registry) -> Self {
        Self { connection, options, registry }
    }

    /// Works until `stop` resolves, such as `tokio::signal::ctrl_c()`, and then stops in
    /// order: takes no new tasks, lets those in hand go on for the grace, cancels the rest.
    ///
    /// A server that is away is waited for. An error comes only if the server refuses the
    /// worker's first poll for good. Dropping this drops the functions that run; others try
    /// them again when their leases are over.
    pub async fn run_until<S>(self, stop: impl Future<Output = S>) -> Result<(), WorkerError> {
        let Self { connection, options, registry } = self;
        let (options, activity_types) = (Arc::new(options), registry.types());
        let namespace = connection.namespace_name().to_owned();
        let api = Arc::new(Api { connection });
        let in_hand = Arc::new(InHand::default());
        let (reports, reporting) = Reports::new(Arc::clone(&api));
        let beating = heartbeats::run(Arc::clone(&api), Arc::clone(&in_hand));
        let _background = [
            AbortOnDropHandle::new(tokio::spawn(reporting)),
            AbortOnDropHandle::new(tokio::spawn(beating)),
        ];
        let room = Arc::new(Semaphore::new(options.concurrency.min(Semaphore::MAX_PERMITS)));
        let poller =
            Poller { api: Arc::clone(&api), options: Arc::clone(&options), activity_types, room };
        let mut running = Running {
            api,
            options,
            namespace,
            registry,
            in_hand,
            reports,
            give_up: CancellationToken::new(),
            attempts: JoinSet::new(),
        };
        tracing::info!(
            server = %running.api.connection.server(),
            namespace = %running.namespace,
            task_queue = %running.options.task_queue,
            identity = %running.options.identity,
            concurrency = running.options.concurrency,
            "the worker takes tasks"
        );
        tokio::select! {
            biased;
            _ = stop => {}
            error = poller.run(|task, at, permit| running.begin(task, at, permit)) => {
                return Err(error);
            }
        }
        running.drain().await;
        Ok(())
    }

    /// Works until `stop` is cancelled; see [`Self::run_until`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), WorkerError> {
        self.run_until(stop.cancelled()).await
    }
}

impl Running {
    /// Begins an attempt.
    fn begin(&mut self, mut task: Task, received: Instant, permit: OwnedSemaphorePermit) {
        while self.attempts.try_join_next().is_some() {}
        let input = Payload::from_wire(task.input.take(), task.input_base64.take());
        let input = input.map_err(|error| {
            Failure::new(INVALID_INPUT, format!("the input is no base64: {error}"))
        });
        let token = std::mem::take(&mut task.token);
        let lease = length(task.lease_seconds).unwrap_or(self.options.lease);
        let info = TaskInfo::of(&mut task, &self.namespace, &self.options.task_queue);
        let terms = info.terms(lease, self.options.heartbeat_throttle);
        let attempt = Attempt {
            api: Arc::clone(&self.api),
            function: self.registry.get(&info.activity_type).cloned(),
            info,
            input,
            entry: self.in_hand.add(Held::new(token, terms, received)),
            in_hand: Arc::clone(&self.in_hand),
            reports: self.reports.clone(),
            give_up: self.give_up.clone(),
            _permit: permit,
        };
        self.attempts.spawn(attempt.run());
    }

    /// Lets attempts end by themselves, then asks them to, then drops them.
    async fn drain(mut self) {
        tracing::info!(tasks = self.in_hand.len(), "the worker stops; it takes no more tasks");
        if timeout(self.options.shutdown_grace, ended(&mut self.attempts)).await.is_ok() {
            return;
        }
        tracing::warn!(tasks = self.in_hand.len(), "the grace is over; tasks are cancelled");
        self.in_hand.cancel(CancelReason::Shutdown);
        if timeout(self.options.cancel_grace, ended(&mut self.attempts)).await.is_ok() {
            return;
        }
        tracing::warn!(tasks = self.in_hand.len(), "tasks do not end; they are dropped");
        self.give_up.cancel();
        if timeout(LAST_WORDS, ended(&mut self.attempts)).await.is_err() {
            tracing::warn!("the server did not hear of tasks that are left");
        }
    }
}

async fn ended(attempts: &mut JoinSet<()>) {
    while attempts.join_next().await.is_some() {}
}
