//! A server inside a test.

use std::any::type_name;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dacapo_host::{
    ACTIVITIES_BYTES_MAX, ActivityConfig, Compiler, Host, HostConfig, MODULES_BYTES_MAX,
};
use dacapo_model::ids::{ModuleName, NamespaceName};
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_service::Runtime;
use dacapo_service::clock::Clock as _;
use dacapo_service::config::ServiceConfig;
use dacapo_service::error::ServiceError;
use dacapo_store::Store;
use dacapo_store::memory::MemoryStore;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::activities::{Activities, ActivityFailure, Calls, Stub, decode};
use crate::attempt::Attempt;
use crate::clock::VirtualClock;
use crate::error::TestError;
use crate::host::{StoredModules, TestHost};
use crate::module;

/// When all environments begin, unless they are told otherwise: the first of
/// January 2026.
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// Instances of workflows in memory. Others are replayed when something happens
/// to them, which tests should see now and then.
const INSTANCES_MAX: usize = 100;

/// Attempts at a time: as many as one run may have pending.
const ACTIVITIES_MAX: usize = 10_000;

/// How soon a run with a full mailbox is told of its timer again.
const BUSY_MAX: Duration = Duration::from_millis(100);

/// How often a task lets the others go first before it waits for real.
const YIELDS: u32 = 100;

/// How often the others go first before it is believed that they wait.
const QUIET: u32 = 3;

/// A pause of the machine, for what other threads do meanwhile.
const PAUSE: Duration = Duration::from_millis(1);

/// A server inside a test: real engine, service and host, a store in memory, and
/// a clock that the test moves. Nothing is shared with other environments.
pub struct TestEnv {
    /// Another one after each restart.
    runtime: Mutex<Arc<Runtime>>,
    /// Held while there is none: what the one before answers is of no use.
    restarts: RwLock<()>,
    service: ServiceConfig,
    pub(crate) clock: VirtualClock,
    pub(crate) activities: Arc<Activities>,
    store: Arc<dyn Store>,
    host: Arc<TestHost>,
    start_time: Timestamp,
    holds: Arc<AtomicUsize>,
    /// Compiled modules of components that no folder is known for.
    _cache: Option<TempDir>,
}

/// A server that is not restarted while this is held.
pub(crate) struct Steady<'a> {
    runtime: Arc<Runtime>,
    _no_restart: RwLockReadGuard<'a, ()>,
}

impl Deref for Steady<'_> {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        &self.runtime
    }
}

/// Sets up a [`TestEnv`].
#[derive(Debug)]
#[must_use = "nothing is there before it is started"]
pub struct Builder {
    crates: Vec<PathBuf>,
    components: Vec<PathBuf>,
    modules: Vec<Vec<u8>>,
    start_time: Timestamp,
    activities: ActivityConfig,
    activities_max: usize,
    limits: Limits,
    keeps_instances: bool,
}

