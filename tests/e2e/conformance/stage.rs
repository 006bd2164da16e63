//! What a behaviour is played on: a server that may die at any time and comes back at the same
//! address, and a client that tries again until it is answered.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dacapo_tests::{Answer, Client, Database, Effects, Settings, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::languages::Language;

/// Kills that are enough: by then a run was killed wherever it stands still.
const KILLS_MAX: u32 = 20;

/// Where the server is, whichever it is.
pub(crate) struct Address {
    client: Client,
    /// Events of each run that were seen to have come.
    seen: Mutex<BTreeMap<String, usize>>,
}

impl Address {
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { client: Client::new(address), seen: Mutex::default() }
    }

    /// Sends until there is somebody who answers.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        eventually(&format!("an answer to {method} {path}"), async || {
            let request = self.client.request(method.clone(), path);
            let request = match body {
                Some(body) => request.json(body),
                None => request,
            };
            let answer = self.client.try_send(request).await.ok()?;
            (answer.status != 503).then_some(answer)
        })
        .await
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    fn saw(&self, run: &Played, events: usize) {
        self.lock().insert(run.run_id.clone(), events);
    }

    /// Events of all runs.
    fn seen(&self) -> usize {
        self.lock().values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uploads a module. To compile one that brings an engine along may take a minute.
    pub(crate) async fn upload(&self, name: &str, component: Bytes) {
        let answer = self.client.upload(name, component).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    }
}

/// Plays something, on a server that is killed whenever a run has recorded something. Returns what
/// came of it, and how often that was.
pub(crate) async fn killed_again_and_again<T>(
    database: &Database,
    play: impl AsyncFnOnce(&Address) -> T,
) -> (T, u32) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = free.local_addr().expect("it has an address");
    drop(free);
    let start = || Settings::new(database).environment("DACAPO_LISTEN", &listen.to_string());
    let address = Address::of(listen);
    let mut server = start().start().await;
    let mut play = std::pin::pin!(play(&address));
    let mut kills = 0;
    loop {
        let gone_on = async {
            let before = address.seen();
            eventually("something goes on", async || (address.seen() > before).then_some(())).await;
        };
        tokio::select! {
            biased;
            played = &mut play => return (played, kills),
            () = gone_on, if kills < KILLS_MAX => {
                server.kill().await;
                kills += 1;
                server = start().start().await;
            }
        }
    }
}

/// One behaviour that is played.
pub(crate) struct Stage<'a> {
    pub(crate) language: &'a Language,
    pub(crate) address: &'a Address,
    pub(crate) effects: &'a Effects,
    pub(crate) number: u32,
}

/// A run that was started.
#[derive(Debug, Clone)]
pub(crate) struct Played {
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
}

