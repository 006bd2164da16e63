//! The command line, as a user runs it.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::processes::{self, program};
use crate::server::Server;
use crate::wait::eventually;

/// What a command left behind.
#[derive(Debug)]
pub struct Output {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its data.
    pub stdout: String,
    /// Its messages.
    pub stderr: String,
}

impl Output {
    /// The data, if the exit code is this one.
    pub fn exit(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        &self.stdout
    }

    /// The data as JSON, one value per line, if all went well.
    pub fn json(&self) -> Vec<Value> {
        let lines = self.exit(0).lines();
        lines.map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

/// Runs `dacapo ARGUMENTS --server <this one>`.
pub async fn dacapo(server: &Server, arguments: &[&str]) -> Output {
    dacapo_with_input(&server.url(), arguments, "").await
}

/// The same for a server at any address, with something on standard input.
pub async fn dacapo_with_input(server: &str, arguments: &[&str], input: &str) -> Output {
    let mut command = program("dacapo-under-test");
    command.args(arguments).args(["--server", server]);
    run(command, input).await
}

/// Runs `dacapo ARGUMENTS`, for what speaks to no server.
pub async fn dacapo_alone(arguments: &[&str]) -> Output {
    let mut command = program("dacapo-under-test");
    command.args(arguments);
    run(command, "").await
}

async fn run(mut command: Command, input: &str) -> Output {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be run");
    let mut stdin = process.stdin.take().expect("it is piped");
    // A command that reads no input may be gone before all is written.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = process.wait_with_output().await.expect("the program ends");
    let text = |bytes| String::from_utf8(bytes).expect("it writes text");
    Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A command that goes on, whose output is read as it comes.
#[derive(Debug)]
pub struct Running {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it writes to standard error, if that is collected.
    messages: processes::Lines,
}

/// Starts `dacapo ARGUMENTS --server <this one>`.
pub fn dacapo_running(server: &Server, arguments: &[&str]) -> Running {
    let mut process = program("dacapo-under-test")
        .args(arguments)
        .args(["--server", &server.url()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program can be run");
    let stdout = process.stdout.take().expect("it is piped");
    let messages = processes::Lines::default();
    Running { process, lines: BufReader::new(stdout).lines(), messages }
}

/// Starts a `dacapo dev` without a crate, on a free port and in a folder of its own.
/// Returns it with the address that it serves at.
pub async fn dacapo_dev(folder: &Path) -> (Running, String) {
    let mut process = program("dacapo-under-test")
        .args(["dev", "--listen", "127.0.0.1:0"])
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be run");
    let stdout = process.stdout.take().expect("it is piped");
    let messages = processes::Lines::collect(process.stderr.take().expect("it is piped"));
    let mut lines = BufReader::new(stdout).lines();
    let ready = lines.next_line().await.expect("it writes text").expect("it serves");
    let address = ready.strip_prefix("dacapo is ready at ").expect("it says where").to_owned();
    (Running { process, lines, messages }, address)
}

impl Running {
    /// Waits for a message with all these words.
    pub async fn says(&self, words: &[&str]) {
        eventually("the program says something", async || {
            let text = self.messages.text();
            let mut lines = text.lines();
            lines.any(|line| words.iter().all(|word| line.contains(word))).then_some(())
        })
        .await;
    }

    /// The next line, as JSON. None once the command has ended well.
    pub async fn next(&mut self) -> Option<Value> {
        match self.lines.next_line().await.expect("it writes text") {
            Some(line) => Some(serde_json::from_str(&line).expect("a line of JSON")),
            None => {
                let status = self.process.wait().await.expect("the program ends");
                assert!(status.success(), "{status}");
                None
            }
        }
    }
}
