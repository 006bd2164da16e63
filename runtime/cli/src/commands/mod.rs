//! The commands: one file each.

pub mod activity;
pub mod audit;
pub mod batch;
pub mod build;
pub mod compile_module;
pub mod completions;
pub mod demo;
pub mod dev;
pub mod doctor;
pub mod key;
pub mod migrate;
pub mod module;
pub mod namespace;
pub mod new;
pub mod queue;
pub mod replay;
pub mod run;
pub mod schedule;
pub mod search_attribute;
pub mod serve;
pub mod status;
pub mod worker;

use anyhow::Result;

use crate::args::{Cli, Command};
use crate::exit::Exit;

/// Does what the command line says.
pub async fn run(cli: Cli) -> Result<Exit> {
    match cli.command {
        Command::Demo(args) => demo::run(args).await,
        Command::Dev(args) => dev::run(*args).await,
        Command::New(args) => new::run(args),
        Command::Build(args) => build::run(args).await,
        Command::Serve(args) => serve::run(*args).await,
        Command::Worker(args) => worker::run(*args).await,
        Command::Doctor(args) => doctor::run(*args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Module(command) => module::run(command).await,
        Command::Namespace(command) => namespace::run(*command).await,
        Command::Run(command) => run::run(command).await,
        Command::Activity(command) => activity::run(command).await,
        Command::Batch(command) => batch::run(command).await,
        Command::Schedule(command) => schedule::run(command).await,
        Command::Queue(command) => queue::run(command).await,
        Command::SearchAttribute(command) => search_attribute::run(command).await,
        Command::Key(command) => key::run(command).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Completions(args) => completions::run(&args),
        // [`crate::main`] has done it before it came here.
        Command::CompileModule(args) => compile_module::run(&args),
    }
}
