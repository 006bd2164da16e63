//! The settings of a server, from its command line, its environment and its
//! configuration file. Each layer only fills in what those before it left out:
//! flag, environment variable, file, default.

mod access;
mod database;
mod encryption;
mod file;
mod flags;
mod guests;
mod memory;
mod oidc;
mod otlp;
mod secrets;
mod tls;
mod worker;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use dacapo_api::{Access, OidcConfig};
use dacapo_host::{ActivityConfig, Compiler, HostConfig, Secret};
use dacapo_model::ids::NamespaceName;
use dacapo_model::limits::Limits;
use dacapo_service::config::ServiceConfig;
use dacapo_store_encrypted::KeyRing;
use serde::Deserialize;

pub use self::database::{Database, DatabaseUrl, InvalidDatabase};
use self::file::FileConfig;
pub use self::flags::ServerFlags;
pub use self::guests::{GuestFlags, NameValue};
pub use self::memory::{ByteSize, MemoryPlan, available as available_memory};
pub use self::oidc::OidcFlags;
pub(crate) use self::otlp::signal_url;
pub use self::otlp::{Endpoint, Otlp, SampleRatio};
use self::tls::FileTls;
pub use self::tls::{ClientAuth, TlsFlags};
use crate::exit::UsageError;
use crate::http_server::{CertificateRule, ConnectionLimits, TlsFiles};
use crate::server::Edge;

/// Where a server listens unless it is told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7233";

/// Workflow instances in memory, unless it is set.
const DEFAULT_INSTANCES_MAX: usize = 1000;

/// Environment variables that begin so define a secret for activities.
const SECRET_PREFIX: &str = "DACAPO_SECRET_";

/// Environment variables that begin so define a variable for activities.
const ACTIVITY_ENV_PREFIX: &str = "DACAPO_ACTIVITY_ENV_";

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Whom a server lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Authentication {
    /// Who brings a key or a token.
    Required,
    /// Everybody who reaches it.
    None,
}

/// Every setting of a server, decided.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where histories are kept; none if no layer says so.
    pub database: Option<Database>,
    /// Whether to bring the tables up to date at start.
    pub migrate: bool,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whom to let in.
    pub authentication: Authentication,
    /// Whose tokens to take beside API keys, if anybody's.
    pub oidc: Option<OidcConfig>,
    /// What to encrypt connections with, if they are to be.
    pub tls: Option<TlsFiles>,
    /// What certificates of clients are good for.
    pub certificates: Vec<CertificateRule>,
    /// Names by which clients call the server besides its address.
    pub server_names: Vec<String>,
    /// What of the memory is for what.
    pub memory: MemoryPlan,
    /// How many connections there may be.
    pub connections: ConnectionLimits,
    /// Which logs to write.
    pub log: Option<String>,
    /// How to write them.
    pub log_format: LogFormat,
    /// Where compiled modules are kept; none if no layer says so.
    pub cache_dir: Option<PathBuf>,
    /// Workflow instances that may live at a time.
    pub instances_max: usize,
    /// Bytes that the attempts of activities may hold together.
    pub activities_bytes_max: usize,
    /// Hosts that activities may send requests to.
    pub allowed_hosts: Vec<String>,
    /// Environment variables of activities.
    pub activity_environment: BTreeMap<String, String>,
    /// Secrets of activities.
    secrets: BTreeMap<String, Secret>,
    /// Those of namespaces.
    namespace_secrets: BTreeMap<NamespaceName, BTreeMap<String, Secret>>,
    /// What data are encrypted with.
    pub encryption: KeyRing,
    /// Where spans and metrics are sent.
    pub otlp: Otlp,
    /// Settings of the runtime itself.
    pub service: ServiceConfig,
}

impl ServerConfig {
    /// Puts the layers together, for a server of this machine only: it speaks plain HTTP.
    /// `environment` is this process's; the flags have taken what they know from it already.
    pub fn resolve(
        flags: ServerFlags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let mut file = FileConfig::read_if_any(flags.guests.config.as_deref())?;
        file.tls = FileTls::none();
        Self::merge(flags, environment, file)
    }

    /// The same for a server that others reach.
    pub fn resolve_with_tls(
        flags: ServerFlags,
        tls: TlsFlags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let mut file = FileConfig::read_if_any(flags.guests.config.as_deref())?;
        file.tls = tls.over(file.tls);
        Self::merge(flags, environment, file)
    }

