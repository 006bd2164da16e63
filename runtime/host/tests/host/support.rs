//! Hosts and tasks for tests.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dacapo_engine::guest::{
    ActivityTask, AttemptLink, AttemptSignals, GuestHost as _, ModuleLoadError, ModuleSource,
    RunContext,
};
use dacapo_host::{
    ACTIVITIES_BYTES_MAX, ActivityConfig, Compiler, Host, HostConfig, MODULES_BYTES_MAX,
};
use dacapo_model::failure::Failure;
use dacapo_model::ids::{NamespaceName, OperationId, RunId, TypeName, WorkflowId};
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use crate::guests::{Guest, guest};

/// Modules in memory.
#[derive(Default)]
pub(crate) struct Modules(pub(crate) BTreeMap<ModuleDigest, Vec<u8>>);

impl Modules {
    pub(crate) fn of(guests: &[&Guest]) -> Arc<Self> {
        let modules = guests.iter().map(|guest| (guest.digest, guest.bytes.clone()));
        Arc::new(Self(modules.collect()))
    }
}

#[async_trait]
impl ModuleSource for Modules {
    async fn module_bytes(&self, digest: ModuleDigest) -> Result<Vec<u8>, ModuleLoadError> {
        self.0.get(&digest).cloned().ok_or(ModuleLoadError { digest, source: None })
    }
}

/// A configuration whose compiled modules are shared by all tests, since
/// compiling is what takes the time.
pub(crate) fn config() -> HostConfig {
    HostConfig {
        cache_dir: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled-modules"),
        limits: Limits::default(),
        instances_max: 4,
        modules_bytes_max: MODULES_BYTES_MAX,
        activities_bytes_max: ACTIVITIES_BYTES_MAX,
        activities: ActivityConfig::default(),
        compiler: Compiler::Here,
    }
}

pub(crate) fn host(config: HostConfig, guests: &[&Guest]) -> Host {
    Host::new(config, Modules::of(guests)).expect("a host")
}

/// A run with the given id, so that its random numbers are known.
pub(crate) fn run(digest: ModuleDigest, id: u128) -> Arc<RunContext> {
    Arc::new(RunContext {
        namespace: NamespaceName::new("default").expect("valid"),
        workflow_id: WorkflowId::new("order-17").expect("valid"),
        run_id: RunId(Uuid::from_u128(id)),
        module_digest: digest,
        trace: None,
    })
}

pub(crate) fn type_name(name: &str) -> TypeName {
    TypeName::new(name).expect("a valid type name")
}

pub(crate) fn json(text: &str) -> Payload {
    Payload::from(text.as_bytes().to_vec())
}

pub(crate) fn text(payload: &Payload) -> &str {
    std::str::from_utf8(payload.as_bytes()).expect("text")
}

/// The run's end of an attempt.
#[derive(Default)]
pub(crate) struct TestLink {
    pub(crate) signals: watch::Sender<AttemptSignals>,
    /// What the attempt said, in order.
    pub(crate) beats: Mutex<Vec<Option<Payload>>>,
}

#[async_trait]
impl AttemptLink for TestLink {
    fn heartbeat(&self, details: Option<Payload>) {
        self.beats.lock().push(details);
    }

    fn signals(&self) -> AttemptSignals {
        *self.signals.borrow()
    }

    async fn cancel_requested(&self) {
        let mut told = self.signals.subscribe();
        told.wait_for(|signals| signals.cancel_requested).await.expect("the sender stays");
    }

    async fn complete_later(&self) -> Result<String, Failure> {
        Ok("the-token".to_owned())
    }
}

/// The first attempt of an activity.
pub(crate) fn task(digest: ModuleDigest, activity: &str, input: &str) -> ActivityTask {
    ActivityTask {
        run: run(digest, 1),
        module_digest: digest,
        activity_type: type_name(activity),
        input: json(input),
        operation_id: OperationId(3),
        attempt: 1,
        timeout: Duration::from_secs(60),
        deadline: Timestamp::from_micros(1_700_000_060_000_000),
        heartbeat_details: None,
        trace: None,
        permissions: Arc::default(),
    }
}

/// Runs an activity of `steps` or `hostile` to its end.
pub(crate) async fn execute(
    config: HostConfig,
    module: &str,
    activity: &str,
    input: &str,
) -> Result<Payload, Failure> {
    let guest = guest(module);
    let host = host(config, &[&guest]);
    host.run_activity(task(guest.digest, activity, input), Arc::new(TestLink::default())).await
}
