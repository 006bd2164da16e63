//! `dacapo module ...`

mod delete;
mod list;
mod push;
mod show;

use anyhow::Result;

pub(crate) use self::push::component;
use crate::client::wire::Module;
use crate::exit::Exit;
use crate::output;

/// Uploads and lists modules.
#[derive(Debug, clap::Subcommand)]
pub enum ModuleCommand {
    /// Upload a component, or build a crate and upload what comes out.
    Push(push::PushArgs),
    /// List the newest version of each module.
    List(list::ListArgs),
    /// List all versions of a module.
    Show(show::ShowArgs),
    /// Delete a module, or an old version of it.
    Delete(delete::DeleteArgs),
}

pub(super) async fn run(command: ModuleCommand) -> Result<Exit> {
    match command {
        ModuleCommand::Push(args) => push::run(args).await,
        ModuleCommand::List(args) => list::run(args).await,
        ModuleCommand::Show(args) => show::run(args).await,
        ModuleCommand::Delete(args) => delete::run(args).await,
    }
}

fn table(modules: &[Module]) -> String {
    let row = |module: &Module| {
        [
            module.name.clone(),
            module.version.to_string(),
            output::brief(&module.digest, 13),
            module.size_bytes.to_string(),
            module.workflows.join(", "),
            module.activities.join(", "),
            module.created_at.clone(),
        ]
    };
    output::table(
        ["NAME", "VERSION", "DIGEST", "BYTES", "WORKFLOWS", "ACTIVITIES", "UPLOADED"],
        modules.iter().map(row).collect(),
    )
}