impl Builder {
    /// Builds the Rust crate in `folder` for WebAssembly, and uploads it.
    pub fn crate_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.crates.push(folder.into());
        self
    }

    /// Uploads the component in this file.
    pub fn component(mut self, path: impl Into<PathBuf>) -> Self {
        self.components.push(path.into());
        self
    }

    /// Uploads this component.
    pub fn module(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.modules.push(bytes.into());
        self
    }

    /// The time at which the environment begins.
    pub fn start_time(mut self, time: Timestamp) -> Self {
        self.start_time = time;
        self
    }

    /// Lets real activities send HTTP requests to this host: `127.0.0.1:8080`,
    /// `*.example.com`. None by default.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.activities.allowed_hosts.push(host.into());
        self
    }

    /// Sets an environment variable of real activities.
    pub fn activity_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.activities.environment.insert(name.into(), value.into());
        self
    }

    /// Sets the limits on guests and clients.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many attempts of activities run at a time; others wait for a slot. So
    /// many by default that none waits: 10,000.
    pub fn activities_max(mut self, activities_max: usize) -> Self {
        self.activities_max = activities_max;
        self
    }

    /// Drops the memory of a workflow whenever it waits, and replays its history
    /// when it goes on: what it does wrong after a restart of the server, it does
    /// wrong here. A history of *n* events is replayed up to *n* times, so the
    /// tests take longer.
    ///
    /// ```no_run
    /// # use dacapo_testing::{TestEnv, TestError};
    /// # async fn env() -> Result<TestEnv, TestError> {
    /// TestEnv::builder().crate_folder(".").replay_every_step().start().await
    /// # }
    /// ```
    pub fn replay_every_step(mut self) -> Self {
        self.keeps_instances = false;
        self
    }

    /// Builds, uploads and starts everything.
    pub async fn start(self) -> Result<TestEnv, TestError> {
        let mut components = self.components;
        for folder in &self.crates {
            components.push(module::build(folder).await?);
        }
        let mut modules = self.modules;
        for path in &components {
            let bytes = std::fs::read(path)
                .map_err(|error| TestError::Setup(format!("{}: {error}", path.display())))?;
            modules.push(bytes);
        }
        let (cache_dir, cache) = cache_dir(&components)?;

        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let config = HostConfig {
            cache_dir,
            limits: self.limits.clone(),
            instances_max: INSTANCES_MAX,
            modules_bytes_max: MODULES_BYTES_MAX,
            activities_bytes_max: ACTIVITIES_BYTES_MAX,
            activities: self.activities,
            compiler: Compiler::Here,
        };
        let real = Host::new(config, Arc::new(StoredModules(Arc::clone(&store))))
            .map_err(|error| TestError::Setup(error.to_string()))?;
        let activities = Arc::new(Activities::default());
        let clock = VirtualClock::new(self.start_time);
        let (answers, time) = (Arc::clone(&activities), clock.clone());
        let host = Arc::new(TestHost {
            real,
            activities: answers,
            clock: time,
            keeps_instances: self.keeps_instances,
            activities_max: self.activities_max,
        });
        let service = ServiceConfig {
            limits: self.limits,
            activities_max: self.activities_max,
            ..ServiceConfig::default()
        };
        let runtime = Runtime::start(
            Arc::clone(&store),
            Arc::clone(&host) as _,
            Arc::new(clock.clone()),
            service.clone(),
        )
        .await?;
        for (number, bytes) in (1..).zip(modules) {
            let name = ModuleName::new(format!("module-{number}")).map_err(ServiceError::from)?;
            runtime.upload_module(&namespace(), &name, bytes.into()).await?;
        }
        Ok(TestEnv {
            runtime: Mutex::new(runtime),
            restarts: RwLock::new(()),
            service,
            clock,
            activities,
            store,
            host,
            start_time: self.start_time,
            holds: Arc::default(),
            _cache: cache,
        })
    }
}

/// Compiled modules stay beside the first component, so that the next test need
/// not compile them.
fn cache_dir(components: &[PathBuf]) -> Result<(PathBuf, Option<TempDir>), TestError> {
    if let Some(folder) = components.first().and_then(|path| path.parent()) {
        return Ok((folder.join("dacapo-testing"), None));
    }
    let folder = TempDir::new().map_err(|error| TestError::Setup(error.to_string()))?;
    Ok((folder.path().to_path_buf(), Some(folder)))
}

pub(crate) fn namespace() -> NamespaceName {
    NamespaceName::new("default").expect("the name of the namespace that is always there")
}

impl TestEnv {
    /// An environment with the crate in `folder`, built for WebAssembly.
    /// `env!("CARGO_MANIFEST_DIR")` is the crate that the test belongs to.
    pub async fn of_crate(folder: impl AsRef<Path>) -> Result<Self, TestError> {
        Self::builder().crate_folder(folder.as_ref()).start().await
    }

