//! A server process: started, killed, stopped and started again.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

use crate::certificates::TlsFolder;
use crate::client::Client;
use crate::database::Database;
use crate::guests::root;
use crate::processes::{Lines, program};
use crate::wait::eventually;

/// What a server announces when it serves.
const READY: &str = "dacapo is ready at ";

/// What it logs if another server has the runs.
const STANDS_BY: &str = "standing by: another server has the runs";

/// What it logs then, and whenever it takes a while until it serves.
const ANSWERS_HEALTH_CHECKS: &str = "answers health checks until it serves address=";

/// How to start a server.
#[derive(Debug)]
pub struct Settings {
    command: Command,
    file: Option<NamedTempFile>,
}

impl Settings {
    /// The product on this database, on a free port.
    pub fn new(database: &Database) -> Self {
        Self::at(&database.url())
    }

    /// The product on the database at this address.
    pub fn at(database: &str) -> Self {
        Self::of("dacapo-under-test", database)
    }

    /// One that kills itself before the n-th commit.
    pub fn crashing_before_commit(database: &Database, number: u64) -> Self {
        let settings = Self::of("dacapo-crashing", &database.url());
        settings.environment("DACAPO_CRASH_BEFORE_COMMIT", &number.to_string())
    }

    /// One that kills itself after the n-th commit.
    pub fn crashing_after_commit(database: &Database, number: u64) -> Self {
        let settings = Self::of("dacapo-crashing", &database.url());
        settings.environment("DACAPO_CRASH_AFTER_COMMIT", &number.to_string())
    }

    fn of(name: &str, database: &str) -> Self {
        let mut command = program(name);
        command
            .args(["serve", "--instances-max", "100"])
            .args(["--database", database])
            // Compiled modules are the same for all servers.
            .env("DACAPO_CACHE_DIR", root().join("target/test-cache"))
            .env("DACAPO_LISTEN", "127.0.0.1:0")
            .env("DACAPO_ALLOW_HOST", "127.0.0.1")
            .env("DACAPO_LOG", "info")
            .env("NO_COLOR", "1");
        Self { command, file: None }
    }

    /// Sets an environment variable of the server.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Speaks TLS with the certificate of this folder.
    #[must_use]
    pub fn tls(self, folder: &TlsFolder) -> Self {
        self.environment("DACAPO_TLS_CERT", &folder.path("server.pem"))
            .environment("DACAPO_TLS_KEY", &folder.path("server.key"))
    }

    /// Uses a configuration file with this content.
    #[must_use]
    pub fn file(mut self, content: &str) -> Self {
        let mut file = NamedTempFile::new().expect("a file for the configuration");
        file.write_all(content.as_bytes()).expect("the configuration can be written");
        self.command.arg("--config").arg(file.path());
        self.file = Some(file);
        self
    }

    /// Starts the process, without waiting for it.
    pub fn spawn(mut self) -> Server {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = self.command.spawn().expect("the server's program can be run");
        let stdout = Lines::collect(process.stdout.take().expect("it is piped"));
        let stderr = Lines::collect(process.stderr.take().expect("it is piped"));
        Server { process, stdout, stderr, _file: self.file }
    }

    /// Starts the process and waits until it serves.
    pub async fn start(self) -> Server {
        let mut server = self.spawn();
        server.ready().await;
        server
    }
}

/// A running server. Killed when it is dropped; a test that fails shows what it
/// wrote.
#[derive(Debug)]
pub struct Server {
    process: Child,
    stdout: Lines,
    stderr: Lines,
    _file: Option<NamedTempFile>,
}

impl Server {
    /// The product on this database.
    pub async fn start(database: &Database) -> Self {
        Settings::new(database).start().await
    }

    /// Waits until it serves.
    pub async fn ready(&mut self) {
        eventually("the server is ready", async || {
            if let Ok(Some(status)) = self.process.try_wait() {
                panic!("the server ended before it was ready: {status}");
            }
            self.announced()
        })
        .await;
    }

    fn announced(&self) -> Option<String> {
        let text = self.stdout.text();
        let (_, url) = text.split_once(READY)?;
        url.lines().next().map(str::to_owned)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let url = self.url();
        let address = url.split_once("://").and_then(|(_, address)| address.parse().ok());
        address.expect("it announces an address")
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        self.announced().expect("the server has announced its address")
    }

    /// Where it answers health checks while it stands by for another.
    pub async fn standby_address(&self) -> SocketAddr {
        eventually("the server stands by", async || {
            let log = self.log();
            let (_, address) = log.split_once(ANSWERS_HEALTH_CHECKS)?;
            if !log.contains(STANDS_BY) {
                return None;
            }
            Some(address.split_whitespace().next()?.parse().expect("it logs an address"))
        })
        .await
    }

    /// Whether it serves, as far as it has said.
    pub fn serves(&self) -> bool {
        self.announced().is_some()
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("the server runs")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a text in its log.
    pub async fn logs(&self, text: &str) {
        eventually(&format!("the server logs `{text}`"), async || {
            self.log().contains(text).then_some(())
        })
        .await;
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.kill_at_once().await;
    }

    /// The same of one that is still to be shown if the test fails.
    pub async fn kill_at_once(&mut self) {
        self.process.kill().await.expect("the server can be killed");
    }

    /// SIGTERM, without waiting for the end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGHUP: it looks at its certificate again.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// SIGSTOP: it does nothing more, but is still there.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT, after [`Self::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.process.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        kill_process(pid.expect("the server runs"), signal).expect("it can be signalled");
    }

    /// Waits for the process to end by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the server ends", async || {
            self.process.try_wait().expect("the process can be asked")
        })
        .await
    }

    /// SIGTERM, and waits for an orderly end.
    pub async fn stop(mut self) {
        self.terminate();
        let status = self.ended().await;
        assert!(status.success(), "the server was asked to stop, and ended with {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Standard error, as the harness does not capture what a thread of
            // the process does not print itself.
            let _ = writeln!(std::io::stderr(), "--- the server wrote:\n{}\n---", self.log());
        }
    }
}
