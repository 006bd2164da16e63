//! The configuration file. `examples/dacapo.toml` shows every key.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use dacapo_model::ids::NamespaceName;
use dacapo_model::limits::Limits;
use serde::{Deserialize, Deserializer};

use super::access::FileAccess;
use super::database::Database;
use super::encryption::FileEncryption;
use super::secrets::Secrets;
use super::tls::FileTls;
use super::{
    Authentication, ByteSize, Endpoint, LogFormat, SampleRatio, parse_duration, read_text,
};
use crate::exit::UsageError;

/// What a file may say. A key that is not here is an error, so that a typing
/// mistake does not silently leave a default in place.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileConfig {
    pub(super) database: Option<Database>,
    pub(super) migrate: Option<bool>,
    pub(super) listen: Option<SocketAddr>,
    pub(super) authentication: Option<Authentication>,
    pub(super) tls: FileTls,
    pub(super) access: FileAccess,
    pub(super) log: Option<String>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) server_names: Option<Vec<String>>,
    pub(super) memory_limit: Option<ByteSize>,
    pub(super) connections_max: Option<usize>,
    pub(super) connections_per_address_max: Option<usize>,
    pub(super) cache_dir: Option<PathBuf>,
    pub(super) instances_max: Option<usize>,
    pub(super) instances_bytes_max: Option<usize>,
    pub(super) open_runs_max: Option<usize>,
    pub(super) activities_max: Option<usize>,
    pub(super) activities_bytes_max: Option<usize>,
    #[serde(deserialize_with = "duration")]
    pub(super) idle_timeout: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    pub(super) shutdown_grace: Option<Duration>,
    pub(super) otlp_endpoint: Option<Endpoint>,
    pub(super) trace_sample_ratio: Option<SampleRatio>,
    pub(super) activities: FileActivities,
    pub(super) encryption: FileEncryption,
    pub(super) limits: Limits,
    pub(super) namespaces: BTreeMap<NamespaceName, FileNamespace>,
}

/// `[activities]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileActivities {
    pub(super) allow_hosts: Option<Vec<String>>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) secrets: Secrets,
}

/// `[namespaces.NAME]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileNamespace {
    pub(super) secrets: Secrets,
}

impl FileConfig {
    /// Reads the file, if there is one to read.
    pub(super) fn read_if_any(path: Option<&Path>) -> Result<Self> {
        path.map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// Reads a file. An error names the key and the line.
    fn read(path: &Path) -> Result<Self> {
        let config = Self::parse(&read_text(path)?)
            .with_context(|| format!("{} is not a valid configuration", path.display()))?;
        if config.has_secrets() && others_may_read(path) {
            crate::output::note(&format!(
                "warning: {} holds secrets, but other users may read it; `chmod 600` it",
                path.display()
            ));
        }
        Ok(config)
    }

    fn has_secrets(&self) -> bool {
        self.activities.secrets.has_values()
            || self.encryption.has_values()
            || self.namespaces.values().any(|namespace| namespace.secrets.has_values())
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        // The line of a wrong secret would show its value.
        toml::from_str(text).map_err(|error| UsageError(without_values(&error, text)).into())
    }
}

/// The error with its position, but without the text around it, which may be a
/// secret.
fn without_values(error: &toml::de::Error, text: &str) -> String {
    let line = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map(|before| before.matches('\n').count() + 1);
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

pub(super) fn duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
}

fn others_may_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}
