//! `dacapo dev`

mod project;
mod watch;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::search_attribute::NamedType;
use super::serve;
use crate::client::Client;
use crate::config::{Authentication, Database, ServerConfig, ServerFlags};
use crate::exit::{Exit, UsageError};
use crate::guest_build::{BuildError, Language};
use crate::telemetry::Telemetry;
use crate::{logging, output, signals};

use self::project::Project;

/// What is logged unless it is set: what guests write, and what is wrong, with them too.
const DEFAULT_LOG: &str = "warn,dacapo::guest=info,dacapo::failure=info";

/// Where `dev` keeps its database and compiled modules.
const STATE_FOLDER: &str = ".dacapo";

/// Hosts that activities may always send requests to.
const LOCAL_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Serves on this machine with nothing else to set up. With a project, builds and
/// uploads it, and again whenever a source file changes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo dev ./my-workflow
  dacapo dev ./my-workflow --activity-env SHOP_URL=http://localhost:8080
  dacapo dev ./my-workflow --search-attribute CustomerId=keyword
  dacapo dev                          only serve; upload with `dacapo module push`

Runs are kept in .dacapo/ in the project's folder (without one: in this folder);
delete it to start over. Activities may send requests to any port of this
machine; --allow-host adds other hosts.")]
pub struct DevArgs {
    /// Folder of a project: a Rust crate, or one of node.
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,

    /// Registers a search attribute in the namespace `default`; may be repeated.
    #[arg(long, value_name = "NAME=TYPE")]
    search_attribute: Vec<NamedType>,

    #[command(flatten)]
    flags: ServerFlags,
}

pub(super) async fn run(args: DevArgs) -> Result<Exit> {
    let mut config = ServerConfig::resolve(args.flags, crate::config::environment())?;
    config.allowed_hosts.extend(LOCAL_HOSTS.map(str::to_owned));
    logging::start(config.log.as_deref().unwrap_or(DEFAULT_LOG), config.log_format)?;

    if config.authentication == Authentication::Required {
        return Err(UsageError(
            "`dacapo dev` asks nobody for keys, so it listens on a loopback address: take another \
             --listen, or say --authentication none"
                .to_owned(),
        )
        .into());
    }
    let folder = args.folder.as_deref().unwrap_or(Path::new("."));
    if args.folder.is_some() && Language::of(folder).is_none() {
        let problem = BuildError::NoProject { folder: folder.to_path_buf() };
        return Err(UsageError(problem.to_string()).into());
    }
    let state = folder.join(STATE_FOLDER);
    make_state_folder(&state)?;
    let database = match &config.database {
        Some(database) => database.clone(),
        None => Database::Sqlite(state.join("dacapo.db")),
    };

    let mut stop = signals::stop_requested()?;
    let telemetry = Telemetry::start(&config.otlp)?;
    let cache = || Ok(state.join("cache"));
    let (server, file) = tokio::select! {
        started = serve::start(&config, &telemetry, &database, false, cache) => started?,
        () = &mut stop => return Ok(Exit::Success),
    };
    let address = format!("http://{}", server.address());
    output::line(&format!("dacapo is ready at {address}"))?;
    output::note(&format!("runs are kept in {database}"));

    let client = Client::new(&address, "default")?;
    for NamedType { name, attribute_type } in &args.search_attribute {
        let registered = client.register_search_attribute(name.as_str(), attribute_type.as_str());
        if let Err(error) = registered.await {
            // What is there goes on to be served, and says the same when it is used.
            output::note(&format!("{name} is not registered: {error}"));
        }
    }
    let building = match &args.folder {
        Some(folder) => {
            let project = Project::new(folder.clone(), client);
            Some(tokio::spawn(async move { project.keep_up_to_date().await }))
        }
        None => None,
    };
    let exit = serve::until_stopped(server, stop).await;
    telemetry.stop().await;
    if let Some(building) = building {
        building.abort();
    }
    if let Some(file) = file {
        file.close().await;
    }
    Ok(exit)
}

/// Makes the folder, and keeps it out of version control.
fn make_state_folder(folder: &Path) -> Result<()> {
    let make = || {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(".gitignore"), "*\n")
    };
    make().with_context(|| format!("can't write to {}", folder.display()))
}
