//! W11: fairness. One tenant has a long line of tasks; how long another's first task waits
//! while workers drain that line, and how many turns a weight gives.

use std::time::Duration;

use anyhow::{Context as _, Result};
use dacapo_cli::output;
use serde::Serialize;
use serde_json::{Value, json};

use super::w10_remote::fill;
use crate::args::TargetFlags;
use crate::client::{Connection, start_body};
use crate::clock;
use crate::report;
use crate::stats::{Sample, rounded};
use crate::target::Target;
use crate::worker::{QUEUE, Told};
use crate::workers::{WorkerFlags, Workers};

/// The key of the tenant with the long line.
const BUSY: &str = "busy";

/// How long the workers drain before another tenant comes.
const LEAD: Duration = Duration::from_millis(500);

/// The tasks of one that wait beside the many of another.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct Fairness {
    /// Tasks of the tenant with the long line.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    backlog: u64,
    /// Tasks that a run of it waits for at once.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    tasks_per_run: u64,
    /// Tenants that come with one task each, one after the other.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    tenants: u64,
    /// Weights of tenants that come with many tasks, one after the other.
    #[arg(long, value_name = "WEIGHT", value_delimiter = ',', default_value = "1,4")]
    weights: Vec<f64>,
    /// Tasks that each of those has.
    #[arg(long, value_name = "COUNT", default_value_t = 2_000)]
    weighted_tasks: u64,
    /// Worker processes.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    workers: usize,
    /// Polls of each at a time.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    polls_per_worker: usize,
    /// Room for tasks that each poll has: so many are on their way at once.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    max_tasks: u32,
    #[command(flatten)]
    #[serde(skip)]
    target: TargetFlags,
}

#[derive(Debug, Serialize)]
struct Found {
    backlog: u64,
    /// Of tenants with one task each.
    first: First,
    /// Of tenants with many tasks.
    weighted: Vec<Weighted>,
    /// Tasks that waited in the queue when the last tenant was done: the long line.
    left: u64,
}

/// From the request of one who comes until a worker has its task.
#[derive(Debug, Serialize)]
struct First {
    tenants: usize,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Tasks of the long line that workers got in between, once it was durable.
    overtaken_by_p50: u64,
    overtaken_by_max: u64,
}

#[derive(Debug, Serialize)]
struct Weighted {
    weight: f64,
    tasks: u64,
    /// What workers got of the long line meanwhile.
    busy_tasks: u64,
    /// Its tasks for each of the long line: its weight, if all is fair.
    turns: f64,
}

/// What workers got, in the order of time.
#[derive(Debug, Default)]
struct Got {
    /// When, of which key, how many.
    entries: Vec<(i64, String, u64)>,
}

pub(crate) async fn run(args: Fairness) -> Result<()> {
    let target = Target::open(&args.target).await?;
    let per_run = args.tasks_per_run.clamp(1, args.backlog.max(1));
    let runs = args.backlog.div_ceil(per_run);
    let backlog = runs * per_run;
    fill(&target, runs, per_run, Some(BUSY)).await?;
    output::note(&format!("{backlog} tasks of one tenant wait"));

    let flags = WorkerFlags {
        workers: args.workers,
        polls_per_worker: args.polls_per_worker,
        max_tasks: args.max_tasks,
    };
    let mut workers = Workers::start(target.address()?, &flags, true)?;
    let mut got = Got::default();
    got.until(&mut workers, BUSY, 1).await?;
    tokio::time::sleep(LEAD).await;
    let mut client = target.connect().await?;
    let first = first(&args, &mut client, &mut workers, &mut got).await?;
    let mut weighted = Vec::new();
    for &weight in &args.weights {
        let tasks = args.weighted_tasks;
        weighted.push(turns(weight, tasks, &mut client, &mut workers, &mut got).await?);
    }
    let left = waiting(&mut client).await?;
    let found = Found { backlog, first, weighted, left };
    told(&found);
    report::print("w11_fairness", target.database_kind(), &args, &found)
}

fn told(found: &Found) {
    let first = &found.first;
    output::note(&format!(
        "the first task of another waits: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; once it is \
         durable, workers get {} of the long line before it, at most {}",
        first.p50_ms, first.p99_ms, first.max_ms, first.overtaken_by_p50, first.overtaken_by_max
    ));
    for Weighted { weight, tasks, busy_tasks, turns } in &found.weighted {
        output::note(&format!(
            "{tasks} tasks of weight {weight}: {busy_tasks} of the long line meanwhile, {turns} turns"
        ));
    }
    if found.left == 0 {
        output::note("warning: the long line was at its end too soon; set --backlog");
    }
}

