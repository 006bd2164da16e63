//! Many tasks that wait for no worker, and then how fast workers take them: as fast at
//! the end as at the beginning, if a claim costs the same in a queue of any length.

use std::time::Duration;

use anyhow::Result;
use dacapo_cli::output;
use serde::Serialize;
use serde_json::json;

use super::Remote;
use crate::client::{Connection, start_body};
use crate::load::{Limit, closed_loop, connections};
use crate::meter::{Cost, Cpu, Meter};
use crate::report;
use crate::stats::per_second;
use crate::target::Target;
use crate::worker::Told;
use crate::workers::Workers;

/// Clients that start runs.
const CLIENTS: usize = 64;

#[derive(Debug, Serialize)]
struct Found {
    tasks: u64,
    runs: u64,
    enqueued_per_s: f64,
    enqueue: TaskCost,
    /// From the first task that a worker gets to the last result that is durable.
    drained_per_s: f64,
    /// Of the first and of the last tenth.
    first_tenth_per_s: f64,
    last_tenth_per_s: f64,
    drain: TaskCost,
}

/// What one task cost, with its part of the run that waits for it.
#[derive(Debug, Serialize)]
struct TaskCost {
    cpu_ms_per_task: Cpu,
    #[serde(skip_serializing_if = "Option::is_none")]
    commits_per_task: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wal_bytes_per_task: Option<f64>,
}

impl From<Cost> for TaskCost {
    fn from(cost: Cost) -> Self {
        Self {
            cpu_ms_per_task: cost.cpu_ms_per_run,
            commits_per_task: cost.commits_per_run,
            wal_bytes_per_task: cost.wal_bytes_per_run,
        }
    }
}

pub(super) async fn run(args: &Remote, tasks: u64) -> Result<()> {
    let target = Target::open(&args.sequential.target).await?;
    let per_run = args.tasks_per_run.clamp(1, tasks.max(1));
    let runs = tasks.div_ceil(per_run);
    let tasks = runs * per_run;

    let mut meter = target.meter().await?;
    let before = meter.read().await?;
    let filled = fill(&target, runs, per_run, None).await?;
    let enqueue = meter.cost_since(&before, tasks).await?;
    output::note(&format!(
        "{tasks} tasks of {runs} runs wait, {:.0} per second; each: {enqueue}",
        per_second(tasks, filled)
    ));

    let mut workers = Workers::start(target.address()?, &args.workers, true)?;
    let mut meter = Meter { workers: workers.pids(), ..target.meter().await? };
    let before = meter.read().await?;
    let mut progress = Progress::default();
    while progress.recorded() < tasks {
        progress.note(&workers.next().await?);
    }
    target.until_all_closed("remote_fan_out").await?;
    let drain = meter.cost_since(&before, tasks).await?;

    let found = Found {
        tasks,
        runs,
        enqueued_per_s: per_second(tasks, filled),
        enqueue: enqueue.into(),
        drained_per_s: progress.rate(0, tasks),
        first_tenth_per_s: progress.rate(0, tasks / 10),
        last_tenth_per_s: progress.rate(tasks - tasks / 10, tasks),
        drain: drain.clone().into(),
    };
    output::note(&format!(
        "drained: {:.0} per second; the first tenth {:.0}, the last tenth {:.0}; each: {drain}",
        found.drained_per_s, found.first_tenth_per_s, found.last_tenth_per_s
    ));
    report::print("w10_backlog", target.database_kind(), args, &found)
}

/// Starts runs that wait for tasks, of a fairness key if one is given. Returns when all
/// tasks are in the queue.
pub(in crate::workloads) async fn fill(
    target: &Target,
    runs: u64,
    tasks_per_run: u64,
    key: Option<&str>,
) -> Result<Duration> {
    let input = json!({ "steps": tasks_per_run, "key": key });
    let body = start_body("remote_fan_out", &input);
    let start = async |client: &mut Connection, _| client.start(body.clone()).await.map(drop);
    let clients = connections(target.address()?, CLIENTS).await?;
    Ok(closed_loop(clients, Limit::Rounds(runs), start).await?.elapsed)
}

/// How many results were durable at which time.
#[derive(Default)]
struct Progress {
    /// When the first task was got.
    begun: Option<i64>,
    /// Times and sums, growing.
    sums: Vec<(i64, u64)>,
}

impl Progress {
    fn note(&mut self, told: &Told) {
        match *told {
            Told::Got { at_micros, .. } => {
                self.begun = Some(self.begun.map_or(at_micros, |begun| begun.min(at_micros)));
            }
            Told::Recorded { at_micros, tasks } => {
                let last = self.sums.last().map_or(0, |(last, _)| *last);
                // Lines of two workers may come in another order than they were written.
                self.sums.push((at_micros.max(last), self.recorded() + tasks));
            }
        }
    }

    fn recorded(&self) -> u64 {
        self.sums.last().map_or(0, |(_, sum)| *sum)
    }

    /// Tasks per second, of those from one number to another.
    fn rate(&self, from: u64, to: u64) -> f64 {
        let at = |tasks: u64| match tasks {
            0 => self.begun.map(|begun| (begun, 0)),
            _ => self.sums.iter().find(|(_, sum)| *sum >= tasks).copied(),
        };
        let Some(((began, first), (ended, last))) = at(from).zip(at(to)) else { return 0.0 };
        let micros = u64::try_from(ended - began).unwrap_or(0).max(1);
        per_second(last - first, Duration::from_micros(micros))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_rate_is_that_of_a_part() {
        let mut progress = Progress::default();
        progress.note(&Told::Got { at_micros: 1_000_000, tasks: BTreeMap::new() });
        for second in 1..=10 {
            let tasks = if second == 10 { 50 } else { 100 };
            progress.note(&Told::Recorded { at_micros: 1_000_000 * (second + 1), tasks });
        }
        assert_eq!(progress.recorded(), 950);
        assert_eq!(progress.rate(0, 100), 100.0);
        assert_eq!(progress.rate(900, 950), 50.0);
        assert_eq!(progress.rate(0, 950), 95.0);
    }

    #[test]
    fn what_was_not_reached_has_no_rate() {
        assert_eq!(Progress::default().rate(0, 10), 0.0);
    }
}
