//! The flags of every process that runs guests, each with its environment variable.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{ByteSize, LogFormat, parse_duration};

/// Settings of a process that runs guests, whether it is a server or a worker.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GuestFlags {
    /// Configuration file (TOML); see docs/configuration.md.
    #[arg(long, value_name = "FILE", env = "DACAPO_CONFIG")]
    pub config: Option<PathBuf>,

    /// Memory the process may take, such as 4GiB; its parts follow from it
    /// [default: three quarters of what there is, at most 4GiB].
    #[arg(long, value_name = "SIZE", env = "DACAPO_MEMORY_LIMIT")]
    pub memory_limit: Option<ByteSize>,

    /// Folder for compiled modules; nobody else may write to it
    /// [default: ~/.cache/dacapo].
    #[arg(long, value_name = "FOLDER", env = "DACAPO_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,

    /// Bytes that the attempts of activities may hold together [default: an eighth of
    /// the memory limit, and room for one].
    #[arg(long, value_name = "BYTES", env = "DACAPO_ACTIVITIES_BYTES_MAX")]
    pub activities_bytes_max: Option<usize>,

    /// How long a process that stops waits for requests and attempts under way
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
