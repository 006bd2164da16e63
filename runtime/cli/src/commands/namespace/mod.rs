//! `dacapo namespace ...`

mod create;
mod delete;
mod list;
mod settings;
mod show;
mod update;

use anyhow::Result;

use crate::exit::Exit;

/// Makes, changes and deletes namespaces, each with its own limits and permissions.
#[derive(Debug, clap::Subcommand)]
pub enum NamespaceCommand {
    /// List namespaces.
    List(list::ListArgs),
    /// Show a namespace.
    Show(show::ShowArgs),
    /// Make a namespace.
    Create(create::CreateArgs),
    /// Change what is set of a namespace.
    Update(update::UpdateArgs),
    /// Delete a namespace with all that is in it.
    Delete(delete::DeleteArgs),
}

pub(super) async fn run(command: NamespaceCommand) -> Result<Exit> {
    match command {
        NamespaceCommand::List(args) => list::run(args).await,
        NamespaceCommand::Show(args) => show::run(args).await,
        NamespaceCommand::Create(args) => create::run(args).await,
        NamespaceCommand::Update(args) => update::run(args).await,
        NamespaceCommand::Delete(args) => delete::run(args).await,
    }
}
