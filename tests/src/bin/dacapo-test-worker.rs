//! A worker that can be killed and stopped at any moment: it tells the test of each task by an
//! HTTP request, which is the effect of the task, and then reports the task's input as its
//! result. It says what became of each report.
//!
//! Arguments: a file with two lines, the address of the server and that of the effects; the
//! queue; its name; and the seconds of its leases.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use dacapo_cli::output;
use serde_json::{Value, json};

/// Tasks that it takes at a time. It does one after the other.
const TASKS_MAX: u32 = 8;

/// Between two tries to reach a server that is not there.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Parser)]
struct Arguments {
    addresses: PathBuf,
    queue: String,
    identity: String,
    lease_seconds: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let poll = json!({
        "identity": arguments.identity,
        "max_tasks": TASKS_MAX,
        "wait_seconds": 10,
        "lease_seconds": arguments.lease_seconds,
    });
    let worker = Worker { http, arguments };
    let path = format!("task-queues/{}/poll", worker.arguments.queue);
    loop {
        let answer = worker.ask(&path, &poll).await?;
        for task in answer["tasks"].as_array().into_iter().flatten() {
            worker.make(task).await?;
        }
    }
}

struct Worker {
    http: reqwest::Client,
    arguments: Arguments,
}

impl Worker {
    /// Asks until the server answers.
    async fn ask(&self, path: &str, body: &Value) -> Result<Value> {
        loop {
            let server = self.address(0)?;
            let url = format!("{server}/api/v1/namespaces/default/{path}");
            if let Ok(answer) = self.http.post(url).json(body).send().await
                && answer.status().is_success()
                && let Ok(answer) = answer.json().await
            {
                return Ok(answer);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn make(&self, task: &Value) -> Result<()> {
        let effect = json!({
            "effect": task["input"].to_string(),
            "key": task["operation_id"].to_string(),
            "workflow_id": task["workflow_id"],
            "run_id": task["run_id"],
            "attempt": task["attempt"],
        });
        self.http.post(self.address(1)?).json(&effect).send().await?.error_for_status()?;
        let report = json!({"reports": [{"token": task["token"], "result": task["input"]}]});
        loop {
            let answer = self.ask("activities/reports", &report).await?;
            let result = &answer["results"][0];
            if result["recorded"] == true {
                return Ok(output::line("recorded")?);
            }
            if result["error"]["retryable"] != true {
                let code = result["error"]["code"].as_str().context("a refusal has a code")?;
                return Ok(output::line(code)?);
            }
        }
    }

    fn address(&self, line: usize) -> Result<String> {
        let text = std::fs::read_to_string(&self.arguments.addresses)?;
        Ok(text.lines().nth(line).context("an address is missing")?.to_owned())
    }
}
