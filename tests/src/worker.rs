//! `dacapo worker` as a process: started, killed and stopped.

use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;

use crate::guests::{guest_path, root};
use crate::processes::{Lines, program};
use crate::server::Server;
use crate::wait::eventually;

/// What a worker announces when it takes tasks.
const READY: &str = "dacapo worker asks ";

/// A worker that runs the activities of a guest. Killed when it is dropped.
#[derive(Debug)]
pub struct WorkerProcess {
    process: Child,
    stderr: Lines,
}

impl WorkerProcess {
    /// Starts one for a queue of this server.
    pub async fn start(server: &Server, queue: &str, guest: &str, arguments: &[&str]) -> Self {
        let mut process = program("dacapo-under-test")
            .args(["worker", "--queue", queue, "--server", &server.url()])
            .arg("--module")
            .arg(guest_path(guest))
            .args(arguments)
            .env("DACAPO_ALLOW_HOST", "127.0.0.1")
            .env("DACAPO_CONCURRENCY", "8")
            .env("DACAPO_CACHE_DIR", root().join("target/test-cache"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be run");
        let stdout = Lines::collect(process.stdout.take().expect("it is piped"));
        let stderr = Lines::collect(process.stderr.take().expect("it is piped"));
        let mut worker = Self { process, stderr };
        eventually("the worker is ready", async || {
            if let Ok(Some(status)) = worker.process.try_wait() {
                panic!("the worker ended before it was ready: {status}: {}", worker.log());
            }
            stdout.text().contains(READY).then_some(())
        })
        .await;
        worker
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.stderr.text()
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.process.kill().await.expect("the worker can be killed");
    }

    /// SIGTERM, without waiting for the end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
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
        kill_process(pid.expect("the worker runs"), signal).expect("it can be signalled");
    }

    /// Waits for the process to end by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the worker ends", async || {
            self.process.try_wait().expect("the process can be asked")
        })
        .await
    }

    /// Waits for a text in its log.
    pub async fn logs(&self, text: &str) {
        eventually(&format!("the worker logs `{text}`"), async || {
            self.log().contains(text).then_some(())
        })
        .await;
    }
}
