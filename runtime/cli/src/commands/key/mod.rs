//! `dacapo key ...`

mod create;
mod list;
mod place;
mod revoke;

use anyhow::Result;

use crate::exit::Exit;

/// Makes the keys by which clients say who they are. The first key of a server is made at its
/// database, with --offline.
#[derive(Debug, clap::Subcommand)]
pub enum KeyCommand {
    /// Make a key, which is shown once.
    Create(create::CreateArgs),
    /// List keys, what they permit and when each was used last.
    List(list::ListArgs),
    /// Revoke a key at once.
    Revoke(revoke::RevokeArgs),
}

pub(super) async fn run(command: KeyCommand) -> Result<Exit> {
    match command {
        KeyCommand::Create(args) => create::run(args).await,
        KeyCommand::List(args) => list::run(args).await,
        KeyCommand::Revoke(args) => revoke::run(args).await,
    }
}
