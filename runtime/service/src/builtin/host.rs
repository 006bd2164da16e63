//! The host of a node, and with it what is built in.

use std::sync::Arc;

use async_trait::async_trait;
use dacapo_engine::guest::{
    ActivityTask, Asked, AttemptLink, GuestHost, GuestInstance, ModuleRejected, Room, RunContext,
    Trace,
};
use dacapo_engine::replay::Budget;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Blocked;
use dacapo_model::failure::Failure;
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;

use super::find;
use super::instance::Instance;

/// Runs built-in workflows itself, and leaves all else to the host.
pub(crate) struct BuiltinHost {
    host: Arc<dyn GuestHost>,
    budget: Budget,
}

impl BuiltinHost {
    pub(crate) fn new(host: Arc<dyn GuestHost>, budget: Budget) -> Self {
        Self { host, budget }
    }

    fn instance(&self, digest: ModuleDigest) -> Option<Instance> {
        find(digest).map(|version| Instance::new(version, self.budget))
    }
}

#[async_trait]
impl GuestHost for BuiltinHost {
    async fn inspect(
        &self,
        digest: ModuleDigest,
        bytes: &[u8],
    ) -> Result<ModuleDefinitions, ModuleRejected> {
        self.host.inspect(digest, bytes).await
    }

    fn is_at_hand(&self, module: ModuleDigest) -> bool {
        find(module).is_some() || self.host.is_at_hand(module)
    }

    async fn launch(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
    ) -> Result<Box<dyn GuestInstance>, Blocked> {
        match self.instance(run.module_digest) {
            Some(instance) => Ok(Box::new(instance)),
            None => self.host.launch(run, room).await,
        }
    }

    async fn trace(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
        history: Vec<HistoryEvent>,
    ) -> Result<Trace, Blocked> {
        match self.instance(run.module_digest) {
            Some(mut instance) => {
                instance.advance(history).await?;
                Ok(instance.trace())
            }
            None => self.host.trace(run, room, history).await,
        }
    }

    async fn query_closed(
        &self,
        run: Arc<RunContext>,
        room: Arc<dyn Room>,
        history: Vec<HistoryEvent>,
        query: Query,
    ) -> Asked {
        match find(run.module_digest) {
            Some(_) => Asked::Ended,
            None => self.host.query_closed(run, room, history, query).await,
        }
    }

    async fn run_activity(
        &self,
        task: ActivityTask,
        link: Arc<dyn AttemptLink>,
    ) -> Result<Payload, Failure> {
        self.host.run_activity(task, link).await
    }

    fn instances_max(&self) -> usize {
        self.host.instances_max()
    }

    fn activities_max(&self) -> usize {
        self.host.activities_max()
    }
}