/// Tenants with one task each.
async fn first(
    args: &Fairness,
    client: &mut Connection,
    workers: &mut Workers,
    got: &mut Got,
) -> Result<First> {
    let (mut waits, mut overtaken) = (Vec::new(), Vec::new());
    for number in 0..args.tenants {
        let key = format!("late-{number}");
        let asked = clock::wall_micros();
        start(client, &key, 1, 1.0).await?;
        let durable = clock::wall_micros();
        got.until(workers, &key, 1).await?;
        let had = got.time_of(&key, 1).context("it is there")?;
        waits.push(Duration::from_micros(u64::try_from(had - asked).unwrap_or(0)));
        overtaken.push(got.between(BUSY, durable, had));
    }
    overtaken.sort_unstable();
    let waits = Sample::new(waits);
    Ok(First {
        tenants: waits.len(),
        p50_ms: waits.percentile(50.0),
        p99_ms: waits.percentile(99.0),
        max_ms: waits.max(),
        overtaken_by_p50: overtaken.get(overtaken.len() / 2).copied().unwrap_or_default(),
        overtaken_by_max: overtaken.last().copied().unwrap_or_default(),
    })
}

/// One tenant with many tasks.
async fn turns(
    weight: f64,
    tasks: u64,
    client: &mut Connection,
    workers: &mut Workers,
    got: &mut Got,
) -> Result<Weighted> {
    let key = format!("weight-{weight}");
    start(client, &key, tasks, weight).await?;
    got.until(workers, &key, tasks).await?;
    let begun = got.time_of(&key, 1).context("it is there")?;
    let ended = got.time_of(&key, tasks).context("it is there")?;
    let busy_tasks = got.between(BUSY, begun, ended);
    let turns = rounded(tasks as f64 / busy_tasks.max(1) as f64);
    Ok(Weighted { weight, tasks, busy_tasks, turns })
}

/// Tasks that wait in the queue.
async fn waiting(client: &mut Connection) -> Result<u64> {
    let queue: Value = client.get(&format!("task-queues/{QUEUE}")).await?.json()?;
    let backlog = queue["backlog"].as_array().context("a queue has a backlog")?;
    Ok(backlog.iter().filter_map(|it| it["tasks"].as_u64()).sum())
}

async fn start(client: &mut Connection, key: &str, tasks: u64, weight: f64) -> Result<()> {
    let input = json!({ "steps": tasks, "key": key, "weight": weight });
    client.start(start_body("remote_fan_out", &input)).await.map(drop)
}

impl Got {
    /// Notes what workers tell until they have got so many tasks of a key.
    async fn until(&mut self, workers: &mut Workers, key: &str, tasks: u64) -> Result<()> {
        while self.count(key) < tasks {
            self.note(workers.next().await?);
        }
        Ok(())
    }

    fn note(&mut self, told: Told) {
        let Told::Got { at_micros, tasks } = told else { return };
        self.entries.extend(tasks.into_iter().map(|(key, count)| (at_micros, key, count)));
    }

    fn count(&self, key: &str) -> u64 {
        self.of(key).map(|(_, count)| count).sum()
    }

    /// When workers had got so many tasks of a key.
    fn time_of(&self, key: &str, tasks: u64) -> Option<i64> {
        let mut times: Vec<(i64, u64)> = self.of(key).collect();
        times.sort_unstable();
        let mut sum = 0;
        times.into_iter().find_map(|(at, count)| {
            sum += count;
            (sum >= tasks).then_some(at)
        })
    }

    /// How many tasks of a key workers got after one time and before another.
    fn between(&self, key: &str, after: i64, before: i64) -> u64 {
        let within = self.of(key).filter(|(at, _)| (after + 1..before).contains(at));
        within.map(|(_, count)| count).sum()
    }

    fn of(&self, key: &str) -> impl Iterator<Item = (i64, u64)> {
        let of_key = self.entries.iter().filter(move |(_, of, _)| of == key);
        of_key.map(|(at, _, count)| (*at, *count))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_was_got_is_counted_by_key_and_time() {
        let mut got = Got::default();
        let mut note = |at_micros, key: &str, count| {
            let tasks = BTreeMap::from([(key.to_owned(), count)]);
            got.note(Told::Got { at_micros, tasks });
        };
        note(10, BUSY, 5);
        note(30, "late", 1);
        // Told late by another worker.
        note(20, BUSY, 7);
        note(40, "late", 2);
        got.note(Told::Recorded { at_micros: 50, tasks: 9 });
        assert_eq!((got.count(BUSY), got.count("late")), (12, 3));
        assert_eq!((got.time_of("late", 1), got.time_of("late", 3)), (Some(30), Some(40)));
        assert_eq!(got.time_of("late", 4), None);
        assert_eq!(got.between(BUSY, 10, 30), 7);
    }
}
