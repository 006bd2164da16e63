//! Workers: this program some times more, as `work`.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use futures::future::select_all;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::worker::Told;

/// Which workers are to do the tasks.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct WorkerFlags {
    /// Worker processes.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    pub(crate) workers: usize,
    /// Polls of each at a time, and as many connections for reports.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    pub(crate) polls_per_worker: usize,
    /// Room for tasks that each poll has.
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub(crate) max_tasks: u32,
}

/// Worker processes. Dropped, they are killed.
pub(crate) struct Workers {
    children: Vec<Child>,
    /// They end when these are closed.
    _inputs: Vec<ChildStdin>,
    told: UnboundedReceiver<Told>,
}

impl Workers {
    /// Starts them. If they are to `tell`, they say what they do.
    pub(crate) fn start(server: SocketAddr, flags: &WorkerFlags, tell: bool) -> Result<Self> {
        let (sender, told) = unbounded_channel();
        let (mut children, mut inputs) = (Vec::new(), Vec::new());
        for number in 0..flags.workers {
            let mut child = command(server, flags, number, tell)?
                .spawn()
                .context("a worker can't be started")?;
            if let Some(stdout) = child.stdout.take() {
                tokio::spawn(listen(stdout, sender.clone()));
            }
            // Who waits for a child closes its input, if it is still there.
            inputs.extend(child.stdin.take());
            children.push(child);
        }
        Ok(Self { children, _inputs: inputs, told })
    }

    /// Their processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.children.iter().filter_map(Child::id).collect()
    }

    /// Does something while they work. Fails if one of them ends: what waits for its
    /// results would wait for long.
    pub(crate) async fn beside<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if self.children.is_empty() {
            return work.await;
        }
        let ended = select_all(self.children.iter_mut().map(|child| Box::pin(child.wait())));
        tokio::select! {
            done = work => done,
            (ended, _, _) = ended => bail!("a worker has ended: {}", ended?),
        }
    }

    /// What one of them tells next.
    pub(crate) async fn next(&mut self) -> Result<Told> {
        self.told.recv().await.context("the workers have ended")
    }
}

fn command(server: SocketAddr, flags: &WorkerFlags, number: usize, tell: bool) -> Result<Command> {
    let program = std::env::current_exe().context("this program can't be found again")?;
    let mut command = Command::new(program);
    command
        .arg("work")
        .args(["--server", &server.to_string()])
        .args(["--identity", &format!("bench-{number}")])
        .args(["--polls", &flags.polls_per_worker.to_string()])
        .args(["--max-tasks", &flags.max_tasks.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    if tell {
        command.arg("--tell").stdout(Stdio::piped());
    }
    Ok(command)
}

async fn listen(stdout: ChildStdout, sender: UnboundedSender<Told>) -> Result<()> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        sender.send(serde_json::from_str(&line)?)?;
    }
    Ok(())
}
