//! W8: the floor. The rows of W1, written without Dacapo: nothing that keeps the
//! same rows as durably in this database can be faster.

use std::cell::Cell;

use anyhow::Result;
use dacapo_cli::output;
use futures::future::try_join;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::args::TargetFlags;
use crate::client::start_body;
use crate::database::Database;
use crate::floor::{PostgresWriter, Queue, Recorded, SqliteWriter, Unit, VirtualRun, write_all};
use crate::load::{Limit, Outcome, closed_loop};
use crate::meter::{Cost, Meter};
use crate::report;
use crate::stats::{per_second, rounded};
use crate::target::Target;

/// The same rows as W1, written by a bare program: what the database allows.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct Floor {
    /// Runs at a time; several are measured one after the other.
    #[arg(long, value_name = "COUNT", value_delimiter = ',', default_value = "1,16,64,256")]
    concurrency: Vec<usize>,
    /// Steps of the run whose rows are written.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    steps: u32,
    /// Runs for each concurrency, instead of a time.
    #[arg(long, value_name = "COUNT")]
    runs: Option<u64>,
    /// Time for each concurrency.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    seconds: f64,
    /// Seconds before each measurement that do not count.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    warmup: f64,
    #[command(flatten)]
    #[serde(skip)]
    target: TargetFlags,
}

#[derive(Debug, Serialize)]
struct Level {
    concurrency: usize,
    runs: u64,
    seconds: f64,
    runs_per_s: f64,
    steps_per_s: f64,
    rows_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Transactions of the writer.
    commits: u64,
    #[serde(flatten)]
    cost: Cost,
    rows_per_run: usize,
}

pub(crate) async fn run(args: Floor) -> Result<()> {
    let (database, recorded) = record(&args).await?;
    let mut levels = Vec::new();
    for &concurrency in &args.concurrency {
        levels.push(measure(&database, &recorded, &args, concurrency).await?);
    }
    report::print("w8_floor", database.kind(), &args, &levels)
}

/// Lets the server make the schema and the rows of one run, and ends it.
async fn record(args: &Floor) -> Result<(Database, Recorded)> {
    let target = Target::open(&args.target).await?;
    let mut connection = target.connect().await?;
    let body = start_body("sequential", &json!({ "steps": args.steps }));
    // Without an id of its own, a run's id is its workflow id.
    let run_id: Uuid = connection.complete(body).await?.workflow_id.parse()?;
    let database = target.into_database().await?;
    let recorded = Recorded::read(&database, run_id).await?;
    Ok((database, recorded))
}

async fn measure(
    database: &Database,
    recorded: &Recorded,
    args: &Floor,
    concurrency: usize,
) -> Result<Level> {
    // SQLite works in the process that uses it, which is this one.
    let server = match database {
        Database::Sqlite { .. } => Some(std::process::id()),
        Database::Postgres { .. } => None,
    };
    let mut meter = Meter { server, observer: database.observer().await?, workers: Vec::new() };
    let warmup = Limit::of(None, args.warmup);
    write(database, recorded, concurrency, warmup).await?;
    let before = meter.read().await?;
    let limit = Limit::of(args.runs, args.seconds);
    let (outcome, commits) = write(database, recorded, concurrency, limit).await?;
    let cost = meter.cost_since(&before, outcome.rounds).await?;

    let level = Level {
        concurrency,
        runs: outcome.rounds,
        seconds: rounded(outcome.elapsed.as_secs_f64()),
        runs_per_s: per_second(outcome.rounds, outcome.elapsed),
        steps_per_s: per_second(outcome.rounds * u64::from(args.steps), outcome.elapsed),
        rows_per_s: per_second(outcome.rounds * recorded.rows() as u64, outcome.elapsed),
        p50_ms: outcome.latencies.percentile(50.0),
        p99_ms: outcome.latencies.percentile(99.0),
        commits,
        cost,
        rows_per_run: recorded.rows(),
    };
    output::note(&format!(
        "{concurrency:4} at a time: {:8.1} runs/s, {:9.1} steps/s, {:9.1} rows/s, {commits} \
         commits; each run: {}",
        level.runs_per_s, level.steps_per_s, level.rows_per_s, level.cost
    ));
    Ok(level)
}

/// Writes runs in a closed loop. Answers with the number of transactions as well.
async fn write(
    database: &Database,
    recorded: &Recorded,
    concurrency: usize,
    limit: Limit,
) -> Result<(Outcome, u64)> {
    let (queue, jobs) = Queue::new();
    let clients = vec![queue; concurrency];
    let commits = Cell::new(0);
    let runs = closed_loop(clients, limit, async |queue: &mut Queue, _| {
        let run = VirtualRun::new();
        for number in 0..recorded.units() {
            queue.commit(Unit { run, number }).await?;
        }
        Ok(())
    });
    let (outcome, ()) = match database {
        Database::Postgres { .. } => {
            let writer = PostgresWriter::connect(&database.url()).await?;
            try_join(runs, write_all(writer, recorded, jobs, &commits)).await?
        }
        Database::Sqlite { path, .. } => {
            let writer = SqliteWriter::open(path).await?;
            try_join(runs, write_all(writer, recorded, jobs, &commits)).await?
        }
    };
    Ok((outcome, commits.get()))
}
