//! `dacapo doctor`

mod configuration;
mod kernel;
mod listener;
mod memory;
mod postgres;
mod report;
mod sqlite;
mod tables;

use anyhow::Result;

use self::report::Report;
use crate::config::{Database, ServerConfig, ServerFlags};
use crate::exit::Exit;
use crate::output::OutputFormat;

/// Looks for what is set wrong of a server, its machine and its database, and says what to
/// change. Changes nothing, and disturbs no server that runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo doctor --config /etc/dacapo.toml
  dacapo doctor --database postgres://dacapo@db.internal/dacapo --no-migrate --output json

Run it where the server is to run, as its user, and with its flags and environment. Ends with 0
if nothing fails, and with 1 if something does.")]
pub struct DoctorArgs {
    #[command(flatten)]
    flags: ServerFlags,

    /// `text` for people; `json` for programs.
    #[arg(long, short, value_name = "FORMAT", env = "DACAPO_OUTPUT", value_enum, default_value_t)]
    output: OutputFormat,
}

pub(super) async fn run(args: DoctorArgs) -> Result<Exit> {
    let mut report = Report::default();
    match ServerConfig::resolve(args.flags, crate::config::environment()) {
        Err(error) => configuration::refused(&error, &mut report),
        Ok(config) => check(&config, &mut report).await,
    }
    report.write(args.output)?;
    Ok(if report.has_failed() { Exit::Failed } else { Exit::Success })
}

async fn check(config: &ServerConfig, report: &mut Report) {
    configuration::check(config, report);
    listener::check(config, report);
    memory::check(config, report);
    kernel::check(config, report);
    match &config.database {
        Some(Database::Postgres(url)) => postgres::check(url, config.migrate, report).await,
        Some(Database::Sqlite(path)) => sqlite::check(path, report).await,
        None => {}
    }
}
