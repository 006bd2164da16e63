//! The flags of a server, each with its environment variable.

use std::net::SocketAddr;
use std::time::Duration;

use super::{
    Authentication, Database, Endpoint, GuestFlags, OidcFlags, SampleRatio, parse_duration,
};

/// Settings of a server. Each is also an environment variable and a key of the
/// configuration file; a flag wins over the variable, the variable over the file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ServerFlags {
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

    /// Whom to let in: those with an API key or a token, or everybody who reaches the server [default:
    /// required, but for a loopback address].
    #[arg(long, value_name = "WHO", env = "DACAPO_AUTHENTICATION", value_enum)]
    pub authentication: Option<Authentication>,

    /// Whose tokens to take.
    #[command(flatten)]
    pub oidc: OidcFlags,

    /// Name by which clients call the server besides its address, such as that of a
    /// proxy in front of it. Repeat it, or separate several with commas.
    #[arg(long, value_name = "NAME", env = "DACAPO_SERVER_NAME", value_delimiter = ',')]
    pub server_name: Option<Vec<String>>,

    /// Connections at a time [default: as many as there is memory for, at most 8192].
    #[arg(long, value_name = "COUNT", env = "DACAPO_CONNECTIONS_MAX")]
    pub connections_max: Option<usize>,

    /// Connections of one address at a time [default: half of all].
    #[arg(long, value_name = "COUNT", env = "DACAPO_CONNECTIONS_PER_ADDRESS_MAX")]
    pub connections_per_address_max: Option<usize>,

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

    /// How long an idle run keeps its instance in memory [default: 10s].
    #[arg(long, value_name = "DURATION", env = "DACAPO_IDLE_TIMEOUT", value_parser = parse_duration)]
    pub idle_timeout: Option<Duration>,

    /// Collector that takes spans and metrics by OTLP over HTTP, such as
    /// http://localhost:4318 [default: none].
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    pub otlp_endpoint: Option<Endpoint>,

    /// How large a part of the traces that begin here is collected, from 0 to 1; whoever
    /// sends a trace along decides for it [default: 0.01].
    #[arg(long, value_name = "PART", env = "DACAPO_TRACE_SAMPLE_RATIO")]
    pub trace_sample_ratio: Option<SampleRatio>,

    /// What all processes that run guests have in common.
    #[command(flatten)]
    pub guests: GuestFlags,
}