impl Stage<'_> {
    /// Starts a workflow.
    pub(crate) async fn start(&self, workflow: &str, input: Value) -> Played {
        self.start_with(workflow, "run", json!({ "input": input })).await
    }

    /// Starts one more, or one with other fields of the request.
    pub(crate) async fn start_with(&self, workflow: &str, name: &str, mut more: Value) -> Played {
        let workflow_id = format!("{}-{name}", self.number);
        more["workflow"] = json!(workflow);
        more["workflow_id"] = json!(workflow_id);
        more["request_id"] = json!("the-same");
        let answer = self.address.send(Method::POST, "runs", Some(&more)).await;
        assert!(matches!(answer.status, 200 | 201), "{}: {answer:?}", self.number);
        let run_id = answer.json()["run_id"].as_str().expect("a run").to_owned();
        Played { workflow_id, run_id }
    }

    fn path(run: &Played, rest: &str) -> String {
        let separator = if rest.contains('?') { '&' } else { '?' };
        format!("runs/{}{rest}{separator}run_id={}", run.workflow_id, run.run_id)
    }

    async fn get(&self, run: &Played, rest: &str) -> Answer {
        self.address.send(Method::GET, &Self::path(run, rest), None).await
    }

    pub(crate) async fn post(&self, run: &Played, rest: &str, body: &Value) -> Answer {
        self.address.send(Method::POST, &Self::path(run, rest), Some(body)).await
    }

    /// Sends a signal once, however often it is sent.
    pub(crate) async fn signal(&self, run: &Played, name: &str, id: &str, input: Value) {
        let body = json!({"input": input, "request_id": id});
        self.post(run, &format!("/signals/{name}"), &body).await.ok(202);
    }

    pub(crate) async fn query(&self, run: &Played, name: &str, input: Value) -> Answer {
        self.post(run, &format!("/queries/{name}"), &json!({ "input": input })).await
    }

    pub(crate) async fn update(&self, run: &Played, name: &str, id: &str, input: Value) -> Value {
        let body = json!({"input": input, "update_id": id});
        eventually("the update is answered", async || {
            let answer = self.post(run, &format!("/updates/{name}?wait=30"), &body).await;
            (answer.status == 200).then(|| answer.json())
        })
        .await
    }

    pub(crate) async fn cancel(&self, run: &Played) {
        let body = json!({"reason": "enough", "request_id": "c"});
        let answer = self.post(run, "/cancel", &body).await;
        // A repeat may come after the end.
        assert!(matches!(answer.status, 202 | 409), "{answer:?}");
    }

    pub(crate) async fn terminate(&self, run: &Played) {
        let answer = self.post(run, "/terminate", &json!({"reason": "enough"})).await;
        assert_eq!(answer.status / 100, 2, "{answer:?}");
    }

    pub(crate) async fn describe(&self, run: &Played) -> Value {
        self.get(run, "").await.ok(200)
    }

    pub(crate) async fn waiting(&self, run: &Played) -> Value {
        self.get(run, "/waiting").await.ok(200)
    }

    /// Waits for an event of this type.
    pub(crate) async fn event(&self, run: &Played, event_type: &str) {
        eventually(&format!("{}: {event_type} is recorded", self.number), async || {
            let history = self.history(run).await;
            history.iter().any(|event| event["event_type"] == event_type).then_some(())
        })
        .await;
    }

    /// Waits for the end of this run, and returns how it was.
    pub(crate) async fn end(&self, run: &Played) -> Value {
        self.end_of(run, "follow=false").await
    }

    /// The same of the last run that follows it.
    pub(crate) async fn last_end(&self, run: &Played) -> Value {
        self.end_of(run, "follow=true").await
    }

    async fn end_of(&self, run: &Played, which: &str) -> Value {
        eventually(&format!("{}: the run ends", self.number), async || {
            let answer = self.get(run, &format!("/result?wait=1&{which}")).await;
            self.history(run).await;
            match answer.status {
                200 => Some(answer.json()),
                _ => {
                    assert_ne!(answer.ok(202)["status"], "blocked", "{}", self.describe(run).await);
                    None
                }
            }
        })
        .await
    }

    /// Waits until it has completed with this.
    pub(crate) async fn completes(&self, run: &Played, result: Value) {
        let end = self.end(run).await;
        assert_eq!(end["status"], "completed", "behaviour {}: {end}", self.number);
        assert_eq!(end["result"], result, "behaviour {}", self.number);
    }

    /// Waits until it is blocked, and returns the report.
    pub(crate) async fn blocked(&self, run: &Played) -> Value {
        eventually(&format!("{}: the run is blocked", self.number), async || {
            let description = self.describe(run).await;
            match description["status"].as_str() {
                Some("running") => None,
                Some("blocked") => Some(description["blocked"].clone()),
                _ => panic!("{}: the run is not blocked, but closed: {description}", self.number),
            }
        })
        .await
    }

    /// Its events so far. Whoever kills the server hears of them.
    pub(crate) async fn history(&self, run: &Played) -> Vec<Value> {
        let (mut events, mut from) = (Vec::new(), 1);
        loop {
            let answer = self.get(run, &format!("/history?from={from}&limit=100")).await;
            let mut page = answer.ok(200);
            events.append(page["events"].as_array_mut().expect("a page has events"));
            match page["next"].as_u64() {
                Some(next) => from = next,
                None => break,
            }
        }
        self.address.saw(run, events.len());
        events
    }
}