    fn merge(
        flags: ServerFlags,
        environment: impl IntoIterator<Item = (String, String)>,
        file: FileConfig,
    ) -> Result<Self> {
        let environment: BTreeMap<_, _> = environment.into_iter().collect();
        let encryption = file.encryption.keys(&environment)?;
        let mut activity_environment = file.activities.environment;
        let mut secrets = file.activities.secrets;
        for (name, value) in environment {
            if let Some(name) = name.strip_prefix(SECRET_PREFIX) {
                secrets.set(name, value);
            } else if let Some(name) = name.strip_prefix(ACTIVITY_ENV_PREFIX) {
                activity_environment.insert(name.to_owned(), value);
            }
        }
        for pair in flags.guests.activity_env {
            activity_environment.insert(pair.name, pair.value);
        }
        flags.guests.bind_secret.into_iter().for_each(|binding| secrets.bind(binding));
        let secrets = secrets.complete()?;
        let mut namespace_secrets = BTreeMap::new();
        for (name, namespace) in file.namespaces {
            namespace_secrets.insert(name.clone(), namespace.secrets.complete_of(&name)?);
        }

        let memory_limit = flags.guests.memory_limit.or(file.memory_limit);
        let memory = MemoryPlan::of(memory_limit.unwrap_or_else(memory::default_limit));
        let memory = memory.map_err(|error| UsageError(format!("`memory_limit`: {error}")))?;
        let listen = match flags.listen.or(file.listen) {
            Some(listen) => listen,
            None => DEFAULT_LISTEN.parse()?,
        };
        let tls = file.tls.resolve(listen)?;
        let memory = if tls.is_some() { memory.with_tls() } else { memory };
        let connections_max =
            flags.connections_max.or(file.connections_max).unwrap_or(memory.connections_max);
        let per_address_max = flags
            .connections_per_address_max
            .or(file.connections_per_address_max)
            .unwrap_or(connections_max.div_ceil(2));

        let defaults = ServiceConfig::default();
        let oidc = oidc::resolve(flags.oidc, file.access.oidc)?;
        // Only this machine reaches a loopback address.
        let usual = match oidc {
            None if listen.ip().is_loopback() => Authentication::None,
            _ => Authentication::Required,
        };
        let migrate = if flags.no_migrate { Some(false) } else { flags.migrate };
        let config = Self {
            database: flags.database.or(file.database),
            migrate: migrate.or(file.migrate).unwrap_or(true),
            listen,
            authentication: flags.authentication.or(file.authentication).unwrap_or(usual),
            oidc,
            tls,
            certificates: access::rules(file.access.certificates)?,
            server_names: flags.server_name.or(file.server_names).unwrap_or_default(),
            memory,
            connections: ConnectionLimits { connections_max, per_address_max },
            log: flags.guests.log.or(file.log),
            log_format: flags.guests.log_format.or(file.log_format).unwrap_or_default(),
            cache_dir: flags.guests.cache_dir.or(file.cache_dir),
            instances_max: flags
                .instances_max
                .or(file.instances_max)
                .unwrap_or(DEFAULT_INSTANCES_MAX),
            activities_bytes_max: flags
                .guests
                .activities_bytes_max
                .or(file.activities_bytes_max)
                // One attempt has room in any case.
                .unwrap_or(memory.activity_bytes.max(file.limits.instance_memory_bytes_max)),
            allowed_hosts: flags
                .guests
                .allow_host
                .or(file.activities.allow_hosts)
                .unwrap_or_default(),
            activity_environment,
            secrets,
            namespace_secrets,
            encryption,
            otlp: Otlp {
                endpoint: flags.otlp_endpoint.or(file.otlp_endpoint).unwrap_or_default().0,
                trace_sample_ratio: flags
                    .trace_sample_ratio
                    .or(file.trace_sample_ratio)
                    .unwrap_or_default(),
            },
            service: ServiceConfig {
                limits: file.limits,
                tenure: defaults.tenure,
                activities_max: flags
                    .activities_max
                    .or(file.activities_max)
                    .unwrap_or(defaults.activities_max),
                instances_bytes_max: flags
                    .instances_bytes_max
                    .or(file.instances_bytes_max)
                    .unwrap_or(memory.instance_bytes),
                open_runs_max: flags
                    .open_runs_max
                    .or(file.open_runs_max)
                    .unwrap_or(memory.open_runs_max),
                idle_timeout: flags
                    .idle_timeout
                    .or(file.idle_timeout)
                    .unwrap_or(defaults.idle_timeout),
                shutdown_grace: flags
                    .guests
                    .shutdown_grace
                    .or(file.shutdown_grace)
                    .unwrap_or(defaults.shutdown_grace),
                traces: defaults.traces,
            },
        };
        config.check()?;
        Ok(config)
    }

