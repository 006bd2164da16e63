//! Workers of a task queue: one inside the test, which does one thing at a time and shows
//! everything, and one as a process, which may be killed and stopped.

use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::Child;

use crate::client::{Answer, Client};
use crate::processes::{Lines, program};
use crate::wait::eventually;

/// Asks one queue for tasks.
#[derive(Debug, Clone)]
pub struct Worker {
    client: Client,
    queue: String,
    identity: String,
}

impl Worker {
    /// Of this queue. Its leases are of 30 seconds, unless a poll says otherwise.
    pub fn new(client: Client, queue: &str, identity: &str) -> Self {
        Self { client, queue: queue.to_owned(), identity: identity.to_owned() }
    }

    /// Asks with these fields, whatever comes of it.
    pub async fn poll(&self, more: Value) -> Answer {
        let mut request = json!({"identity": self.identity, "wait_seconds": 10});
        let fields = request.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        self.client.post(&format!("task-queues/{}/poll", self.queue), &request).await
    }

    /// The tasks that a poll with these fields gets.
    pub async fn tasks(&self, more: Value) -> Vec<Value> {
        let answer = self.poll(more).await.ok(200);
        answer["tasks"].as_array().expect("a list").clone()
    }

    /// The next task.
    pub async fn task(&self) -> Value {
        self.task_with(json!({})).await
    }

    /// The next task, for a poll with these fields.
    pub async fn task_with(&self, more: Value) -> Value {
        eventually("a task comes", async || self.tasks(more.clone()).await.pop()).await
    }

    /// No task is to be had.
    pub async fn no_task(&self) {
        assert_eq!(self.tasks(json!({"wait_seconds": 0.2})).await, Vec::<Value>::new());
    }

    /// Reports one outcome: `Ok` if it is recorded, else the code of the refusal.
    pub async fn report(&self, task: &Value, outcome: Value) -> Result<(), String> {
        let mut report = outcome;
        report["token"] = task["token"].clone();
        let body = json!({"reports": [report]});
        let answer = self.client.post("activities/reports", &body).await.ok(200);
        heard(&answer["results"][0], "recorded")
    }

    /// Reports the input of the task as its result.
    pub async fn echo(&self, task: &Value) -> Result<(), String> {
        self.report(task, json!({"result": task["input"]})).await
    }

    /// Says that it is alive: what it hears, or the code of the refusal.
    pub async fn heartbeat(&self, task: &Value) -> Result<Value, String> {
        let body = json!({"heartbeats": [{"token": task["token"]}]});
        let answer = self.client.post("activities/heartbeats", &body).await.ok(200);
        let result = answer["results"][0].clone();
        heard(&result, "held").map(|()| result)
    }

    /// What the server says of its queue.
    pub async fn queue(&self) -> Value {
        self.client.get(&format!("task-queues/{}", self.queue)).await.ok(200)
    }
}

fn heard(result: &Value, done: &str) -> Result<(), String> {
    match result[done].as_bool() {
        Some(true) => Ok(()),
        _ => Err(result["error"]["code"].as_str().expect("a code").to_owned()),
    }
}

/// A worker that posts each task to [`Effects`](crate::Effects) and returns its input. Killed
/// when it is dropped.
#[derive(Debug)]
pub struct TestWorker {
    process: Child,
    stdout: Lines,
}

impl TestWorker {
    /// Starts one. It finds the server by what is in the file, whenever it has lost it.
    pub fn start(server: &Path, queue: &str, identity: &str, lease_seconds: f64) -> Self {
        let mut process = program("dacapo-test-worker")
            .arg(server)
            .args([queue, identity, &lease_seconds.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker can be run");
        let stdout = Lines::collect(process.stdout.take().expect("it is piped"));
        Self { process, stdout }
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.process.kill().await.expect("the worker can be killed");
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

    /// Waits until it has said what became of a report: `recorded`, or the code.
    pub async fn says(&self, text: &str) {
        eventually(&format!("the worker says `{text}`"), async || {
            self.stdout.text().lines().any(|line| line == text).then_some(())
        })
        .await;
    }
}
