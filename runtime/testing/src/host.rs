//! The real host, with some activities answered by the test.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use dacapo_engine::guest::{
    ActivityTask, Asked, AttemptLink, GuestHost, GuestInstance, ModuleLoadError, ModuleRejected,
    ModuleSource, Room, RunContext, Trace,
};
use dacapo_host::Host;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Blocked;
use dacapo_model::failure::Failure;
use dacapo_model::ids::TypeName;
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_store::Store;
use futures::FutureExt as _;

use crate::activities::{Activities, ActivityFailure, failure};
use crate::attempt::{Attempt, RecordedLink};
use crate::clock::VirtualClock;

pub(crate) struct TestHost {
    pub(crate) real: Host,
    pub(crate) activities: Arc<Activities>,
    pub(crate) clock: VirtualClock,
    /// False if runs keep nothing in memory while they wait.
    pub(crate) keeps_instances: bool,
    /// Attempts at a time.
    pub(crate) activities_max: usize,
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

    async fn launch(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
    ) -> Result<Box<dyn GuestInstance>, Blocked> {
        self.real.launch(run, room).await
    }

    async fn trace(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
        history: Vec<HistoryEvent>,
    ) -> Result<Trace, Blocked> {
        self.real.trace(run, room, history).await
    }

    async fn query_closed(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
        history: Vec<HistoryEvent>,
        query: Query,
    ) -> Asked {
        self.real.query_closed(run, room, history, query).await
    }

    async fn run_activity(
        &self,
        task: ActivityTask,
        link: Arc<dyn AttemptLink>,
    ) -> Result<Payload, Failure> {
        let activities = &self.activities;
        activities.record(&task);
        let (recorded, activities) = (task.clone(), activities.clone());
        let link = Arc::new(RecordedLink { link, task: recorded, activities });
        let Some(stub) = self.activities.stub(task.activity_type.as_str()) else {
            return self.real.run_activity(task, link).await;
        };
        let (activities, clock) = (self.activities.clone(), self.clock.clone());
        let name = task.activity_type.clone();
        let answer = stub.answer(Attempt::new(task, link, activities, clock));
        // A closure that panics, as an assertion in it does, must not be tried
        // again without end.
        let answered = AssertUnwindSafe(answer).catch_unwind().await;
        answered.unwrap_or_else(|panic| Err(panicked(&name, &*panic))).map_err(|failure| *failure.0)
    }

    fn instances_max(&self) -> usize {
        if self.keeps_instances { self.real.instances_max() } else { 0 }
    }

    /// Closures need no place of the host. Real activities wait for theirs, while
    /// time stands still.
    fn activities_max(&self) -> usize {
        self.activities_max
    }
}

pub(crate) fn panicked(name: &TypeName, panic: &(dyn std::any::Any + Send)) -> ActivityFailure {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it said nothing");
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
