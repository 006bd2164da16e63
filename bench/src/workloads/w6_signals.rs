//! W6: signals. Senders signal one run, or many in turn, each of which takes its
//! signals and completes.

use std::time::Duration;

use anyhow::{Result, ensure};
use dacapo_cli::output;
use dacapo_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::TargetFlags;
use crate::client::{Connection, named_start_body};
use crate::clock;
use crate::load::{Limit, Outcome, closed_loop, connections};
use crate::meter::{Cost, Cpu};
use crate::report;
use crate::stats::{per_second, rounded};
use crate::target::Target;

const WORKFLOW: &str = "signals";

/// Signals into one run, and into many.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct Signals {
    /// Signals in all. The server takes 10,000 of one run, unless it is told
    /// otherwise.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    signals: u64,
    /// Runs that get them; several numbers are measured one after the other.
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1,1000")]
    runs: Vec<u64>,
    /// Senders, each of which waits for an answer before it sends again.
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    concurrency: usize,
    /// Signals before each measurement that do not count, into a run of their own.
    #[arg(long, value_name = "COUNT", default_value_t = 2_000)]
    warmup: u64,
    #[command(flatten)]
    #[serde(skip)]
    target: TargetFlags,
}

/// What was found with so many runs.
#[derive(Debug, Serialize)]
struct Level {
    runs: u64,
    signals: u64,
    seconds: f64,
    /// Acknowledged, which is to say durable.
    signals_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// From the first signal to the time of the last closing event.
    completed_s: f64,
    #[serde(flatten)]
    cost: SignalCost,
}

/// What one signal cost, with the part of the run that took it.
#[derive(Debug, Serialize)]
struct SignalCost {
    cpu_ms_per_signal: Cpu,
    #[serde(skip_serializing_if = "Option::is_none")]
    commits_per_signal: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wal_bytes_per_signal: Option<f64>,
}

impl From<Cost> for SignalCost {
    fn from(cost: Cost) -> Self {
        Self {
            cpu_ms_per_signal: cost.cpu_ms_per_run,
            commits_per_signal: cost.commits_per_run,
            wal_bytes_per_signal: cost.wal_bytes_per_run,
        }
    }
}

pub(crate) async fn run(args: Signals) -> Result<()> {
    let target = Target::open(&args.target).await?;
    let mut levels = Vec::new();
    for &runs in &args.runs {
        ensure!((1..=args.signals).contains(&runs), "--runs is from 1 to the number of signals");
        levels.push(measure(&target, &args, runs).await?);
    }
    report::print("w6_signals", target.database_kind(), &args, &levels)
}

async fn measure(target: &Target, args: &Signals, runs: u64) -> Result<Level> {
    Receivers::start(target, args, 1, args.warmup).await?.signal(target, args).await?;
    let receivers = Receivers::start(target, args, runs, args.signals).await?;

    let mut meter = target.meter().await?;
    let before = meter.read().await?;
    let begun_micros = clock::wall_micros();
    let outcome = receivers.signal(target, args).await?;
    target.until_all_closed(WORKFLOW).await?;
    let cost = meter.cost_since(&before, args.signals).await?;
    let completed = receivers.completed_micros(target).await? - begun_micros;
    let completed = Duration::from_micros(u64::try_from(completed)?);

    output::note(&format!(
        "{runs:5} runs: {:8.1} signals/s, p50 {:.2} ms, p99 {:.2} ms, all completed after {:.2} s; \
         each signal: {cost}",
        per_second(outcome.rounds, outcome.elapsed),
        outcome.latencies.percentile(50.0),
        outcome.latencies.percentile(99.0),
        completed.as_secs_f64(),
    ));
    Ok(Level {
        runs,
        signals: outcome.rounds,
        seconds: rounded(outcome.elapsed.as_secs_f64()),
        signals_per_s: per_second(outcome.rounds, outcome.elapsed),
        p50_ms: outcome.latencies.percentile(50.0),
        p99_ms: outcome.latencies.percentile(99.0),
        max_ms: outcome.latencies.max(),
        completed_s: rounded(completed.as_secs_f64()),
        cost: cost.into(),
    })
}

/// Runs that wait for signals.
struct Receivers {
    /// What their workflow ids begin with: a server that was measured before has
    /// the runs of that time.
    name: String,
    runs: u64,
    signals: u64,
}

impl Receivers {
    async fn start(target: &Target, args: &Signals, runs: u64, signals: u64) -> Result<Self> {
        let receivers = Self { name: format!("signals-{}", clock::wall_micros()), runs, signals };
        let clients = connections(target.address()?, args.concurrency).await?;
        closed_loop(clients, Limit::Rounds(runs), async |client: &mut Connection, number| {
            let input = json!({ "count": receivers.share(number) });
            let body = named_start_body(WORKFLOW, &receivers.workflow_id(number), &input);
            client.start(body).await.map(drop)
        })
        .await?;
        Ok(receivers)
    }

    fn workflow_id(&self, number: u64) -> String {
        format!("{}-{number}", self.name)
    }

    /// How many of the signals a run gets, if they are dealt out in turn.
    fn share(&self, number: u64) -> u64 {
        self.signals / self.runs + u64::from(number < self.signals % self.runs)
    }

    /// Sends all signals. The guest has had them when their run closes.
    async fn signal(&self, target: &Target, args: &Signals) -> Result<Outcome> {
        let clients = connections(target.address()?, args.concurrency).await?;
        let limit = Limit::Rounds(self.signals);
        closed_loop(clients, limit, async |client: &mut Connection, number| {
            let workflow_id = self.workflow_id(number % self.runs);
            client.signal(&workflow_id, "tick", &json!({ "input": number })).await
        })
        .await
    }

    /// When the last of them closed, by its record. Fails unless each has taken
    /// its share.
    async fn completed_micros(&self, target: &Target) -> Result<i64> {
        let mut connection = target.connect().await?;
        let mut last = 0;
        for number in 0..self.runs {
            let workflow_id = self.workflow_id(number);
            let answer = connection.get(&format!("runs/{workflow_id}/result")).await?;
            let Completed { result, closed_at } = answer.json()?;
            let share = self.share(number);
            ensure!(result == share, "{workflow_id} took {result} signals instead of {share}");
            last = last.max(closed_at.as_micros());
        }
        Ok(last)
    }
}

#[derive(Deserialize)]
struct Completed {
    result: u64,
    closed_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_all_runs_are_all_signals() {
        for (runs, signals) in [(1, 10), (3, 10), (10, 10)] {
            let receivers = Receivers { name: String::new(), runs, signals };
            let dealt = |number| (0..signals).filter(|signal| signal % runs == number).count();
            for number in 0..runs {
                assert_eq!(receivers.share(number), dealt(number) as u64);
            }
        }
    }
}
