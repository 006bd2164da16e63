//! Starts runs.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::pin::pin;
use std::time::Duration;

use dacapo_model::attributes::SearchAttribute;
use dacapo_model::execution::{IdConflictPolicy, IdReusePolicy};
use dacapo_model::ids::{SignalName, TypeName, WorkflowId};
use dacapo_model::json::Json;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::signal::Signal;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{RunRef, StartOptions, StartRequest, WaitFor};
use futures::future::BoxFuture;
use serde::Serialize;

use crate::env::{TestEnv, payload};
use crate::error::TestError;
use crate::run::TestRun;
use crate::update::{TestUpdate, new_update, until};

/// A start with options, made by [`TestEnv::start_with`]. Awaiting it starts the
/// run.
#[must_use = "nothing starts before it is awaited"]
pub struct Start<'env> {
    env: &'env TestEnv,
    /// The first thing that was wrong with it is told when it is awaited.
    request: Result<StartRequest, TestError>,
}

impl TestEnv {
    /// Starts a run of the workflow type `workflow`.
    pub async fn start(
        &self,
        workflow: &str,
        input: &impl Serialize,
    ) -> Result<TestRun<'_>, TestError> {
        self.start_with(workflow, input).await
    }

    /// Starts a run with a workflow id of the test's choice.
    pub async fn start_with_id(
        &self,
        workflow: &str,
        workflow_id: &str,
        input: &impl Serialize,
    ) -> Result<TestRun<'_>, TestError> {
        self.start_with(workflow, input).workflow_id(workflow_id).await
    }

    /// A start with options.
    ///
    /// ```no_run
    /// # async fn ask(env: &dacapo_testing::TestEnv) -> Result<(), dacapo_testing::TestError> {
    /// let run = env.start_with("cart", &()).workflow_id("cart-1").signal("add", &"lamp").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_with(&self, workflow: &str, input: &impl Serialize) -> Start<'_> {
        Start { env: self, request: request(workflow, input) }
    }

    /// Sends a signal to the open run of `workflow_id`; if there is none, starts
    /// one that begins with it.
    pub async fn signal_with_start(
        &self,
        workflow: &str,
        workflow_id: &str,
        input: &impl Serialize,
        signal: &str,
        signal_input: &impl Serialize,
    ) -> Result<TestRun<'_>, TestError> {
        self.start_with(workflow, input).workflow_id(workflow_id).signal(signal, signal_input).await
    }

    /// Sends an update to the open run of `workflow_id`; if there is none, starts
    /// one that begins with it. Returns when the workflow has taken the update on.
    ///
    /// ```no_run
    /// # async fn ask(env: &dacapo_testing::TestEnv) -> Result<(), dacapo_testing::TestError> {
    /// let (run, added) = env.update_with_start("cart", "cart-1", &(), "add", &"lamp").await?;
    /// assert_eq!(added.result::<usize>().await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update_with_start(
        &self,
        workflow: &str,
        workflow_id: &str,
        input: &impl Serialize,
        update: &str,
        update_input: &impl Serialize,
    ) -> Result<(TestRun<'_>, TestUpdate<'_>), TestError> {
        self.start_with(workflow, input).workflow_id(workflow_id).update(update, update_input).await
    }

    /// The latest run of a workflow id, such as a child that a workflow has
    /// started.
    pub async fn find_run(&self, workflow_id: &str) -> Result<TestRun<'_>, TestError> {
        let workflow_id = WorkflowId::new(workflow_id).map_err(ServiceError::from)?;
        let named = RunRef { workflow_id, run_id: None };
        self.settle().await?;
        let found = self.tenant().describe_run(&named).await?.execution;
        Ok(TestRun::new(self, found.workflow_id, found.key.run_id))
    }
}

fn request(workflow: &str, input: &impl Serialize) -> Result<StartRequest, TestError> {
    Ok(StartRequest {
        workflow_type: TypeName::new(workflow).map_err(ServiceError::from)?,
        workflow_id: None,
        request_id: None,
        input: payload(input)?,
        module: None,
        reuse_policy: IdReusePolicy::default(),
        conflict_policy: None,
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        options: StartOptions::default(),
        signal: None,
        update: None,
    })
}

impl<'env> Start<'env> {
    /// The run's name; without one, its run id.
    pub fn workflow_id(self, workflow_id: &str) -> Self {
        self.set(|request| {
            let workflow_id = WorkflowId::new(workflow_id).map_err(ServiceError::from)?;
            request.workflow_id = Some(workflow_id);
            Ok(())
        })
    }

