//! A worker that does nothing: a process of its own, as lean as the client. Its polls and
//! its reports go over connections of their own, so that a poll waits in the server while
//! results are recorded; a report holds all that has finished meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use dacapo_cli::output;
use futures::future::try_join_all;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::{Notify, oneshot};

use crate::client::{Answer, Connection};
use crate::clock;

/// Where the workflows of the benchmark put their tasks.
pub(crate) const QUEUE: &str = "bench";

/// How long a poll waits in the server: the longest that it allows.
pub(crate) const WAIT_SECONDS: u64 = 60;

/// Reports of one request, and their bytes; the server takes 1,000 and 8 MiB.
const REPORTS_MAX: usize = 1_000;
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// A worker that does nothing. It ends when its standard input does: with who started it.
#[derive(Debug, clap::Args)]
pub(crate) struct Work {
    /// Where the server listens.
    #[arg(long)]
    pub(crate) server: SocketAddr,
    /// What it calls itself.
    #[arg(long)]
    pub(crate) identity: String,
    /// Polls at a time, and as many connections for reports.
    #[arg(long)]
    pub(crate) polls: usize,
    /// Room for tasks that each poll has.
    #[arg(long)]
    pub(crate) max_tasks: u32,
    /// Write to standard output what it gets and what was recorded, as lines of JSON.
    #[arg(long)]
    pub(crate) tell: bool,
}

/// What a worker tells who started it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    /// It got so many tasks of each fairness key in one answer; no key is the empty one.
    Got { at_micros: i64, tasks: BTreeMap<String, u64> },
    /// So many results are durable.
    Recorded { at_micros: i64, tasks: u64 },
}

#[derive(Deserialize)]
struct Polled<'a> {
    #[serde(borrow)]
    tasks: Vec<Task<'a>>,
}

#[derive(Deserialize)]
struct Task<'a> {
    token: &'a str,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    fairness_key: Option<String>,
}

#[derive(Deserialize)]
struct Reported {
    results: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    recorded: bool,
}

/// Reports that are to be sent.
#[derive(Default)]
struct Finished {
    reports: RefCell<VecDeque<String>>,
    added: Notify,
    /// Tasks that it has got and that are not recorded yet.
    in_hand: Cell<usize>,
    recorded: Notify,
}

pub(crate) async fn run(args: Work) -> Result<()> {
    let finished = Finished::default();
    let polls = try_join_all((0..args.polls).map(|_| poll(&args, &finished)));
    let reports = try_join_all((0..args.polls).map(|_| report(&args, &finished)));
    tokio::select! {
        failed = polls => failed.map(drop),
        failed = reports => failed.map(drop),
        _closed = input_closed() => Ok(()),
    }
}

/// Read by a thread of its own: no end of this process waits for one.
fn input_closed() -> oneshot::Receiver<()> {
    let (sender, closed) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(sender);
    });
    closed
}

/// The body of a poll.
pub(crate) fn poll_body(identity: &str, max_tasks: u32) -> Bytes {
    let body = json!({
        "identity": identity,
        "max_tasks": max_tasks,
        "wait_seconds": WAIT_SECONDS,
        "lease_seconds": 60,
    });
    body.to_string().into()
}

/// The path of a poll.
pub(crate) fn poll_path() -> String {
    format!("task-queues/{QUEUE}/poll")
}

async fn poll(args: &Work, finished: &Finished) -> Result<()> {
    let mut connection = Connection::open(args.server).await?;
    let (path, body) = (poll_path(), poll_body(&args.identity, args.max_tasks));
    let room = args.polls * usize::try_from(args.max_tasks)?;
    loop {
        finished.until_in_hand_is_below(room).await;
        let answer = connection.send(Method::POST, &path, body.clone()).await?;
        let polled: Polled<'_> = answer.json()?;
        if args.tell && !polled.tasks.is_empty() {
            tell(&got(&polled.tasks))?;
        }
        finished.add(&polled.tasks);
    }
}

