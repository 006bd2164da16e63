//! A run, as a test talks to it.

use std::time::Duration;

use dacapo_engine::guest::RunContext;
use dacapo_model::event::EventAttributes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{EventId, RunId, SignalName, WorkflowId};
use dacapo_model::limits::PAGE_SIZE_MAX;
use dacapo_model::signal::Signal;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{RunDescription, RunRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::env::{TestEnv, payload, read};
use crate::error::TestError;
use crate::history::History;

/// A run in a [`TestEnv`].
#[derive(Clone)]
pub struct TestRun<'env> {
    pub(crate) env: &'env TestEnv,
    pub(crate) workflow_id: WorkflowId,
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
        self.env.tenant().signal_run(&self.named(), signal).await?;
        Ok(())
    }

    /// Asks the run to cancel.
    pub async fn cancel(&self) -> Result<(), TestError> {
        let reason = "the test asked for it".to_owned();
        self.env.tenant().request_cancel(&self.named(), reason, None).await?;
        Ok(())
    }

    /// Everything that is known of the run without its history: its status, and
    /// the activities and timers that it waits for. Those that continue as new
    /// are described by the latest run.
    pub async fn describe(&self) -> Result<RunDescription, TestError> {
        self.env.settle().await?;
        Ok(self.env.tenant().describe_run(&self.latest().await?).await?)
    }

    /// What the run has recorded, once nothing is left to do; of those that
    /// continue it, what the latest has.
    pub async fn history(&self) -> Result<History, TestError> {
        self.env.settle().await?;
        let execution = self.env.tenant().describe_run(&self.latest().await?).await?.execution;
        let run = self.run(execution.key.run_id);
        let (mut events, mut next) = (Vec::new(), Some(EventId::FIRST));
        while let Some(from) = next {
            let page = self.env.tenant().run_history(&run, from, PAGE_SIZE_MAX).await?;
            events.extend(page.events);
            next = page.next;
        }
        let context = RunContext {
            namespace: execution.namespace,
            workflow_id: execution.workflow_id,
            run_id: execution.key.run_id,
            module_digest: execution.module_digest,
            trace: None,
        };
        Ok(History { context, events })
    }

    /// Waits for the run to end, and for those that continue it, and returns the
    /// result. While nothing is left to do, time skips ahead to what is due next.
    pub async fn result<T: DeserializeOwned>(&self) -> Result<T, TestError> {
        let closing = self.closing().await?;
        match closing.attributes {
            EventAttributes::WorkflowExecutionCompleted { result } => read("the result", &result),
            EventAttributes::WorkflowExecutionFailed { failure, .. } => {
                Err(TestError::Failed(Box::new(failure)))
            }
            EventAttributes::WorkflowExecutionTimedOut(timed_out) => {
                Err(TestError::Failed(Box::new(timed_out.failure())))
            }
            _ => Err(TestError::Ended(closing.status.as_str())),
        }
    }

    /// Waits for the end like [`Self::result`], and says how it ended.
    pub async fn end(&self) -> Result<ExecutionStatus, TestError> {
        Ok(self.closing().await?.status)
    }

    /// The last of the runs that follow one another.
    pub(crate) async fn latest(&self) -> Result<RunRef, TestError> {
        let run = self.run(self.run_id);
        let result = self.env.steady().await.run_result(&run, Duration::ZERO).await?;
        Ok(self.run(result.run_id))
    }

    pub(crate) fn run(&self, run_id: RunId) -> RunRef {
        RunRef { run_id: Some(run_id), ..self.named() }
    }

    /// The run of this workflow id that is open.
    pub(crate) fn named(&self) -> RunRef {
        RunRef { workflow_id: self.workflow_id.clone(), run_id: None }
    }
}
