//! Sets up a server inside a test.

use std::path::PathBuf;
use std::sync::Arc;

use dacapo_host::{
    ACTIVITIES_BYTES_MAX, ActivityConfig, Compiler, Host, HostConfig, MODULES_BYTES_MAX,
};
use dacapo_model::ids::ModuleName;
use dacapo_model::limits::Limits;
use dacapo_model::search_attribute::{SearchAttributeName, SearchAttributeType};
use dacapo_model::time::Timestamp;
use dacapo_service::Runtime;
use dacapo_service::config::ServiceConfig;
use dacapo_service::error::ServiceError;
use dacapo_store::Store;
use dacapo_store::memory::MemoryStore;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::RwLock;

use crate::activities::Activities;
use crate::clock::VirtualClock;
use crate::env::{TestEnv, tenant_of};
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
    search_attributes: Vec<(String, SearchAttributeType)>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            crates: Vec::new(),
            components: Vec::new(),
            modules: Vec::new(),
            start_time: START,
            activities: ActivityConfig::default(),
            activities_max: ACTIVITIES_MAX,
            limits: Limits::default(),
            keeps_instances: true,
            search_attributes: Vec::new(),
        }
    }

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

    /// Registers a search attribute, as an operator does for a server. What is not registered,
    /// or has another type, is refused in tests, too: so they find the names that are misspelt.
    ///
    /// ```no_run
    /// # use dacapo_testing::{SearchAttributeType, TestEnv, TestError};
    /// # async fn env() -> Result<TestEnv, TestError> {
    /// TestEnv::builder()
    ///     .crate_folder(".")
    ///     .search_attribute("CustomerId", SearchAttributeType::Keyword)
    ///     .start()
    ///     .await
    /// # }
    /// ```
    pub fn search_attribute(
        mut self,
        name: impl Into<String>,
        attribute_type: SearchAttributeType,
    ) -> Self {
        self.search_attributes.push((name.into(), attribute_type));
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
        let tenant = tenant_of(&runtime);
        for (name, attribute_type) in self.search_attributes {
            let name = SearchAttributeName::new(name);
            let name = name.map_err(|error| TestError::Setup(error.to_string()))?;
            tenant.register_search_attribute(name, attribute_type).await?;
        }
        for (number, bytes) in (1..).zip(modules) {
            let name = ModuleName::new(format!("module-{number}")).map_err(ServiceError::from)?;
            tenant.upload_module(&name, bytes.into()).await?;
        }
        Ok(TestEnv {
            runtime: Arc::new(Mutex::new(runtime)),
            in_hand: Mutex::default(),
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
