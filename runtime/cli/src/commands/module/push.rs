//! `dacapo module push`

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use dacapo_model::ids::ModuleName;

use crate::args::ClientFlags;
use crate::client::wire::Module;
use crate::exit::{Exit, UsageError};
use crate::guest_build::{self, Messages};
use crate::output;

/// Uploads a component as the next version of a module. The same bytes again
/// change nothing. Runs that are open keep the version they started with.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo module push checkout ./examples/checkout
  dacapo module push checkout ./examples/checkout --gate replay
  dacapo module push checkout checkout.wasm --server http://dacapo.internal:7233")]
pub struct PushArgs {
    /// Name of the module.
    #[arg(value_name = "NAME")]
    name: ModuleName,

    /// A component (.wasm), or the folder of a project to build first.
    #[arg(value_name = "FILE|FOLDER")]
    source: PathBuf,

    /// Refuse the component if it does not fit the history of an open run of the
    /// module, which then could not be moved to it.
    #[arg(long, value_enum, value_name = "CHECK")]
    gate: Option<Gate>,

    #[command(flatten)]
    client: ClientFlags,
}

/// What a component has to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Gate {
    /// A replay of all open runs of the module.
    Replay,
}

pub(super) async fn run(args: PushArgs) -> Result<Exit> {
    let component = component(args.source).await?;
    let bytes = tokio::fs::read(&component)
        .await
        .map_err(|error| UsageError(format!("can't read {}: {error}", component.display())))?;
    let client = args.client.client()?;
    let answer = client
        .push_module(args.name.as_str(), bytes, args.gate.is_some())
        .await
        .with_context(|| format!("can't upload {}", component.display()))?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let module: Module = answer.read()?;
    let state = if answer.is_created { "is new" } else { "was there already" };
    output::note(&format!("version {} of {} {state}", module.version, module.name));
    output::line(&super::table(&[module]))?;
    Ok(Exit::Success)
}

/// The component that is named, built first if it is a project.
pub(crate) async fn component(source: PathBuf) -> Result<PathBuf> {
    if !source.is_dir() {
        return Ok(source);
    }
    output::note(&format!("building {}", source.display()));
    let mut built = guest_build::build(&source, None, Messages::Shown).await?;
    match (built.pop(), built.is_empty()) {
        (Some(module), true) => Ok(module.component),
        (Some(_), false) => bail!(UsageError(format!(
            "{} builds several components; name the folder of one of them",
            source.display()
        ))),
        (None, _) => bail!(guest_build::BuildError::NoComponent { folder: source }),
    }
}
