//! `dacapo worker`

mod convert;
mod link;
mod sandbox;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use dacapo_host::HostConfig;
use dacapo_model::ids::{NamespaceName, QueueName, WorkerIdentity};
use dacapo_worker::{Connection, Worker, WorkerBuilder, WorkerError};

use self::sandbox::Sandbox;
use crate::client::{ApiToken, ClientTlsFlags};
use crate::commands::compile_module;
use crate::commands::module::component;
use crate::config::{GuestFlags, ServerConfig, default_cache_dir, parse_duration};
use crate::exit::{Exit, UsageError};
use crate::{logging, output, signals};

/// What is logged unless it is set.
const DEFAULT_LOG: &str = "info";

/// The sandbox of a server has room for workflows, too, and for so many attempts of
/// activities as a quarter of those.
const WORKFLOWS_PER_ACTIVITY: usize = 4;

/// Attempts at a time for which there is room in the sandbox of one process.
const CONCURRENCY_MAX: usize = 1_000;

/// How long attempts may take to end once they are cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// Runs the activities of a module for a task queue, in the same sandbox as a server,
/// on this machine. Stops in order on SIGINT and SIGTERM, and at once on a second one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo worker --queue exports --module ./exports
  dacapo worker --queue exports --module exports.wasm --server http://dacapo.internal:7233 \\
    --concurrency 20 --allow-host api.example.com --bind-secret API_TOKEN=api.example.com

The workflow names the queue in the options of the activity. Hosts, secrets and
variables of activities are set as for `dacapo serve`, also in its file; secrets as
DACAPO_SECRET_NAME.")]
pub struct WorkerArgs {
    /// Task queue to take tasks from.
    #[arg(long, value_name = "NAME", env = "DACAPO_QUEUE")]
    queue: QueueName,

    /// A component (.wasm), or the folder of a Rust crate to build first.
    #[arg(long, value_name = "FILE|FOLDER", env = "DACAPO_MODULE")]
    module: PathBuf,

    /// Address of the server.
    #[arg(
        long,
        value_name = "URL",
        env = "DACAPO_SERVER",
        default_value = "http://127.0.0.1:7233"
    )]
    server: String,

    /// Key that says who this worker is. Better in the environment: others on this machine
    /// can read command lines.
    #[arg(long, value_name = "KEY", env = "DACAPO_API_KEY", hide_env_values = true)]
    api_key: Option<ApiToken>,

    /// For https.
    #[command(flatten)]
    tls: ClientTlsFlags,

    /// Namespace of the task queue.
    #[arg(long, value_name = "NAME", env = "DACAPO_NAMESPACE", default_value = "default")]
    namespace: NamespaceName,

    /// Attempts at a time, up to 1000 [default: 250, or `activities_max` of the file].
    #[arg(long, value_name = "COUNT", env = "DACAPO_CONCURRENCY",
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: Option<u16>,

    /// Name of this worker in lists [default: process id and host].
    #[arg(long, value_name = "NAME", env = "DACAPO_IDENTITY")]
    identity: Option<WorkerIdentity>,

    /// After how much silence a task goes to another worker: 1s to 1h.
    #[arg(long, value_name = "DURATION", env = "DACAPO_LEASE", default_value = "30s",
        value_parser = parse_duration)]
    lease: Duration,

    #[command(flatten)]
    guests: GuestFlags,
}

pub(super) async fn run(args: WorkerArgs) -> Result<Exit> {
    let environment = crate::config::environment();
    let config = ServerConfig::for_worker(args.guests.clone(), args.concurrency, environment)?;
    if config.service.activities_max > CONCURRENCY_MAX {
        bail!(UsageError(format!(
            "`activities_max` is more than a worker has room for: set --concurrency to at most \
             {CONCURRENCY_MAX}, and start more workers"
        )));
    }
    logging::start(config.log.as_deref().unwrap_or(DEFAULT_LOG), config.log_format)?;
    // Before anything is built: a wrong address is known at once.
    let mut connection =
        Connection::new(&args.server).map_err(told)?.namespace(args.namespace.as_str());
    let tls = args.tls.read()?;
    if let Some(pem) = tls.authorities {
        connection = connection.ca_certificates(&pem).map_err(told)?;
    }
    if let Some(pem) = tls.identity {
        connection = connection.client_certificate(&pem).map_err(told)?;
    }
    if let Some(key) = &args.api_key {
        connection = connection.bearer_token(key.expose()).map_err(told)?;
    }
    let stop = signals::stop_requested()?;
    let path = component(args.module.clone()).await?;
    let bytes =
        tokio::fs::read(&path).await.map_err(|error| UsageError(unreadable(&path, &error)))?;
    let sandbox = Sandbox::new(host(&config)?, bytes).await;
    let sandbox = Arc::new(sandbox.with_context(|| format!("{}", path.display()))?);
    if sandbox.activities().is_empty() {
        bail!(UsageError(format!("{} defines no activity", path.display())));
    }
    let worker = worker(&args, &config, connection, &sandbox).build().map_err(told)?;
    output::line(&format!(
        "dacapo worker asks {} for tasks of {}: {}",
        output::printable(&args.server),
        output::printable(args.queue.as_str()),
        in_words(&sandbox)
    ))?;
    worker.run_until(stop).await.map_err(told)?;
    Ok(Exit::Success)
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    let mut text = format!("can't read {}: {error}", path.display());
    if error.kind() == io::ErrorKind::NotFound {
        text.push_str(
            ". --module takes a component or the folder of a crate on this machine, not the name \
             of a module on the server",
        );
    }
    text
}

fn host(config: &ServerConfig) -> Result<HostConfig> {
    let cache_dir = match &config.cache_dir {
        Some(folder) => folder.clone(),
        None => default_cache_dir()?,
    };
    Ok(HostConfig {
        compiler: compile_module::compiler()?,
        instances_max: config.service.activities_max.saturating_mul(WORKFLOWS_PER_ACTIVITY),
        ..config.host(cache_dir)
    })
}

fn worker(
    args: &WorkerArgs,
    config: &ServerConfig,
    connection: Connection,
    sandbox: &Arc<Sandbox>,
) -> WorkerBuilder {
    let mut worker = Worker::builder(connection, args.queue.as_str())
        .build_id(sandbox.module().to_string())
        .concurrency(config.service.activities_max)
        .lease(args.lease)
        .shutdown_grace(config.service.shutdown_grace)
        .cancel_grace(CANCEL_GRACE);
    if let Some(identity) = &args.identity {
        worker = worker.identity(identity.as_str());
    }
    for activity_type in sandbox.activities() {
        let sandbox = Arc::clone(sandbox);
        worker = worker.raw_activity(activity_type.as_str(), move |context, input| {
            let sandbox = Arc::clone(&sandbox);
            async move { sandbox.run(context, input).await }
        });
    }
    worker
}

/// The activities, for a line of output.
fn in_words(sandbox: &Sandbox) -> String {
    let types = sandbox.activities().iter().map(|name| output::printable(name.as_str()));
    types.collect::<Vec<_>>().join(", ")
}

/// What the user wrote is told from what the server says.
fn told(error: WorkerError) -> anyhow::Error {
    match error {
        WorkerError::Address(_) | WorkerError::Options(_) => UsageError(error.to_string()).into(),
        _ => error.into(),
    }
}
