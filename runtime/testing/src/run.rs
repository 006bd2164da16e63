//! A run, as a test talks to it.

use std::any::type_name;
use std::fmt::Write as _;
use std::time::Duration;

use dacapo_engine::guest::RunContext;
use dacapo_model::event::EventAttributes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{EventId, RunId, SignalName, WorkflowId};
use dacapo_model::limits::PAGE_SIZE_MAX;
use dacapo_model::signal::Signal;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{Closing, RunDescription, RunRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::activities::decode;
use crate::env::{TestEnv, namespace, payload};
use crate::error::TestError;
use crate::history::History;

/// How long a run that nothing will happen to is given, of the machine's time,
/// for another task of the test to do something about it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A run in a [`TestEnv`].
pub struct TestRun<'env> {
    env: &'env TestEnv,
    workflow_id: WorkflowId,
    run_id: RunId,
}

impl<'env> TestRun<'env> {
    pub(crate) fn new(env: &'env TestEnv, workflow_id: WorkflowId, run_id: RunId) -> Self {
        Self { env, workflow_id, run_id }
    }

    /// Its workflow id.
    pub fn workflow_id(&self) -> &str {
        self.workflow_id.as_str()
    }

    /// The id of the run that was started. Those that continue it have others.
    pub fn run_id(&self) -> String {
        self.run_id.to_string()
    }

    /// Sends a signal. It is recorded when this returns, and time does not skip
    /// ahead meanwhile.
    pub async fn signal(&self, name: &str, input: &impl Serialize) -> Result<(), TestError> {
        let name = SignalName::new(name).map_err(ServiceError::from)?;
        let signal = Signal { name, input: payload(input)?, request_id: None };
        self.env.runtime.signal_run(&self.named(), signal).await?;
        Ok(())
    }

    /// Asks the run to cancel.
    pub async fn cancel(&self) -> Result<(), TestError> {
        let reason = "the test asked for it".to_owned();
        self.env.runtime.request_cancel(&self.named(), reason, None).await?;
        Ok(())
    }

    /// Everything that is known of the run without its history: its status, and
    /// the activities and timers that it waits for. Those that continue as new
    /// are described by the latest run.
    pub async fn describe(&self) -> Result<RunDescription, TestError> {
        self.env.settle().await?;
        Ok(self.env.runtime.describe_run(&self.latest().await?).await?)
    }

    /// What the run has recorded, once nothing is left to do; of those that
    /// continue it, what the latest has.
    pub async fn history(&self) -> Result<History, TestError> {
        self.env.settle().await?;
        let execution = self.env.runtime.describe_run(&self.latest().await?).await?.execution;
        let run = self.run(execution.key.run_id);
        let (mut events, mut next) = (Vec::new(), Some(EventId::FIRST));
        while let Some(from) = next {
            let page = self.env.runtime.run_history(&run, from, PAGE_SIZE_MAX).await?;
            events.extend(page.events);
            next = page.next;
        }
        let context = RunContext {
            namespace: execution.namespace,
            workflow_id: execution.workflow_id,
            run_id: execution.key.run_id,
            module_digest: execution.module_digest,
        };
        Ok(History { context, events })
    }

    /// Waits for the run to end, and for those that continue it, and returns the
    /// result. While nothing is left to do, time skips ahead to what is due next.
    pub async fn result<T: DeserializeOwned>(&self) -> Result<T, TestError> {
        let closing = self.closing().await?;
        match closing.attributes {
            EventAttributes::WorkflowExecutionCompleted { result } => decode(result.as_bytes())
                .map_err(|error| {
                    let text = String::from_utf8_lossy(result.as_bytes());
                    let expected = type_name::<T>();
                    TestError::Value(format!("the result `{text}` is no `{expected}`: {error}"))
                }),
            EventAttributes::WorkflowExecutionFailed { failure } => {
                Err(TestError::Failed(Box::new(failure)))
            }
            _ => Err(TestError::Ended(closing.status.as_str())),
        }
    }

    /// Waits for the end like [`Self::result`], and says how it ended.
    pub async fn end(&self) -> Result<ExecutionStatus, TestError> {
        Ok(self.closing().await?.status)
    }

    async fn closing(&self) -> Result<Closing, TestError> {
        let env = self.env;
        loop {
            env.settle().await?;
            let latest = env.runtime.run_result(&self.latest().await?, Duration::ZERO).await?;
            match latest.closing {
                Some(closing) => return Ok(closing),
                None if latest.status == ExecutionStatus::Blocked => {
                    let described = env.runtime.describe_run(&self.latest().await?).await?;
                    if let Some(blocked) = described.execution.blocked {
                        return Err(TestError::Blocked(Box::new(blocked)));
                    }
                }
                None if env.is_held() => {
                    return Err(self
                        .stuck("Time is held: use `advance`, or drop the hold")
                        .await?);
                }
                None => match env.next_event().await? {
                    Some(next) => env.clock.move_to(next),
                    None => self.wait_for_others().await?,
                },
            }
        }
    }

    /// Nothing happens by itself any more: maybe another task of the test does
    /// something.
    async fn wait_for_others(&self) -> Result<(), TestError> {
        let before = self.env.runtime.describe_run(&self.latest().await?).await?;
        let run = self.run(before.execution.key.run_id);
        let from = EventId(before.history_length).next();
        let mut follower = self.env.runtime.follow_history(&run, from).await?;
        match tokio::time::timeout(PATIENCE, follower.next()).await {
            Ok(_news) => Ok(()),
            Err(_elapsed) => {
                Err(self.stuck("Nothing will happen any more: does it wait for a signal?").await?)
            }
        }
    }

    async fn stuck(&self, why: &str) -> Result<TestError, TestError> {
        let described = self.env.runtime.describe_run(&self.latest().await?).await?;
        let mut message = format!(
            "run `{}` of workflow `{}` has not ended. {why}",
            self.workflow_id, described.execution.workflow_type
        );
        for timer in &described.pending_timers {
            let left = timer.fire_at.since(self.env.now());
            let _ = write!(message, "\n  waits for a timer, {left:?} from now");
        }
        for activity in &described.pending_activities {
            let (name, attempt) = (&activity.activity_type, activity.attempt);
            let _ = write!(message, "\n  waits for activity `{name}`, attempt {attempt}");
            if let Some(failure) = &activity.last_failure {
                let info = &failure.info;
                let _ = write!(message, "; before: {}: {}", info.type_name, info.message);
            }
        }
        Ok(TestError::Stuck(message))
    }

    /// The last of the runs that continue one another. Followed one by one: where
    /// time stands still, they have begun at the same time.
    async fn latest(&self) -> Result<RunRef, TestError> {
        let mut run = self.run(self.run_id);
        loop {
            let result = self.env.runtime.run_result(&run, Duration::ZERO).await?;
            match result.closing.map(|closing| closing.attributes) {
                Some(EventAttributes::WorkflowExecutionContinuedAsNew { new_run_id, .. }) => {
                    run.run_id = Some(new_run_id);
                }
                _ => return Ok(run),
            }
        }
    }

    fn run(&self, run_id: RunId) -> RunRef {
        RunRef { run_id: Some(run_id), ..self.named() }
    }

    /// The run of this workflow id that is open.
    fn named(&self) -> RunRef {
        RunRef { namespace: namespace(), workflow_id: self.workflow_id.clone(), run_id: None }
    }
}
