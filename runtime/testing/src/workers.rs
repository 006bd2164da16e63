//! Closures of the test stand for the workers of all task queues.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use dacapo_engine::guest::{ActivityTask, AttemptLink, AttemptSignals, RunContext};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{NamespaceName, OperationId, QueueName, WorkerIdentity};
use dacapo_model::limits::{PAGE_SIZE_MAX, POLLED_TASKS_MAX};
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::task_token::TaskToken;
use dacapo_service::Runtime;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{HandedTask, PollRequest, Report, TaskHeartbeat};
use dacapo_store::task::{TaskKey, TaskPlace};
use futures::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::activities::{Activities, ActivityFailure, Working, failure};
use crate::attempt::{Attempt, RecordedLink};
use crate::env::{TestEnv, tenant_of};
use crate::error::TestError;
use crate::host::panicked;

/// How long a lease is that no timeout makes shorter. Nobody prolongs it.
const LEASE_SECONDS: f64 = 3_600.0;

/// How long a poll waits, of the machine's time, for what is known to be there.
const POLL_SECONDS: f64 = 1.0;

/// The server, of which there is another after each restart.
pub(crate) type CurrentRuntime = Arc<Mutex<Arc<Runtime>>>;

/// An attempt that a closure makes.
pub(crate) struct InHand {
    task: TaskKey,
    digest: [u8; 16],
    signals: watch::Sender<AttemptSignals>,
    handle: AbortHandle,
    /// Gone once nobody runs it any more.
    working: std::sync::Weak<Working>,
}

impl TestEnv {
    /// Tells closures what is new about their attempts, and gives them what waits in task
    /// queues. True if there was anything to give.
    pub(crate) async fn work(&self) -> Result<bool, TestError> {
        self.tell_closures().await?;
        let tenant = self.steady().await;
        let mut any = false;
        for described in tenant.list_task_queues(None, PAGE_SIZE_MAX).await?.queues {
            if described.depth.ready.is_empty() {
                continue;
            }
            let queue = described.queue;
            let request = PollRequest {
                queue: queue.clone(),
                worker: WorkerIdentity::new("the test").map_err(ServiceError::from)?,
                build_id: None,
                activity_types: Vec::new(),
                max_tasks: u32::try_from(POLLED_TASKS_MAX).ok(),
                wait_seconds: Some(POLL_SECONDS),
                lease_seconds: Some(LEASE_SECONDS),
            };
            for task in tenant.poll_tasks(request).await? {
                any = true;
                self.begin(&queue, task)?;
            }
        }
        Ok(any)
    }

    /// Whether anything in a task queue waits for its time, or is in hand.
    pub(crate) async fn has_tasks(&self) -> Result<bool, TestError> {
        let list = self.steady().await.list_task_queues(None, PAGE_SIZE_MAX).await?;
        Ok(list.queues.iter().any(|it| it.depth.delayed + it.depth.leased > 0))
    }

    /// What happens to a task is in its row: it is to cancel, is paused, or is not this
    /// closure's any more.
    async fn tell_closures(&self) -> Result<(), TestError> {
        self.in_hand.lock().retain(|it| it.working.strong_count() > 0);
        let tasks: Vec<TaskKey> = self.in_hand.lock().iter().map(|it| it.task).collect();
        if tasks.is_empty() {
            return Ok(());
        }
        let places = self.store.find_tasks(&tasks).await.map_err(ServiceError::from)?;
        self.in_hand.lock().retain(|it| {
            let lease = places.iter().find_map(|place| match place {
                TaskPlace::Hand(leased)
                    if (leased.task.key, leased.task.event_id) == it.task
                        && leased.lease.token_digest == it.digest =>
                {
                    Some(&leased.lease)
                }
                _ => None,
            });
            match lease {
                Some(lease) => {
                    let signals = AttemptSignals {
                        cancel_requested: lease.cancel_requested,
                        paused: lease.paused,
                    };
                    it.signals
                        .send_if_modified(|known| std::mem::replace(known, signals) != signals);
                }
                None => it.handle.abort(),
            }
            lease.is_some()
        });
        Ok(())
    }

