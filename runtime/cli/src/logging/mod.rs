//! Logs, on standard error. Lines of guests have the target `dacapo::guest`.

mod text;

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, Result};
use tracing_subscriber::EnvFilter;

use self::text::TextFields;
use crate::config::LogFormat;

/// Writes logs from now on.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<()> {
    let filter = EnvFilter::try_new(filter)
        .with_context(|| format!("the log filter `{filter}` can't be read"))
        .map_err(|error| crate::exit::UsageError(format!("{error:#}")))?;
    let colored = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colored);
    let started = match format {
        LogFormat::Text => logs.fmt_fields(TextFields).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logs can't be started: {error}"))
}
