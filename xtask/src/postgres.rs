//! A PostgreSQL server for the time of one command.

mod binaries;
mod cluster;
mod install;
mod user;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

pub use self::binaries::Binaries;
pub use self::cluster::Cluster;
use crate::process;

/// The server that the tests use.
pub enum Database {
    /// The one that `DATABASE_URL` names. The tests make databases of their
    /// own on it and drop them; they never touch others.
    Given(String),
    /// One of ours, gone when this is dropped.
    Private(Cluster),
}

impl Database {
    /// Takes the server from the environment, or starts one.
    pub fn open(root: &Path) -> Result<Self> {
        if let Ok(url) = std::env::var("DATABASE_URL")
            && !url.is_empty()
        {
            process::announce("using the PostgreSQL server that DATABASE_URL names");
            return Ok(Self::Given(url));
        }
        let binaries = match Binaries::find() {
            Some(binaries) => binaries,
            None => install::install()?,
        };
        let cluster = Cluster::start(root, &binaries, "")?;
        process::announce(&format!("started PostgreSQL {} at {}", binaries.major, cluster.url()));
        Ok(Self::Private(cluster))
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        match self {
            Self::Given(url) => url,
            Self::Private(cluster) => cluster.url(),
        }
    }
}

/// `cargo xtask postgres -- COMMAND ...`
pub fn run(root: &Path, command: &[OsString]) -> Result<ExitCode> {
    let [program, arguments @ ..] = command else {
        bail!("say what to run: cargo xtask postgres -- COMMAND ...");
    };
    let database = Database::open(root)?;
    process::pass_on(Command::new(program).args(arguments).env("DATABASE_URL", database.url()))
}