    fn begin(&self, queue: &QueueName, handed: HandedTask) -> Result<(), TestError> {
        let token = handed.token;
        let (signals, told) = watch::channel(AttemptSignals::default());
        let working = Arc::new(self.activities.work());
        let link = Arc::new(QueueLink {
            runtime: Arc::clone(&self.runtime),
            activities: Arc::clone(&self.activities),
            token,
            told,
            left: AtomicBool::new(false),
        });
        let task = task_of(handed)?;
        let recorded = Arc::new(RecordedLink {
            link: Arc::clone(&link) as _,
            task: task.clone(),
            activities: Arc::clone(&self.activities),
        });
        let (activities, clock) = (Arc::clone(&self.activities), self.clock.clone());
        let (queue, runtime) = (queue.clone(), Arc::clone(&self.runtime));
        let held = Arc::clone(&working);
        let attempt = async move {
            activities.record(&task);
            let name = task.activity_type.clone();
            let outcome = match activities.stub(name.as_str()) {
                Some(stub) => {
                    let answer = stub.answer(Attempt::new(task, recorded, activities, clock));
                    let answered = AssertUnwindSafe(answer).catch_unwind().await;
                    answered.unwrap_or_else(|panic| Err(panicked(&name, &*panic)))
                }
                None => Err(nobody(name.as_str(), &queue)),
            };
            if !link.left.load(Ordering::SeqCst) || outcome.is_err() {
                // One that came too late is thrown away.
                let tenant = tenant_of(&runtime.lock());
                let _ = tenant.report_tasks(vec![(link.token, report(outcome))]).await;
            }
            drop(held);
        };
        self.in_hand.lock().push(InHand {
            task: (token.key, token.scheduled_event_id),
            digest: token.digest_bytes(),
            signals,
            handle: tokio::spawn(attempt).abort_handle(),
            working: Arc::downgrade(&working),
        });
        Ok(())
    }
}

fn task_of(handed: HandedTask) -> Result<ActivityTask, TestError> {
    let run = RunContext {
        namespace: NamespaceName::new("default").map_err(ServiceError::from)?,
        workflow_id: handed.workflow_id,
        run_id: handed.run_id,
        // No module runs it.
        module_digest: ModuleDigest([0; 32]),
        trace: None,
    };
    let start_to_close = handed.options.start_to_close_timeout;
    Ok(ActivityTask {
        module_digest: run.module_digest,
        run: Arc::new(run),
        activity_type: handed.activity_type,
        input: handed.input,
        // As good a name for the call, which a worker does not know otherwise.
        operation_id: OperationId(u32::try_from(handed.token.scheduled_event_id.0).unwrap_or(0)),
        attempt: handed.attempt,
        timeout: start_to_close,
        deadline: handed.started_at.after(start_to_close),
        heartbeat_details: handed.heartbeat_details,
        trace: handed.trace,
        permissions: Arc::default(),
    })
}

fn nobody(name: &str, queue: &QueueName) -> ActivityFailure {
    let message = format!(
        "nothing of the test answers activity `{name}` of task queue `{queue}`: give it a closure \
         with `TestEnv::activity`"
    );
    failure("NoWorker", message).non_retryable()
}

fn report(outcome: Result<Payload, ActivityFailure>) -> Report {
    match outcome.map_err(|failure| *failure.0) {
        Ok(result) => Report::Completed(result),
        Err(failure) if failure.info.kind == FailureKind::Cancelled => Report::Canceled(failure),
        Err(failure) => Report::Failed(failure),
    }
}

/// What a closure says of its attempt, and hears.
struct QueueLink {
    runtime: CurrentRuntime,
    activities: Arc<Activities>,
    token: TaskToken,
    told: watch::Receiver<AttemptSignals>,
    /// Somebody else completes it.
    left: AtomicBool,
}

#[async_trait]
impl AttemptLink for QueueLink {
    fn heartbeat(&self, details: Option<Payload>) {
        let tenant = tenant_of(&self.runtime.lock());
        let heartbeat = TaskHeartbeat { token: self.token, details };
        let working = self.activities.work();
        tokio::spawn(async move {
            // Of an attempt that is over nobody hears.
            let _ = tenant.heartbeat_tasks(vec![heartbeat]).await;
            drop(working);
        });
    }

    fn signals(&self) -> AttemptSignals {
        *self.told.borrow()
    }

    async fn cancel_requested(&self) {
        let mut told = self.told.clone();
        let asked = told.wait_for(|signals| signals.cancel_requested).await.is_ok();
        if !asked {
            std::future::pending::<()>().await;
        }
    }

    async fn complete_later(&self) -> Result<String, Failure> {
        self.left.store(true, Ordering::SeqCst);
        Ok(self.token.to_string())
    }
}
