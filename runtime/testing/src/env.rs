//! A server inside a test.

use std::any::type_name;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use dacapo_model::ids::NamespaceName;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_service::Runtime;
use dacapo_service::config::ServiceConfig;
use dacapo_service::tenancy::{Principal, Tenant};
use dacapo_store::Store;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::activities::{Activities, ActivityFailure, Calls, Stub, decode};
use crate::attempt::Attempt;
use crate::builder::Builder;
use crate::clock::VirtualClock;
use crate::error::TestError;
use crate::host::TestHost;
use crate::workers::{CurrentRuntime, InHand};

/// A server inside a test: real engine, service and host, a store in memory, and
/// a clock that the test moves. Nothing is shared with other environments.
pub struct TestEnv {
    /// Another one after each restart.
    pub(crate) runtime: CurrentRuntime,
    /// Held while there is none: what the one before answers is of no use.
    pub(crate) restarts: RwLock<()>,
    pub(crate) service: ServiceConfig,
    pub(crate) clock: VirtualClock,
    pub(crate) activities: Arc<Activities>,
    /// Attempts of task queues that closures make.
    pub(crate) in_hand: Mutex<Vec<InHand>>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) host: Arc<TestHost>,
    pub(crate) start_time: Timestamp,
    pub(crate) holds: Arc<AtomicUsize>,
    /// Compiled modules of components that no folder is known for.
    pub(crate) _cache: Option<TempDir>,
}

/// A server that is not restarted while this is held.
pub(crate) struct Steady<'a> {
    tenant: Tenant,
    _no_restart: RwLockReadGuard<'a, ()>,
}

impl Deref for Steady<'_> {
    type Target = Tenant;

    fn deref(&self) -> &Tenant {
        &self.tenant
    }
}

/// As whom tests call, in the namespace that is always there.
pub(crate) fn tenant_of(runtime: &Runtime) -> Tenant {
    let namespace = NamespaceName::new("default").expect("a valid name");
    runtime.tenant(Principal::Local, &namespace).expect("the namespace that is always there")
}

impl TestEnv {
    /// An environment with the crate in `folder`, built for WebAssembly.
    /// `env!("CARGO_MANIFEST_DIR")` is the crate that the test belongs to.
    pub async fn of_crate(folder: impl AsRef<Path>) -> Result<Self, TestError> {
        Self::builder().crate_folder(folder.as_ref()).start().await
    }