    /// An environment with settings of its own.
    pub fn builder() -> Builder {
        Builder {
            crates: Vec::new(),
            components: Vec::new(),
            modules: Vec::new(),
            start_time: START,
            activities: ActivityConfig::default(),
            activities_max: ACTIVITIES_MAX,
            limits: Limits::default(),
            keeps_instances: true,
        }
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

    /// The time in this environment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time that has passed since this environment began.
    pub fn elapsed(&self) -> Duration {
        self.now().since(self.start_time)
    }

    /// Lets this much time pass: everything that is due meanwhile happens, in its
    /// order and at its time. Returns when nothing is left to do.
    pub async fn advance(&self, duration: Duration) -> Result<(), TestError> {
        let end = self.now().after(duration);
        self.settle().await?;
        while let Some(next) = self.next_event().await?.filter(|next| *next <= end) {
            self.clock.move_to(next);
            self.settle().await?;
        }
        self.clock.move_to(end);
        self.settle().await
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

    /// Keeps time from skipping ahead until the guard is dropped:
    /// [`TestRun::result`](crate::TestRun::result) fails where it would. [`Self::advance`] still moves it.
    pub fn hold_time(&self) -> TimeHold {
        self.holds.fetch_add(1, Ordering::SeqCst);
        TimeHold(Arc::clone(&self.holds))
    }

    pub(crate) fn is_held(&self) -> bool {
        self.holds.load(Ordering::SeqCst) > 0
    }

    /// Returns when nothing is left to do before time goes on or somebody asks
    /// for something.
    pub async fn settle(&self) -> Result<(), TestError> {
        let mut hanging = self.activities.hanging();
        let (mut turns, mut quiet) = (0, 0);
        loop {
            let hang = *hanging.borrow_and_update();
            let runtime = self.runtime();
            tokio::select! {
                () = runtime.in_hand_at_most(hang) => {}
                _ = hanging.changed() => continue,
            }
            // A timer that is due and still there will be dealt with in a moment.
            let due = self.timers(hang).await?.0 > hang;
            if due || self.is_busy() {
                quiet = 0;
            } else if quiet == QUIET {
                return Ok(());
            } else {
                // What hangs, or waits for its turn, may have been told something, and
                // not gone on yet.
                quiet += 1;
                tokio::task::yield_now().await;
                continue;
            }
            turns += 1;
            if due && turns > YIELDS {
                self.try_busy_runs_again();
            }
            if turns <= YIELDS {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// A run that had too much in its mailbox to be told of a timer is told again
    /// a little later, by the clock.
    fn try_busy_runs_again(&self) {
        let soon = self.now().after(BUSY_MAX);
        if let Some(next) = self.clock.next_sleeper().filter(|next| *next <= soon) {
            self.clock.move_to(next);
        }
    }

    /// When something happens next by itself.
    pub(crate) async fn next_event(&self) -> Result<Option<Timestamp>, TestError> {
        let hang = *self.activities.hanging().borrow();
        let timer = self.timers(hang).await?.1;
        // Attempts that hang end with their timeouts.
        let timeout = self.clock.next_sleeper().filter(|_| hang > 0);
        Ok(timer.into_iter().chain(timeout).chain(self.clock.next_wait()).min())
    }

    /// How many timers are due, and when the next one will be. The row that an
    /// attempt was due by stays until the attempt ends: `hang` of them may be due
    /// for as long as time stands still.
    async fn timers(&self, hang: usize) -> Result<(usize, Option<Timestamp>), TestError> {
        let end_of_time = Timestamp::from_micros(i64::MAX);
        let limit = u32::try_from(hang).unwrap_or(u32::MAX).saturating_add(1);
        let rows = self.store.due_timers(end_of_time, None, limit).await;
        let rows = rows.map_err(ServiceError::from)?;
        let now = self.now();
        let due = rows.iter().take_while(|row| row.fire_at <= now).count();
        Ok((due, rows.get(due).map(|row| row.fire_at)))
    }

    /// The server, which is not restarted before this is dropped. Whoever holds one
    /// must not ask for another.
    pub(crate) async fn steady(&self) -> Steady<'_> {
        let no_restart = self.restarts.read().await;
        Steady { runtime: self.runtime(), _no_restart: no_restart }
    }

    pub(crate) fn runtime(&self) -> Arc<Runtime> {
        Arc::clone(&self.runtime.lock())
    }

    /// True while something is under way that time must not skip.
    pub(crate) fn is_busy(&self) -> bool {
        self.clock.is_waking() || self.runtime().in_hand() > *self.activities.hanging().borrow()
    }

    pub(crate) fn host(&self) -> &TestHost {
        &self.host
    }

    /// The module that defines a workflow.
    pub(crate) fn module_of(&self, workflow: &str) -> Result<ModuleDigest, TestError> {
        let modules = self.runtime().modules_in_memory(&namespace())?;
        let found = modules
            .iter()
            .find(|module| module.definitions.workflows.iter().any(|it| it.as_str() == workflow));
        found
            .map(|module| module.digest)
            .ok_or_else(|| TestError::Setup(format!("no module defines workflow `{workflow}`")))
    }

    fn defined_activities(&self) -> Vec<String> {
        let modules = self.runtime().modules_in_memory(&namespace()).unwrap_or_default();
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

/// Keeps time from skipping ahead; made by [`TestEnv::hold_time`].
#[derive(Debug)]
#[must_use = "time goes on at once if nothing holds the guard"]
pub struct TimeHold(Arc<AtomicUsize>);

impl Drop for TimeHold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