fn report_of(task: &Task<'_>) -> String {
    let result = task.input.map_or("null", RawValue::get);
    // A token has nothing in it that would have to be escaped.
    format!(r#"{{"token":"{}","result":{result}}}"#, task.token)
}

fn got(polled: &[Task<'_>]) -> Told {
    let mut tasks = BTreeMap::new();
    for task in polled {
        let key = task.fairness_key.clone().unwrap_or_default();
        *tasks.entry(key).or_default() += 1;
    }
    Told::Got { at_micros: clock::wall_micros(), tasks }
}

async fn report(args: &Work, finished: &Finished) -> Result<()> {
    let mut connection = Connection::open(args.server).await?;
    loop {
        let (body, tasks) = finished.next().await;
        let answer = answered(&mut connection, args.server, body).await?;
        let reported: Reported = answer.json()?;
        let all = reported.results.len() == tasks && reported.results.iter().all(|it| it.recorded);
        ensure!(all, "not recorded: {}", String::from_utf8_lossy(&answer.body));
        finished.note_recorded(tasks);
        if args.tell {
            let (at_micros, tasks) = (clock::wall_micros(), u64::try_from(tasks)?);
            tell(&Told::Recorded { at_micros, tasks })?;
        }
    }
}

/// Reports may be repeated, and the server closes a connection that was idle.
async fn answered(connection: &mut Connection, server: SocketAddr, body: Bytes) -> Result<Answer> {
    let path = "activities/reports";
    match connection.send(Method::POST, path, body.clone()).await {
        Ok(answer) => Ok(answer),
        Err(_) => {
            *connection = Connection::open(server).await?;
            connection.send(Method::POST, path, body).await
        }
    }
}

fn tell(told: &Told) -> Result<()> {
    output::line(&serde_json::to_string(told)?).context("nobody listens any more")
}

impl Finished {
    fn add(&self, tasks: &[Task<'_>]) {
        self.in_hand.update(|in_hand| in_hand + tasks.len());
        self.reports.borrow_mut().extend(tasks.iter().map(report_of));
        self.added.notify_one();
    }

    fn note_recorded(&self, tasks: usize) {
        self.in_hand.update(|in_hand| in_hand - tasks);
        self.recorded.notify_waiters();
    }

    /// A worker asks for no more than it has room for. On one thread, nothing is missed
    /// between the look and the wait.
    async fn until_in_hand_is_below(&self, room: usize) {
        while self.in_hand.get() >= room {
            self.recorded.notified().await;
        }
    }

    /// The body of the next request, and how many reports it has, once there is one.
    async fn next(&self) -> (Bytes, usize) {
        loop {
            let next = take(&mut self.reports.borrow_mut());
            if let Some(next) = next {
                if !self.reports.borrow().is_empty() {
                    self.added.notify_one();
                }
                return next;
            }
            self.added.notified().await;
        }
    }
}

fn take(reports: &mut VecDeque<String>) -> Option<(Bytes, usize)> {
    let mut body = String::from(r#"{"reports":["#);
    let mut count = 0;
    while count < REPORTS_MAX
        && let Some(report) =
            reports.pop_front_if(|it| count == 0 || body.len() + it.len() < BYTES_MAX)
    {
        if count > 0 {
            body.push(',');
        }
        body.push_str(&report);
        count += 1;
    }
    body.push_str("]}");
    (count > 0).then(|| (body.into(), count))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_task_is_reported_with_what_it_was_given() {
        let answer = r#"{"tasks":[{"token":"abc","input":{"a": [1]},"attempt":1},{"token":"d"}]}"#;
        let polled: Polled<'_> = serde_json::from_str(answer).expect("tasks");
        let mut reports: VecDeque<String> = polled.tasks.iter().map(report_of).collect();
        let (body, count) = take(&mut reports).expect("reports");
        assert_eq!(count, 2);
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let wanted =
            json!([{ "token": "abc", "result": { "a": [1] } }, { "token": "d", "result": null }]);
        assert_eq!(body["reports"], wanted);
        assert!(take(&mut reports).is_none());
    }

    #[test]
    fn a_request_holds_no_more_than_the_server_takes() {
        let mut many: VecDeque<String> = (0..1_500).map(|_| "{}".to_owned()).collect();
        let counts = [take(&mut many), take(&mut many)].map(|it| it.expect("reports").1);
        assert_eq!(counts, [1_000, 500]);
        let large = format!("\"{}\"", "x".repeat(BYTES_MAX * 2 / 3));
        let mut large = VecDeque::from([large.clone(), large]);
        assert_eq!(take(&mut large).expect("a report").1, 1);
        assert_eq!(large.len(), 1);
    }
}