    /// An environment with settings of its own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Answers the activity `name` with a closure from now on. A failure that it
    /// returns is retried as the workflow says, without waiting for real.
    pub fn activity<I: DeserializeOwned, O: Serialize + Send + 'static>(
        &self,
        name: &str,
        activity: impl Fn(I) -> Result<O, ActivityFailure> + Send + Sync + 'static,
    ) {
        self.activity_attempts(name, move |_attempt, input| activity(input));
    }

    /// Like [`Self::activity`], with the number of the attempt, from 1.
    pub fn activity_attempts<I: DeserializeOwned, O: Serialize + Send + 'static>(
        &self,
        name: &str,
        activity: impl Fn(u32, I) -> Result<O, ActivityFailure> + Send + Sync + 'static,
    ) {
        self.activity_with(name, move |attempt, input| {
            std::future::ready(activity(attempt.number(), input))
        });
    }

    /// Answers the activity `name` from now on with a closure that takes its time,
    /// says that it is alive, or hears that it is to cancel.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn copy(env: &dacapo_testing::TestEnv) {
    /// env.activity_with("copy", |attempt, items: u32| async move {
    ///     let first = attempt.heartbeat_details::<u32>()?.unwrap_or(0);
    ///     for item in first..items {
    ///         attempt.sleep(Duration::from_secs(10)).await; // no time of the machine
    ///         if attempt.heartbeat(&item).cancel_requested {
    ///             return Err(dacapo_testing::cancelled("half done"));
    ///         }
    ///     }
    ///     Ok(items)
    /// });
    /// # }
    /// ```
    pub fn activity_with<I, O, F>(
        &self,
        name: &str,
        activity: impl Fn(Attempt, I) -> F + Send + Sync + 'static,
    ) where
        I: DeserializeOwned,
        O: Serialize,
        F: Future<Output = Result<O, ActivityFailure>> + Send + 'static,
    {
        self.activities.replace(name, Stub::new(activity));
    }

    /// Lets each attempt of the activity `name` hang from now on, until its
    /// timeout ends it or the workflow cancels it.
    pub fn activity_hangs(&self, name: &str) {
        self.activities.replace(name, Stub::hangs());
    }

    /// Leaves each attempt of the activity `name` open from now on, as one that
    /// is completed from outside does: see [`Self::activity_by_token`] and
    /// [`TestRun::activity`](crate::TestRun::activity).
    pub fn activity_completes_later(&self, name: &str) {
        self.activities.replace(name, Stub::completes_later());
    }

    /// What the activity `name` was called with so far.
    ///
    /// # Panics
    ///
    /// If it is neither replaced nor defined nor ever called: a slip of the pen.
    #[track_caller]
    pub fn calls(&self, name: &str) -> Calls {
        let calls = self.activities.calls(name);
        if calls.attempts() == 0 && self.activities.stub(name).is_none() {
            let defined = self.defined_activities();
            let known = defined.iter().any(|activity| activity == name);
            assert!(known, "no module defines activity `{name}`, but: {}", defined.join(", "));
        }
        calls
    }

    /// Lets the server die once nothing is left to do before time goes on, and
    /// starts another over the same store: what runs have in memory is gone, and
    /// attempts that hang are made again. No time passes.
    ///
    /// ```no_run
    /// # async fn survives(env: &dacapo_testing::TestEnv) -> Result<(), dacapo_testing::TestError> {
    /// let run = env.start("subscription", &900).await?;
    /// env.restart().await?;
    /// let receipts: Vec<String> = run.result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn restart(&self) -> Result<(), TestError> {
        self.settle().await?;
        let alone = self.restarts.write().await;
        self.runtime().halt().await;
        let runtime = Runtime::start(
            Arc::clone(&self.store),
            Arc::clone(&self.host) as _,
            Arc::new(self.clock.clone()),
            self.service.clone(),
        )
        .await?;
        *self.runtime.lock() = runtime;
        drop(alone);
        self.settle().await
    }

    /// The server, which is not restarted before this is dropped. Whoever holds one
    /// must not ask for another.
    pub(crate) async fn steady(&self) -> Steady<'_> {
        let no_restart = self.restarts.read().await;
        Steady { tenant: self.tenant(), _no_restart: no_restart }
    }

    pub(crate) fn runtime(&self) -> Arc<Runtime> {
        Arc::clone(&self.runtime.lock())
    }

    pub(crate) fn tenant(&self) -> Tenant {
        tenant_of(&self.runtime())
    }

    pub(crate) fn host(&self) -> &TestHost {
        &self.host
    }

    /// The module that defines a workflow.
    pub(crate) fn module_of(&self, workflow: &str) -> Result<ModuleDigest, TestError> {
        let modules = self.tenant().modules_in_memory();
        let found = modules
            .iter()
            .find(|module| module.definitions.workflows.iter().any(|it| it.as_str() == workflow));
        found
            .map(|module| module.digest)
            .ok_or_else(|| TestError::Setup(format!("no module defines workflow `{workflow}`")))
    }

    fn defined_activities(&self) -> Vec<String> {
        let modules = self.tenant().modules_in_memory();
        let activities = modules.into_iter().flat_map(|module| module.definitions.activities);
        activities.map(|name| name.to_string()).collect()
    }
}

pub(crate) fn payload(value: &impl Serialize) -> Result<Payload, TestError> {
    serde_json::to_vec(value)
        .map(Payload::new)
        .map_err(|error| TestError::Value(format!("the value can't be written as JSON: {error}")))
}

/// What the workflow answered, as the test expects it.
pub(crate) fn read<T: DeserializeOwned>(what: &str, payload: &Payload) -> Result<T, TestError> {
    decode(payload.as_bytes()).map_err(|error| {
        let text = String::from_utf8_lossy(payload.as_bytes());
        TestError::Value(format!("{what} `{text}` is no `{}`: {error}", type_name::<T>()))
    })
}