    /// What the host needs, with compiled modules kept in `cache_dir`. Modules are
    /// compiled in this process; `dacapo serve` does better.
    pub fn host(&self, cache_dir: PathBuf) -> HostConfig {
        HostConfig {
            cache_dir,
            limits: self.service.limits.clone(),
            instances_max: self.instances_max,
            modules_bytes_max: self.memory.module_bytes,
            activities_bytes_max: self.activities_bytes_max,
            activities: ActivityConfig {
                allowed_hosts: self.allowed_hosts.clone(),
                environment: self.activity_environment.clone(),
                secrets: self.secrets.clone(),
                namespace_secrets: self.namespace_secrets.clone(),
            },
            compiler: Compiler::Here,
        }
    }

    /// What the HTTP server needs, if the system has room for so many connections.
    pub fn edge(&self, room: usize) -> Edge {
        let ConnectionLimits { connections_max, per_address_max } = self.connections;
        if connections_max > room {
            tracing::warn!(
                wanted = connections_max,
                connections_max = room,
                "the system lets this process have few files open, and so few connections; raise \
                 the limit (`ulimit -Hn`, LimitNOFILE)"
            );
        }
        Edge {
            access: match self.authentication {
                Authentication::Required => Access::Keys,
                Authentication::None => Access::Open,
            },
            oidc: self.oidc.clone(),
            names: self.server_names.clone(),
            request_bytes: self.memory.request_bytes,
            connections: ConnectionLimits {
                connections_max: connections_max.min(room),
                per_address_max: per_address_max.min(room),
            },
            ..Edge::default()
        }
    }

    /// Limits that would let nothing through are mistakes.
    fn check(&self) -> Result<()> {
        let Limits {
            payload_bytes_max,
            module_bytes_max,
            pending_operations_max,
            history_events_max,
            transition_bytes_max,
            ..
        } = self.service.limits;
        let counts = [
            ("instances_max", self.instances_max),
            ("instances_bytes_max", self.service.instances_bytes_max),
            ("open_runs_max", self.service.open_runs_max),
            ("activities_max", self.service.activities_max),
            ("activities_bytes_max", self.activities_bytes_max),
            ("connections_max", self.connections.connections_max),
            ("connections_per_address_max", self.connections.per_address_max),
            ("limits.payload_bytes_max", payload_bytes_max),
            ("limits.module_bytes_max", module_bytes_max),
            ("limits.pending_operations_max", pending_operations_max),
            (
                "limits.history_events_max",
                usize::try_from(history_events_max).unwrap_or(usize::MAX),
            ),
            ("limits.transition_bytes_max", transition_bytes_max),
        ];
        if self.oidc.is_some() && self.authentication == Authentication::None {
            bail!(UsageError(
                "`authentication` is none, so nobody would be asked for the tokens of \
                 `access.oidc`; take one of the two away"
                    .to_owned()
            ));
        }
        let asks_for_certificates = self.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
        if asks_for_certificates
            && !self.certificates.is_empty()
            && self.authentication == Authentication::None
        {
            bail!(UsageError(
                "certificates are given roles (`[[access.certificates]]`), but everybody may do \
                 everything: set --authentication required"
                    .to_owned()
            ));
        }
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            bail!(UsageError(format!("`{name}` is 0, but nothing works without any")));
        }
        for name in self.secrets.keys().chain(self.activity_environment.keys()) {
            if name.is_empty() || name.contains(['=', '\0']) {
                bail!(UsageError(format!("{name:?} is not the name of an environment variable")));
            }
        }
        if let Some(name) =
            self.secrets.keys().find(|name| self.activity_environment.contains_key(*name))
        {
            bail!(UsageError(format!(
                "{name} is defined as a secret and as an environment variable of activities; \
                 keep one of them"
            )));
        }
        Ok(())
    }
}

/// The environment of this process. A variable that is not text is none of ours.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Where compiled modules are kept if nothing says otherwise: in the user's
/// cache, since they can always be compiled again.
pub fn default_cache_dir() -> Result<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| named("HOME").map(|home| home.join(".cache")));
    match cache {
        Some(cache) => Ok(cache.join("dacapo")),
        None => bail!(UsageError(
            "there is no HOME to keep compiled modules in: set --cache-dir".to_owned()
        )),
    }
}

/// Reads a duration such as `90s`, `1m 30s` or `250ms`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 10s or 1m 30s"))
}

/// Reads a file with a message that names it.
fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| UsageError(format!("can't read {}: {error}", path.display())).into())
}

#[cfg(test)]
mod tests;
