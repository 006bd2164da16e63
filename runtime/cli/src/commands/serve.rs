//! `dacapo serve`

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use dacapo_host::HostConfig;
use dacapo_service::config::{ServiceConfig, Tenure};
use dacapo_store_encrypted::EncryptedStore;

use crate::commands::compile_module;
use crate::config::{
    Authentication, Database, ServerConfig, ServerFlags, TlsFlags, default_cache_dir,
};
use crate::exit::{Exit, UsageError};
use crate::http_server::Tls;
use crate::server::{Edge, Server};
use crate::signals::{self, StopRequested};
use crate::store::{self, OpenFile};
use crate::telemetry::Telemetry;
use crate::{http_server, logging, open_files, output};

/// What is logged unless it is set. The driver repeats what the database notices
/// about migrations that are there already, and has a line for each request that waits
/// for a connection and for each slow statement, with all its text. Attempts of
/// activities are thousands a second on a busy node. What the code of runs says of its
/// failures is for whoever writes it.
const DEFAULT_LOG: &str =
    "info,opentelemetry=warn,sqlx=error,dacapo::attempt=warn,dacapo::failure=warn";

/// Serves workflows from a database. Stops in order on SIGINT and SIGTERM, and
/// at once on a second one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo serve --database sqlite://./dacapo.db
  dacapo serve --database postgres://dacapo@db.internal/dacapo --listen 0.0.0.0:7233 \
    --tls-cert server.pem --tls-key server.key
  DACAPO_SECRET_PAYMENTS_TOKEN=... dacapo serve --config dacapo.toml \
    --allow-host api.example.com --bind-secret PAYMENTS_TOKEN=api.example.com

Every setting is also a key of the configuration file; docs/configuration.md lists
them. Secrets for activities are set there or as DACAPO_SECRET_NAME, never by a
flag, since every user of the machine can read those.")]
pub struct ServeArgs {
    #[command(flatten)]
    flags: ServerFlags,

    #[command(flatten)]
    tls: TlsFlags,

    /// Take the runs of the database at once, also from a server that has them and
    /// is alive, which then ends. Without it, this one stands by until that one is
    /// gone. Not for a supervisor: two servers that it restarts would take the runs
    /// from each other without end.
    #[arg(long)]
    take_over: bool,
}

pub(super) async fn run(args: ServeArgs) -> Result<Exit> {
    let environment = crate::config::environment();
    let config = ServerConfig::resolve_with_tls(args.flags, args.tls, environment)?;
    logging::start(config.log.as_deref().unwrap_or(DEFAULT_LOG), config.log_format)?;
    let Some(database) = &config.database else {
        bail!(UsageError(
            "where are histories kept? Set --database postgres://USER@HOST/NAME or \
             --database sqlite://PATH (DACAPO_DATABASE, or `database` in the file)"
                .to_owned()
        ));
    };
    let mut stop = signals::stop_requested()?;
    let telemetry = Telemetry::start(&config.otlp)?;
    let starts = start(&config, &telemetry, database, args.take_over, default_cache_dir);
    let (server, file) = tokio::select! {
        started = starts => started?,
        // Nothing was promised to anybody yet.
        () = &mut stop => return Ok(Exit::Success),
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    output::line(&format!("dacapo is ready at {scheme}://{}", server.address()))?;
    let exit = until_stopped(server, stop).await;
    telemetry.stop().await;
    if let Some(file) = file {
        file.close().await;
    }
    Ok(exit)
}

/// Starts a server as the configuration says, once no other has the runs of the
/// database, or at once if it is to `take_over`. A file is to be closed after it.
pub(super) async fn start(
    config: &ServerConfig,
    telemetry: &Telemetry,
    database: &Database,
    take_over: bool,
    cache_dir: impl FnOnce() -> Result<PathBuf>,
) -> Result<(Server, Option<OpenFile>)> {
    let metrics = telemetry.metrics.clone();
    let load = |files| Tls::load(files, config.certificates.clone());
    let tls = config.tls.clone().map(load).transpose()?.map(Arc::new);
    let edge = Edge { metrics, tls, ..config.edge(open_files::raise_limit()) };
    let listener = http_server::listen(config.listen)?;
    if !config.listen.ip().is_loopback() && config.authentication == Authentication::None {
        tracing::warn!(
            address = %config.listen,
            "the server asks nobody who they are: let only your own services reach it"
        );
    }
    let cache_dir = match &config.cache_dir {
        Some(folder) => folder.clone(),
        None => cache_dir()?,
    };
    let (store, file) = store::open(database, config.migrate).await?;
    let store = EncryptedStore::wrap(store, config.encryption.clone()).await;
    let store = store.with_context(|| format!("can't use {database}"))?;
    let only_keys = config.authentication == Authentication::Required
        && config.oidc.is_none()
        && config.certificates.is_empty();
    if only_keys && store.api_keys().await?.is_empty() {
        tracing::warn!(
            "there are no API keys, so nobody may do anything: `dacapo key create NAME --role admin \
             --offline` makes the first one (of a SQLite file while no server has it)"
        );
    }
    let tenure = match &file {
        Some(_) => Tenure::Alone,
        None => Tenure::Leased { take_over },
    };
    let service = ServiceConfig { tenure, traces: telemetry.traces(), ..config.service.clone() };
    let host = HostConfig { compiler: compile_module::compiler()?, ..config.host(cache_dir) };
    let server = Server::start(store, host, service, edge, listener).await?;
    Ok((server, file))
}

/// Serves until somebody asks to stop, or another server has taken over.
pub(super) async fn until_stopped(server: Server, stop: StopRequested) -> Exit {
    tokio::select! {
        () = stop => {
            tracing::info!("stopping; a second signal ends the process at once");
            server.stop().await;
            Exit::Success
        }
        () = server.ownership_lost() => {
            output::note(
                "error: another dacapo server has taken over the runs of this database, so this \
                 one ends. One server at a time works on a database; a second one stands by unless \
                 it is started with --take-over",
            );
            server.abandon().await;
            Exit::Failed
        }
    }
}
