//! The real host, with some activities answered by the test.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use dacapo_engine::guest::{
    ActivityTask, AttemptLink, GuestHost, GuestInstance, ModuleLoadError, ModuleRejected,
    ModuleSource, RunContext, Trace,
};
use dacapo_host::Host;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Blocked;
use dacapo_model::failure::Failure;
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_model::payload::Payload;
use dacapo_store::Store;

use crate::activities::{Activities, ActivityFailure, Stub, failure};

/// Attempts at a time: as many as one run may have pending.
pub(crate) const ACTIVITIES_MAX: usize = 10_000;

pub(crate) struct TestHost {
    pub(crate) real: Host,
    pub(crate) activities: Arc<Activities>,
}

#[async_trait]
impl GuestHost for TestHost {
    async fn inspect(
        &self,
        digest: ModuleDigest,
        bytes: &[u8],
    ) -> Result<ModuleDefinitions, ModuleRejected> {
        self.real.inspect(digest, bytes).await
    }

    async fn launch(&self, run: Arc<RunContext>) -> Result<Box<dyn GuestInstance>, Blocked> {
        self.real.launch(run).await
    }

    async fn trace(
        &self,
        run: Arc<RunContext>,
        history: Vec<HistoryEvent>,
    ) -> Result<Trace, Blocked> {
        self.real.trace(run, history).await
    }

    async fn run_activity(
        &self,
        task: ActivityTask,
        link: Arc<dyn AttemptLink>,
    ) -> Result<Payload, Failure> {
        self.activities.record(&task);
        match self.activities.stub(task.activity_type.as_str()) {
            None => self.real.run_activity(task, link).await,
            Some(Stub::Hang) => self.activities.hang().await,
            // A closure that panics, as an assertion in it does, must not be tried
            // again without end.
            Some(Stub::Answer(answer)) => catch_unwind(AssertUnwindSafe(|| answer(&task)))
                .unwrap_or_else(|panic| Err(panicked(&task, &*panic)))
                .map_err(|failure| *failure.0),
        }
    }

    fn instances_max(&self) -> usize {
        self.real.instances_max()
    }

    /// Closures need no place of the host. Real activities wait for theirs, while
    /// time stands still.
    fn activities_max(&self) -> usize {
        ACTIVITIES_MAX
    }
}

fn panicked(task: &ActivityTask, panic: &(dyn std::any::Any + Send)) -> ActivityFailure {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it said nothing");
    let name = &task.activity_type;
    let message = format!("the test's closure for activity `{name}` panicked: {said}");
    failure("ClosurePanicked", message).non_retryable()
}

/// Gives the host the modules of the store.
pub(crate) struct StoredModules(pub(crate) Arc<dyn Store>);

#[async_trait]
impl ModuleSource for StoredModules {
    async fn module_bytes(&self, digest: ModuleDigest) -> Result<Vec<u8>, ModuleLoadError> {
        match self.0.module_bytes(digest).await {
            Ok(Some(bytes)) => Ok(bytes.into()),
            Ok(None) => Err(ModuleLoadError { digest, source: None }),
            Err(error) => Err(ModuleLoadError { digest, source: Some(Box::new(error)) }),
        }
    }
}
