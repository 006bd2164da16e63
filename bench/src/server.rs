//! The server under test: this program once more, as `serve`.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::guest::{root, work_folder};

/// How long a server may take to come up: it may have many runs to recover.
const START_TIMEOUT: Duration = Duration::from_secs(600);

/// What a server announces when it serves.
const READY: &str = "dacapo is ready at http://";

/// How to start a server, each time the same way.
pub(crate) struct ServerPlan {
    database: String,
    arguments: Vec<String>,
    /// Holds the log.
    folder: TempDir,
}

/// A server process. Dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// Kept open, so that the server can write to it.
    _stdout: BufReader<ChildStdout>,
}

impl ServerPlan {
    pub(crate) fn new(database: String, arguments: Vec<String>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("server-").tempdir_in(work_folder()?)?;
        Ok(Self { database, arguments, folder })
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Starts a server and waits until it is ready.
    pub(crate) async fn start(&self) -> Result<Server> {
        let program = std::env::current_exe().context("this program can't be found again")?;
        let mut command = Command::new(program);
        // What the user has set up for servers of their own does not belong here.
        let ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("DACAPO_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        let log = File::options().create(true).append(true).open(self.log())?;
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--database", &self.database])
            .arg("--cache-dir")
            .arg(root().join("target/bench/cache"))
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command.spawn().context("the server can't be started")?;
        let mut stdout = BufReader::new(child.stdout.take().context("the server has no output")?);
        let mut line = String::new();
        // It says one thing: that it is ready.
        let read = tokio::time::timeout(START_TIMEOUT, stdout.read_line(&mut line)).await;
        let Ok(Ok(_)) = read else { bail!("the server did not start:\n{}", self.logged()) };
        let Some(address) = line.trim_end().strip_prefix(READY) else {
            bail!("the server did not start:\n{}", self.logged())
        };
        Ok(Server { child, address: address.parse()?, _stdout: stdout })
    }

    /// What all servers of this plan have logged.
    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("the server can't be killed")
    }
}
