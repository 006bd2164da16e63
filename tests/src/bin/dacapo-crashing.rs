//! `dacapo serve` that kills itself, as `kill -9` would, just before or just
//! after a certain commit. Takes the arguments of the real one.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use dacapo_cli::config::{ServerConfig, ServerFlags, environment};
use dacapo_cli::server::{Edge, Server};
use dacapo_cli::{output, store};
use dacapo_store::faulty::FaultyStore;
use rustix::process::{Signal, getpid, kill_process};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Die before this commit reaches the database. Counted from 1.
    #[arg(long, env = "DACAPO_CRASH_BEFORE_COMMIT", global = true)]
    crash_before_commit: Option<u64>,
    /// Die when this commit is done, before anybody knows of it.
    #[arg(long, env = "DACAPO_CRASH_AFTER_COMMIT", global = true)]
    crash_after_commit: Option<u64>,
}

#[derive(Subcommand)]
enum Command {
    Serve {
        #[command(flatten)]
        flags: Box<ServerFlags>,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let Command::Serve { flags } = arguments.command;
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();

    let config = ServerConfig::resolve(*flags, environment())?;
    let database = config.database.as_ref().context("--database is missing")?;
    let cache_dir = config.cache_dir.clone().context("--cache-dir is missing")?;
    let listener = TcpListener::bind(config.listen).await?;
    let (store, _lock) = store::open(database, config.migrate).await?;
    let store = FaultyStore::transparent(store)
        .before_commit(move |number| die_at(arguments.crash_before_commit, number))
        .after_commit(move |number| die_at(arguments.crash_after_commit, number));
    let server = Server::start(
        Arc::new(store),
        config.host(cache_dir),
        config.service,
        Edge::default(),
        listener,
    )
    .await?;
    output::line(&format!("dacapo is ready at http://{}", server.address()))?;
    // Whoever started it kills it, if it does not do so itself.
    server.ownership_lost().await;
    Ok(())
}

fn die_at(planned: Option<u64>, number: u64) {
    if planned == Some(number) {
        kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
        // The signal is on its way; nothing may happen after it.
        loop {
            std::thread::park();
        }
    }
}
