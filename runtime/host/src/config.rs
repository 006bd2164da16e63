//! What an operator sets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use dacapo_model::ids::NamespaceName;
use dacapo_model::limits::Limits;

/// Bytes of a Wasm page. A memory limit below it allows no guest at all.
const WASM_PAGE_BYTES: usize = 64 * 1024;

/// Largest memory of a 32-bit guest.
const MEMORY_BYTES_MAX: usize = 1 << 32;

/// What a process that compiles needs before it has begun: the program itself, and a
/// stack for each processor.
const COMPILE_MEMORY_BYTES_MIN: u64 = 256 * 1024 * 1024;

/// What the code of modules that are kept ready may take, unless an operator says
/// otherwise.
pub const MODULES_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What the attempts of activities may hold in linear memory together, unless an
/// operator says otherwise.
pub const ACTIVITIES_BYTES_MAX: usize = 512 * 1024 * 1024;

/// The settings that say what one instance may be made of.
pub(crate) const MEMORIES_MAX: &str = "limits.instance_memories_max";
pub(crate) const TABLES_MAX: &str = "limits.instance_tables_max";
pub(crate) const MODULES_MAX: &str = "limits.instance_modules_max";

/// The most that each of them may be: what the address space is divided by.
const PARTS_MAX: usize = 1_000;

/// Configures a [`crate::Host`].
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Where compiled modules are kept. Code in it is executed: nobody else may
    /// be able to write there. Created if it is missing.
    pub cache_dir: PathBuf,
    /// What guests may use.
    pub limits: Limits,
    /// Workflow instances that may live at a time.
    pub instances_max: usize,
    /// Bytes of compiled code that are kept in memory. Beyond it the modules go that were
    /// used longest ago, unless a guest is in them, and are loaded from the cache when
    /// they are needed.
    pub modules_bytes_max: usize,
    /// Bytes of linear memory of all attempts of activities together. Beyond it they
    /// wait before they begin, and fail if they ask for more.
    pub activities_bytes_max: usize,
    /// What activities may do.
    pub activities: ActivityConfig,
    /// Where modules are compiled.
    pub compiler: Compiler,
}

/// Where modules are compiled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Compiler {
    /// In this process: for tests, and for hosts whose modules are their own. What
    /// compiling takes has no bound then, and it can't be stopped.
    #[default]
    Here,
    /// In a process for each module, with limits of time and memory. The program
    /// must call [`crate::compile_module`] when it is started with these arguments.
    Process {
        /// Which program.
        program: PathBuf,
        /// How it is told to compile. The limits follow.
        arguments: Vec<OsString>,
    },
}

/// What activities may reach of the real world.
#[derive(Clone, Default)]
pub struct ActivityConfig {
    /// Hosts that activities may send HTTP requests to: `example.com` (any
    /// port), `example.com:8080`, `*.example.com` (any subdomain) or `*` (any).
    pub allowed_hosts: Vec<String>,
    /// Environment variables of activities.
    pub environment: BTreeMap<String, String>,
    /// Secrets by name. An activity finds the text `dacapo-secret:NAME` in its
    /// environment variable NAME; in the headers of requests that it sends the
    /// host puts the secret in its place, where it is bound to.
    pub secrets: BTreeMap<String, Secret>,
    /// Secrets of one namespace only; in it they take the place of others of the same names.
    pub namespace_secrets: BTreeMap<NamespaceName, BTreeMap<String, Secret>>,
}

/// A secret, and where it may go.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// What it is.
    pub value: String,
    /// To which hosts, written like [`ActivityConfig::allowed_hosts`]; at least one.
    pub hosts: Vec<String>,
    /// In which headers.
    pub headers: Vec<String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("hosts", &self.hosts)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ActivityConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityConfig")
            .field("allowed_hosts", &self.allowed_hosts)
            .field("environment", &self.environment)
            .field("secrets", &self.secrets.keys())
            .field("namespace_secrets", &self.namespace_secrets.keys())
            .finish()
    }
}

/// Why there can be no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A setting is wrong.
    #[error("`{setting}`: {problem}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// The directory for compiled modules can't be used.
    #[error("the cache directory {path}: {source}", path = path.display())]
    CacheDirectory {
        /// Which directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Wasmtime can't run here.
    #[error("can't set up the WebAssembly engine: {0}")]
    Engine(String),
}

impl HostError {
    pub(crate) fn setting(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { setting, problem: problem.into() }
    }

    pub(crate) fn engine(error: wasmtime::Error) -> Self {
        Self::Engine(format!("{error:#}"))
    }
}

impl HostConfig {
    /// Checks what does not depend on the machine.
    pub(crate) fn check(&self) -> Result<(), HostError> {
        let memory = self.limits.instance_memory_bytes_max;
        if !(WASM_PAGE_BYTES..=MEMORY_BYTES_MAX).contains(&memory) {
            return Err(HostError::setting(
                "limits.instance_memory_bytes_max",
                format!("{memory} is not between {WASM_PAGE_BYTES} and {MEMORY_BYTES_MAX}"),
            ));
        }
        for (setting, fuel) in [
            ("limits.activation_fuel", self.limits.activation_fuel),
            ("limits.activity_fuel", self.limits.activity_fuel),
            ("limits.query_fuel", self.limits.query_fuel),
            ("limits.large_module_fuel_factor", self.limits.large_module_fuel_factor),
        ] {
            if fuel == 0 {
                return Err(HostError::setting(setting, "no guest can run without fuel"));
            }
        }
        for (setting, parts) in [
            (MEMORIES_MAX, self.limits.instance_memories_max),
            (TABLES_MAX, self.limits.instance_tables_max),
            (MODULES_MAX, self.limits.instance_modules_max),
        ] {
            if !(1..=PARTS_MAX).contains(&parts) {
                let problem = format!("{parts} is not between 1 and {PARTS_MAX}");
                return Err(HostError::setting(setting, problem));
            }
        }
        if self.limits.compile_memory_bytes_max < COMPILE_MEMORY_BYTES_MIN {
            return Err(HostError::setting(
                "limits.compile_memory_bytes_max",
                format!("no module can be compiled in less than {COMPILE_MEMORY_BYTES_MIN} bytes"),
            ));
        }
        Ok(())
    }
}