    /// What to do if a run of the workflow id is open: refuse, unless a signal or
    /// an update goes with the start; then that run gets it.
    pub fn conflict_policy(self, policy: IdConflictPolicy) -> Self {
        self.set(|request| {
            request.conflict_policy = Some(policy);
            Ok(())
        })
    }

    /// What to do if the latest run of the workflow id is closed: start another.
    pub fn reuse_policy(self, policy: IdReusePolicy) -> Self {
        self.set(|request| {
            request.reuse_policy = policy;
            Ok(())
        })
    }

    /// How long each run may take, from the end of its delay on.
    pub fn run_timeout(self, timeout: Duration) -> Self {
        self.options(|options| options.run_timeout = Some(timeout))
    }

    /// How long the run and those that follow it may take together.
    pub fn execution_timeout(self, timeout: Duration) -> Self {
        self.options(|options| options.execution_timeout = Some(timeout))
    }

    /// How long the workflow waits before it runs.
    pub fn start_delay(self, delay: Duration) -> Self {
        self.options(|options| options.start_delay = Some(delay))
    }

    /// Another run follows if this one fails, as the policy says.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use dacapo_testing::{RetryPolicy, TestEnv, TestError};
    /// # async fn order(env: &TestEnv) -> Result<(), TestError> {
    /// let run = env
    ///     .start_with("order", &17)
    ///     .retry(RetryPolicy { maximum_attempts: 3, ..RetryPolicy::default() })
    ///     .execution_timeout(Duration::from_secs(3_600))
    ///     .await?;
    /// let receipt: String = run.result().await?; // of the last attempt
    /// # Ok(())
    /// # }
    /// ```
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.options(|options| options.retry = Some(policy))
    }

    /// Adds to what is said about the run.
    pub fn memo(self, name: &str, value: &impl Serialize) -> Self {
        self.set(|request| {
            let value = serde_json::to_string(value).and_then(|json| Json::parse(&json));
            let value = value
                .map_err(|error| TestError::Value(format!("memo `{name}` is no JSON: {error}")))?;
            request.options.attributes.memo.insert(name.to_owned(), value);
            Ok(())
        })
    }

    /// Adds an attribute by which lists find the run.
    pub fn search_attribute(self, name: &str, value: SearchAttribute) -> Self {
        self.options(|options| {
            options.attributes.search_attributes.insert(name.to_owned(), value);
        })
    }

    /// The run begins with this signal.
    pub fn signal(self, name: &str, input: &impl Serialize) -> Self {
        self.set(|request| {
            let name = SignalName::new(name).map_err(ServiceError::from)?;
            request.signal = Some(Signal { name, input: payload(input)?, request_id: None });
            Ok(())
        })
    }

    /// Starts the run, which begins with this update, and returns when the
    /// workflow has taken it on.
    pub async fn update(
        self,
        name: &str,
        input: &impl Serialize,
    ) -> Result<(TestRun<'env>, TestUpdate<'env>), TestError> {
        let update = new_update(None, name, input)?;
        let (env, mut request) = (self.env, self.request?);
        let workflow_id = match request.workflow_id.take() {
            Some(workflow_id) => workflow_id,
            // The run must have a name by which it is found while it is waited for.
            None => WorkflowId::new(update.id.as_str()).map_err(ServiceError::from)?,
        };
        request.workflow_id = Some(workflow_id.clone());
        let tenant = env.tenant();
        let wait = until(WaitFor::Accepted);
        let mut sent = pin!(tenant.start_run_with_update(request, update.clone(), wait));
        let (started, result) = tokio::select! {
            biased;
            answer = &mut sent => answer?,
            // It has started, and does not take the update at once.
            settled = env.settle() => {
                settled?;
                env.find_run(workflow_id.as_str()).await?.wait_for(sent).await??
            }
        };
        let run = TestRun::new(env, started.workflow_id, started.run_id);
        let taken_by = run.run(result.run_id);
        let update = TestUpdate::taken(run.clone(), taken_by, &update, result.progress)?;
        Ok((run, update))
    }

    fn options(self, set: impl FnOnce(&mut StartOptions)) -> Self {
        self.set(|request| {
            set(&mut request.options);
            Ok(())
        })
    }

    fn set(mut self, set: impl FnOnce(&mut StartRequest) -> Result<(), TestError>) -> Self {
        self.request = self.request.and_then(|mut request| {
            set(&mut request)?;
            Ok(request)
        });
        self
    }
}

impl<'env> IntoFuture for Start<'env> {
    type Output = Result<TestRun<'env>, TestError>;
    type IntoFuture = BoxFuture<'env, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let env = self.env;
            let started = env.tenant().start_run(self.request?).await?;
            Ok(TestRun::new(env, started.workflow_id, started.run_id))
        })
    }
}
