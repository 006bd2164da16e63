//! The flags of a server, each with its environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{ByteSize, Database, LogFormat, parse_duration};

/// Settings of a server. Each is also an environment variable and a key of the
/// configuration file; a flag wins over the variable, the variable over the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServerFlags {
    /// Configuration file (TOML); see docs/configuration.md.
    #[arg(long, value_name = "FILE", env = "DACAPO_CONFIG")]
    pub config: Option<PathBuf>,

    /// Where histories are kept: postgres://USER@HOST/NAME or sqlite://PATH.
    #[arg(long, value_name = "URL", env = "DACAPO_DATABASE", hide_env_values = true)]
    pub database: Option<Database>,

    /// Bring the tables of the database up to date first [default: true].
    #[arg(
        long,
        value_name = "BOOL",
        env = "DACAPO_MIGRATE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        overrides_with = "no_migrate"
    )]
    pub migrate: Option<bool>,

    /// Don't. For deployments that run `dacapo migrate` themselves.
    #[arg(long, overrides_with = "migrate")]
    pub no_migrate: bool,

    /// Address and port of the HTTP API [default: 127.0.0.1:7233].
    #[arg(long, value_name = "ADDRESS", env = "DACAPO_LISTEN")]
    pub listen: Option<SocketAddr>,

    /// Name by which clients call the server besides its address, such as that of a
    /// proxy in front of it. Repeat it, or separate several with commas.
    #[arg(long, value_name = "NAME", env = "DACAPO_SERVER_NAME", value_delimiter = ',')]
    pub server_name: Option<Vec<String>>,

    /// Memory the server may take, such as 4GiB; its parts follow from it
    /// [default: three quarters of what there is, at most 4GiB].
    #[arg(long, value_name = "SIZE", env = "DACAPO_MEMORY_LIMIT")]
    pub memory_limit: Option<ByteSize>,

    /// Connections at a time [default: as many as there is memory for, at most 8192].
    #[arg(long, value_name = "COUNT", env = "DACAPO_CONNECTIONS_MAX")]
    pub connections_max: Option<usize>,

    /// Connections of one address at a time [default: half of all].
    #[arg(long, value_name = "COUNT", env = "DACAPO_CONNECTIONS_PER_ADDRESS_MAX")]
    pub connections_per_address_max: Option<usize>,

    /// Folder for compiled modules; nobody else may write to it
    /// [default: ~/.cache/dacapo].
    #[arg(long, value_name = "FOLDER", env = "DACAPO_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,

    /// Workflow instances in memory at a time [default: 1000].
    #[arg(long, value_name = "COUNT", env = "DACAPO_INSTANCES_MAX")]
    pub instances_max: Option<usize>,

    /// Bytes that workflow instances may hold together; one at a time may hold more
    /// [default: half of the memory limit].
    #[arg(long, value_name = "BYTES", env = "DACAPO_INSTANCES_BYTES_MAX")]
    pub instances_bytes_max: Option<usize>,

    /// Open runs for which there is room; others don't start [default: one for each
    /// 16 KiB of the memory limit].
    #[arg(long, value_name = "COUNT", env = "DACAPO_OPEN_RUNS_MAX")]
    pub open_runs_max: Option<usize>,

    /// Activity attempts running at a time [default: 250].
    #[arg(long, value_name = "COUNT", env = "DACAPO_ACTIVITIES_MAX")]
    pub activities_max: Option<usize>,

    /// Bytes that the attempts of activities may hold together [default: an eighth of
    /// the memory limit, and room for one].
    #[arg(long, value_name = "BYTES", env = "DACAPO_ACTIVITIES_BYTES_MAX")]
    pub activities_bytes_max: Option<usize>,

    /// How long an idle run keeps its instance in memory [default: 10s].
    #[arg(long, value_name = "DURATION", env = "DACAPO_IDLE_TIMEOUT", value_parser = parse_duration)]
    pub idle_timeout: Option<Duration>,

    /// How long a stopping server waits for requests and attempts under way
    /// [default: 10s].
    #[arg(long, value_name = "DURATION", env = "DACAPO_SHUTDOWN_GRACE", value_parser = parse_duration)]
    pub shutdown_grace: Option<Duration>,

    /// Host that activities may send HTTP requests to: HOST, HOST:PORT,
    /// *.DOMAIN or *. Repeat it, or separate several with commas.
    #[arg(long, value_name = "HOST", env = "DACAPO_ALLOW_HOST", value_delimiter = ',')]
    pub allow_host: Option<Vec<String>>,

    /// Environment variable that activities see. Repeat it for several, or set
    /// DACAPO_ACTIVITY_ENV_NAME=VALUE.
    #[arg(long, value_name = "NAME=VALUE")]
    pub activity_env: Vec<NameValue>,

    /// Host that activities may send a secret to, in the header `authorization`.
    /// Repeat it for several; `hosts` and `headers` in the file say more.
    #[arg(long, value_name = "NAME=HOST", env = "DACAPO_BIND_SECRET", value_delimiter = ',')]
    pub bind_secret: Vec<NameValue>,

    /// Which logs to write, such as `info` or `info,dacapo_service=debug`.
    #[arg(long, value_name = "FILTER", env = "DACAPO_LOG")]
    pub log: Option<String>,

    /// How to write them [default: text].
    #[arg(long, value_name = "FORMAT", env = "DACAPO_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
}

/// `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameValue {
    /// Before the first `=`.
    pub name: String,
    /// After it.
    pub value: String,
}

impl FromStr for NameValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err("write it as NAME=VALUE".to_owned()),
        }
    }
}
