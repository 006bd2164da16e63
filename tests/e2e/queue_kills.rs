//! Workers and the server die by SIGKILL at random while many runs go on: each run completes,
//! each step was made at least once and has exactly one outcome.
//!
//! `DACAPO_QUEUE_RUNS` says how many runs, of [`STEPS`] tasks each, `DACAPO_QUEUE_DEATHS` about
//! how many deaths, and `DACAPO_QUEUE_SEED` who dies when: as in the last test that failed,
//! which names its seed.

use std::collections::{BTreeMap, BTreeSet};

use dacapo_tests::{Client, Database, Effects, Kind, Run, Server, TestWorker, eventually};
use futures::{StreamExt as _, stream};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

const QUEUE: &str = "emails";

/// Of each run, one after the other.
const STEPS: u32 = 3;

const WORKERS: usize = 3;

/// A worker that dies keeps its tasks for so long.
const LEASE_SECONDS: f64 = 1.5;

/// About so many deaths, unless it is said, however many tasks there are.
const DEATHS: u64 = 12;

/// Requests of this test at a time.
const AT_ONCE: usize = 50;

#[tokio::test]
async fn sqlite() {
    all_is_done_whoever_dies(Kind::Sqlite).await;
}

#[tokio::test]
async fn postgres() {
    all_is_done_whoever_dies(Kind::Postgres).await;
}

#[expect(clippy::print_stdout, reason = "a test that fails shows what it printed")]
async fn all_is_done_whoever_dies(kind: Kind) {
    let runs = parameter("DACAPO_QUEUE_RUNS").unwrap_or(100) as usize;
    let deaths_wanted = parameter("DACAPO_QUEUE_DEATHS").unwrap_or(DEATHS).max(1) as usize;
    let seed = parameter("DACAPO_QUEUE_SEED").unwrap_or_else(any_seed);
    println!("DACAPO_QUEUE_RUNS={runs} DACAPO_QUEUE_SEED={seed}");
    let mut fleet = Fleet::start(kind).await;
    let runs = start(&fleet.server.client(), runs).await;
    let tasks = runs.len() * STEPS as usize;

    let mut random = StdRng::seed_from_u64(seed);
    let mut deaths = BTreeMap::new();
    while fleet.effects.count() < tasks {
        let more = random.random_range(1..=(2 * tasks / deaths_wanted).max(1));
        fleet.does(more).await;
        let who = fleet.lose(random.random_range(0..WORKERS + 1)).await;
        *deaths.entry(who).or_insert(0) += 1;
    }
    check(&fleet, &runs).await;
    let made = fleet.effects.count();
    println!("{tasks} tasks were made {made} times, through these deaths: {deaths:?}");
}

fn parameter(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

#[expect(clippy::disallowed_methods, reason = "another one each time; it is printed")]
fn any_seed() -> u64 {
    rand::rng().random()
}

/// A server, and workers that find it wherever it is.
struct Fleet {
    server: Server,
    workers: Vec<TestWorker>,
    started: usize,
    effects: Effects,
    addresses: NamedTempFile,
    database: Database,
}

impl Fleet {
    async fn start(kind: Kind) -> Self {
        let database = Database::fresh(kind).await;
        let server = Server::start(&database).await;
        server.client().upload_guests(&["steps"]).await;
        let (effects, addresses) = (Effects::open().await, NamedTempFile::new().expect("a file"));
        let workers = Vec::new();
        let mut fleet = Self { server, workers, started: 0, effects, addresses, database };
        fleet.publish();
        for _ in 0..WORKERS {
            let worker = fleet.worker();
            fleet.workers.push(worker);
        }
        fleet
    }

    /// Tells the workers where the server is. All at once: they may be reading.
    fn publish(&self) {
        let lines = format!("{}\n{}\n", self.server.url(), self.effects.url());
        let path = self.addresses.path();
        let next = path.with_extension("next");
        std::fs::write(&next, lines).expect("it can be written");
        std::fs::rename(&next, path).expect("it can be put in place");
    }

    fn worker(&mut self) -> TestWorker {
        self.started += 1;
        let identity = format!("worker-{}", self.started);
        TestWorker::start(self.addresses.path(), QUEUE, &identity, LEASE_SECONDS)
    }

    /// Waits until so many more tasks were made.
    async fn does(&self, more: usize) {
        let mut seen = self.effects.count();
        let goal = seen + more;
        while seen < goal {
            // The last ones of all may not come to so many.
            let now = eventually("a task is made, or all runs are closed", async || {
                let now = self.effects.count();
                (now > seen || self.open_runs().await == 0).then_some(now)
            })
            .await;
            if now == seen {
                return;
            }
            seen = now;
        }
    }

    async fn open_runs(&self) -> usize {
        let page = self.server.client().get("runs?status=running&limit=1").await.ok(200);
        page["runs"].as_array().expect("a page has runs").len()
    }

    /// Kills one of the workers, or the server, and puts another in its place.
    async fn lose(&mut self, which: usize) -> &'static str {
        if which < self.workers.len() {
            let worker = self.worker();
            std::mem::replace(&mut self.workers[which], worker).kill().await;
            return "worker";
        }
        self.server.kill_at_once().await;
        self.server = Server::start(&self.database).await;
        self.publish();
        "server"
    }
}

async fn start(client: &Client, runs: usize) -> Vec<Run> {
    let options = json!({"initial_interval_millis": 1});
    let input = json!({"queue": QUEUE, "steps": STEPS, "options": options});
    let starting = (0..runs).map(|_| client.start("remote_sequential", input.clone()));
    stream::iter(starting).buffer_unordered(AT_ONCE).collect().await
}

/// Compares histories with what the workers did.
async fn check(fleet: &Fleet, runs: &[Run]) {
    let expected: Vec<u32> = (0..STEPS).collect();
    let checking = runs.iter().map(async |run| {
        let run = run.on(&fleet.server);
        assert_eq!(run.completed().await, json!(expected), "{}", run.run_id);
        let mut outcomes: BTreeMap<u64, u32> = BTreeMap::new();
        for event in run.history().await {
            count_outcome(&event, &mut outcomes);
        }
        assert_eq!(outcomes.len(), STEPS as usize, "{}: {outcomes:?}", run.run_id);
        assert!(outcomes.values().all(|count| *count == 1), "{}: {outcomes:?}", run.run_id);
    });
    stream::iter(checking).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;

    let mut made: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for effect in fleet.effects.all() {
        made.entry(effect.run_id).or_default().insert(effect.effect);
    }
    assert_eq!(made.len(), runs.len());
    for run in runs {
        let steps: Vec<u32> =
            made[&run.run_id].iter().map(|it| it.parse().expect("a step")).collect();
        assert_eq!(steps, expected, "{}", run.run_id);
    }
}

/// How often each activity was scheduled and completed; any other end is wrong.
fn count_outcome(event: &Value, outcomes: &mut BTreeMap<u64, u32>) {
    let id = |value: &Value| value.as_u64().expect("an event id");
    match event["event_type"].as_str().expect("a type") {
        "ActivityTaskScheduled" => {
            outcomes.insert(id(&event["event_id"]), 0);
        }
        "ActivityTaskCompleted" => {
            let scheduled = id(&event["attributes"]["scheduled_event_id"]);
            *outcomes.get_mut(&scheduled).expect("it was scheduled") += 1;
        }
        other => assert!(!other.starts_with("ActivityTask"), "{event}"),
    }
}
