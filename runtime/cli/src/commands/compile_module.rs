//! `dacapo compile-module`, which a server starts for each module that it compiles:
//! what compiling takes is limited for a process of its own, which can be stopped.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use dacapo_host::Compiler;

use crate::exit::Exit;

/// The name that this command has on the command line. Every program that can be a
/// server must know it.
pub const NAME: &str = "compile-module";

/// What it may take.
#[derive(Debug, clap::Args)]
pub struct CompileModuleArgs {
    /// Seconds of CPU time.
    cpu_seconds: u64,

    /// Bytes of memory.
    memory_bytes: u64,

    /// How much less than others it is given of the processors.
    nice: u8,
}

/// Compiles the module on standard input.
pub(crate) fn run(args: &CompileModuleArgs) -> Result<Exit> {
    dacapo_host::compile_module(args.cpu_seconds, args.memory_bytes, args.nice)
        .context("can't compile the module on standard input")?;
    Ok(Exit::Success)
}

/// This program, as a compiler of modules.
pub(crate) fn compiler() -> Result<Compiler> {
    Ok(Compiler::Process { program: this_program()?, arguments: vec![OsString::from(NAME)] })
}

/// The very file that runs, even if another has taken its place meanwhile, which may
/// be another version.
#[cfg(target_os = "linux")]
fn this_program() -> Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

#[cfg(not(target_os = "linux"))]
fn this_program() -> Result<PathBuf> {
    std::env::current_exe().context("can't tell where this program is")
}
