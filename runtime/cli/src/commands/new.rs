//! `dacapo new`

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::builder::PossibleValuesParser;

use crate::exit::{Exit, UsageError};
use crate::guest_build::{self, Language, NewProject};
use crate::output;

/// Where this program was built: the SDKs are there.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Makes a project that builds, with a workflow, an activity and a test.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo new greeter --lang typescript
  dacapo new greeter --lang c
  dacapo new greeter --lang rust --checkout ~/src/dacapo")]
pub struct NewArgs {
    /// A folder that is not there yet; its last part names the project.
    #[arg(value_name = "NAME")]
    folder: PathBuf,

    /// What it is written in.
    #[arg(
        long = "lang",
        value_name = "LANGUAGE",
        value_parser = PossibleValuesParser::new(Language::ALL.map(Language::name))
    )]
    language: String,

    /// A checkout of Dacapo, whose SDK the project uses [default: the one that this
    /// program was built in].
    #[arg(long, value_name = "FOLDER")]
    checkout: Option<PathBuf>,
}

pub(super) fn run(args: NewArgs) -> Result<Exit> {
    let language = Language::ALL
        .into_iter()
        .find(|language| language.name() == args.language)
        .ok_or_else(|| UsageError(format!("`{}` is no language", args.language)))?;
    let checkout = match checkout(args.checkout.as_deref(), language) {
        Err(_) if !language.needs_checkout() => PathBuf::new(),
        found => found?,
    };
    let project = NewProject { folder: &args.folder, language, checkout: &checkout };
    guest_build::create(&project).map_err(|error| UsageError(error.to_string()))?;
    let folder = args.folder.display();
    let first = language.first_step().map_or(String::new(), |step| format!("  {step}\n"));
    output::note(&format!(
        "{folder} is made; go on with\n  cd {folder}\n{first}  dacapo dev .\n\
         and read its README.md"
    ));
    Ok(Exit::Success)
}

fn checkout(named: Option<&Path>, language: Language) -> Result<PathBuf, UsageError> {
    let folder = named.unwrap_or(Path::new(CHECKOUT));
    match folder.canonicalize() {
        Ok(folder) if folder.join("guest-sdk").is_dir() => Ok(folder),
        _ => Err(UsageError(format!(
            "a new project in {} uses the SDK in a checkout of Dacapo, and there is none at {}: \
             name one with --checkout. `--lang c` needs none: its SDK comes with this program",
            language.name(),
            folder.display()
        ))),
    }
}
