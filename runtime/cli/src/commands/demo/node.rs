//! The server of the demo: a process of its own, so that it can be killed.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

/// How long a server may take to come up.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Lines of its log that are shown when it does not.
const LOG_LINES: usize = 20;

/// How to start the server, each time the same way.
pub(super) struct NodePlan {
    pub(super) listen: SocketAddr,
    pub(super) folder: PathBuf,
    pub(super) shop: SocketAddr,
}

/// A server process. Dropped, it is killed.
pub(super) struct Node {
    child: Child,
    /// Kept open, so that the server can write to it.
    _stdout: BufReader<ChildStdout>,
}

/// The address that is wanted if it is free, and any free one otherwise.
pub(super) async fn free_address(wanted: SocketAddr) -> Result<SocketAddr> {
    let listener = match TcpListener::bind(wanted).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind("127.0.0.1:0").await.context("no port is free")?,
    };
    Ok(listener.local_addr()?)
}

impl NodePlan {
    /// The log of all servers that this plan started.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    pub(super) fn database(&self) -> String {
        format!("sqlite://{}", self.folder.join("dacapo.db").display())
    }

    /// Starts a server and waits until it is ready.
    pub(super) async fn start(&self) -> Result<Node> {
        let program = std::env::current_exe().context("this program can't be found again")?;
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.with_context(|| format!("can't write {}", self.log().display()))?;
        let mut command = Command::new(program);
        // What the user has set up for servers of their own does not belong here.
        let ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("DACAPO_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        command
            .arg("serve")
            .args(["--database", &self.database()])
            .args(["--listen", &self.listen.to_string()])
            .args(["--allow-host", &self.shop.to_string()])
            .args(["--activity-env", &format!("SHOP_URL=http://{}", self.shop)])
            .arg("--cache-dir")
            .arg(self.folder.join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command.spawn().context("the server can't be started")?;
        let stdout = child.stdout.take().context("the server has no output")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        // It says one thing: that it is ready.
        let read = tokio::time::timeout(START_TIMEOUT, stdout.read_line(&mut line)).await;
        match read {
            Ok(Ok(length)) if length > 0 => Ok(Node { child, _stdout: stdout }),
            _ => bail!("the server did not start; its log ends with:\n{}", tail(&self.log())),
        }
    }
}

impl Node {
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Ends the process as a power cut would: it gets no chance to do anything.
    pub(super) async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("the server can't be killed")
    }

    /// Resolves when the process has ended by itself.
    pub(super) async fn ended(&mut self) {
        // An error means that it is not there either.
        let _ = self.child.wait().await;
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
