//! The activities of one module, in the same sandbox as in a server.

use std::sync::Arc;

use anyhow::Result;
use dacapo_engine::guest::{GuestHost as _, ModuleSource};
use dacapo_host::{Host, HostConfig};
use dacapo_model::ids::TypeName;
use dacapo_model::module::ModuleDigest;
use dacapo_worker::{ActivityContext, Failure, Payload};

use super::convert;
use super::link::Link;
use crate::only_module::OnlyModule;

/// A module, ready to run.
pub(super) struct Sandbox {
    host: Host,
    module: ModuleDigest,
    activities: Vec<TypeName>,
}

impl Sandbox {
    /// Compiles the component, or takes what was compiled before.
    pub(super) async fn new(config: HostConfig, bytes: Vec<u8>) -> Result<Self> {
        let module = ModuleDigest::of(&bytes);
        let source = Arc::new(OnlyModule { digest: module, bytes });
        let host = Host::new(config, Arc::clone(&source) as Arc<dyn ModuleSource>)?;
        let definitions = host.inspect(module, &source.bytes).await?;
        Ok(Self { host, module, activities: definitions.activities })
    }

    /// What names the code.
    pub(super) fn module(&self) -> ModuleDigest {
        self.module
    }

    /// The activity types that it defines.
    pub(super) fn activities(&self) -> &[TypeName] {
        &self.activities
    }

    /// Runs one attempt to its end. Dropping the future stops it.
    pub(super) async fn run(
        &self,
        context: ActivityContext,
        input: Payload,
    ) -> Result<Payload, Failure> {
        let task = convert::task(context.info(), input, self.module)?;
        let link = Arc::new(Link::new(context));
        match self.host.run_activity(task, Arc::clone(&link) as _).await {
            Ok(result) => Ok(Payload::new(result.into_bytes())),
            Err(failure) => Err(convert::failure(link.refusal().unwrap_or(failure))),
        }
    }
}
