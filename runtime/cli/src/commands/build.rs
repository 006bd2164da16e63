//! `dacapo build`

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::exit::Exit;
use crate::guest_build::{self, Messages};
use crate::output;

/// Builds a project into a component, and prints where it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo build
  dacapo module push greeter \"$(dacapo build ./greeter)\"

A folder with a Cargo.toml is built with cargo, one with a package.json with node,
one with a pyproject.toml with componentize-py, one with a go.mod with Go, and one
with a dacapo.toml with a C compiler. The guest interface is part of this program;
other tools are dependencies of the project. The component is the only thing that
is written to standard output.")]
pub struct BuildArgs {
    /// Folder of the project.
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

pub(super) async fn run(args: BuildArgs) -> Result<Exit> {
    let folder = &args.folder;
    output::note(&format!("building {}", shown(folder).display()));
    for built in guest_build::build(folder, None, Messages::Shown).await? {
        output::line(&built.component.display().to_string())?;
    }
    Ok(Exit::Success)
}

/// A folder that says more than `.`.
fn shown(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf())
}
