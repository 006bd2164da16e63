//! W4: very many runs asleep. What one costs while it sleeps, what all of them
//! ask of the database, and how late they wake.

use std::time::Duration;

use anyhow::{Result, ensure};
use dacapo_cli::output;
use dacapo_model::time::Timestamp;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::TargetFlags;
use crate::client::{Connection, named_start_body};
use crate::clock;
use crate::load::{Limit, closed_loop, connections};
use crate::meter::{Cost, Meter};
use crate::report;
use crate::stats::{Sample, per_second, rounded};
use crate::target::Target;

/// Runs that are started to find out how fast that goes.
const CALIBRATION_RUNS: u64 = 2_000;

/// How long each of them sleeps.
const CALIBRATION_SLEEP: Duration = Duration::from_secs(1);

/// Added to the time that starting all of them is expected to take.
const SLACK: Duration = Duration::from_secs(10);

/// The server holds the timers of the next minute in memory. The idle time is
/// over before the first of them is that near.
const HORIZON: Duration = Duration::from_secs(62);

/// Before the first is due, clients begin to wait.
const WAITERS_LEAD: Duration = Duration::from_secs(3);

const WORKFLOW: &str = "sleep_until";

/// Very many runs asleep, and how late they wake.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct Sleepers {
    /// How many.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    runs: u64,
    /// Time in which all of them wake, at equal distances.
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0)]
    window_secs: f64,
    /// Time between the first start and the first that is due, instead of one
    /// that follows from how fast runs start.
    #[arg(long, value_name = "SECONDS")]
    lead_secs: Option<f64>,
    /// Time after the last start until no run is in memory: the idle timeout of
    /// the server, and some more.
    #[arg(long, value_name = "SECONDS", default_value_t = 12.0)]
    evict_secs: f64,
    /// Time for which the database is watched while all sleep.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    idle_secs: f64,
    /// Clients that start runs.
    #[arg(long, value_name = "COUNT", default_value_t = 128)]
    concurrency: usize,
    /// Clients that wait for a run to complete, spread over the window.
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    waiters: u64,
    #[command(flatten)]
    #[serde(skip)]
    target: TargetFlags,
}

#[derive(Debug, Serialize)]
struct Found {
    starts_per_s: f64,
    start: Cost,
    /// Runs that were due before the last one was started. If there are any, the
    /// figures about sleep are worth nothing.
    due_by_then: u64,
    /// Memory of the server: before, with all asleep, and after all have woken.
    resident_bytes: Option<[u64; 3]>,
    resident_bytes_per_run: Option<f64>,
    database_bytes_per_run: Option<f64>,
    /// Transactions of the database while all sleep.
    idle_transactions_per_s: Option<f64>,
    wakes_per_s: f64,
    wake: Cost,
    /// From due to the arrival of the result.
    lag_at_client: Lag,
    /// From due to the time of the closing event, for all runs.
    lag_by_record: Lag,
}

#[derive(Debug, Serialize)]
struct Lag {
    runs: usize,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Lag {
    fn new(lags: Vec<Duration>) -> Self {
        let lags = Sample::new(lags);
        Self {
            runs: lags.len(),
            p50_ms: lags.percentile(50.0),
            p99_ms: lags.percentile(99.0),
            max_ms: lags.max(),
        }
    }
}

/// When each run is due.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    first_micros: i64,
    window: Duration,
    runs: u64,
}

impl Schedule {
    /// In whole milliseconds, as the workflow takes it.
    fn due_millis(self, number: u64) -> i64 {
        let share = number as f64 / self.runs as f64;
        self.first_micros / 1_000 + (self.window.as_secs_f64() * 1e3 * share) as i64
    }

    /// How long after it was due something happened. The workflow sleeps from the
    /// time that it started, so it is never earlier.
    fn lag(self, number: u64, micros: i64) -> Duration {
        let lag = micros - self.due_millis(number) * 1_000;
        Duration::from_micros(u64::try_from(lag).unwrap_or(0))
    }
}

pub(crate) async fn run(args: Sleepers) -> Result<()> {
    let target = Target::open(&args.target).await?;
    let found = measure(&target, &args).await?;
    report::print("w4_sleepers", target.database_kind(), &args, &found)
}

async fn measure(target: &Target, args: &Sleepers) -> Result<Found> {
    let runs = args.runs;
    let schedule = schedule(target, args).await?;
    let mut meter = target.meter().await?;
    let resident_before = target.resident_bytes()?;
    let size_before = size(&mut meter).await?;

    let before = meter.read().await?;
    let started = start(target, args, "sleeper", Limit::Rounds(runs), async |number| {
        schedule.due_millis(number)
    })
    .await?;
    let start = meter.cost_since(&before, runs).await?;
    let due_by_then = due_before(schedule, clock::wall_micros());
    let starts_per_s = per_second(runs, started);
    output::note(&format!("{runs} started, {starts_per_s:.0} per second; each: {start}"));

    tokio::time::sleep(Duration::from_secs_f64(args.evict_secs)).await;
    let resident_asleep = target.resident_bytes()?;
    let size_asleep = size(&mut meter).await?;
    let idle_transactions_per_s = idle_transactions(&mut meter, args).await?;
    output::note(&format!(
        "asleep: {} MiB in RAM, before {} MiB; {} transactions/s",
        mebibytes(resident_asleep),
        mebibytes(resident_before),
        idle_transactions_per_s.map_or("?".to_owned(), |it| it.to_string())
    ));

    sleep_until(schedule.first_micros - micros(WAITERS_LEAD)).await;
    let before = meter.read().await?;
    let lag_at_client = Lag::new(wait_for_some(target, args, schedule).await?);
    target.until_all_closed(WORKFLOW).await?;
    let wake = meter.cost_since(&before, runs).await?;
    let (lags, last) = recorded_lags(target, schedule).await?;
    let lag_by_record = Lag::new(lags);
    let waking = Duration::from_micros(u64::try_from(last - schedule.first_micros).unwrap_or(1));
    let found = Found {
        starts_per_s,
        start,
        due_by_then,
        resident_bytes: all(resident_before, resident_asleep, target.resident_bytes()?),
        resident_bytes_per_run: growth(resident_before, resident_asleep, runs),
        database_bytes_per_run: growth(size_before, size_asleep, runs),
        idle_transactions_per_s,
        wakes_per_s: per_second(runs, waking),
        wake,
        lag_at_client,
        lag_by_record,
    };
    output::note(&format!(
        "woken: {:.0} per second; late by p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms (client), p50 \
         {:.1} ms, p99 {:.1} ms, max {:.1} ms (record); each: {}; {} bytes of RAM per sleeping run",
        found.wakes_per_s,
        found.lag_at_client.p50_ms,
        found.lag_at_client.p99_ms,
        found.lag_at_client.max_ms,
        found.lag_by_record.p50_ms,
        found.lag_by_record.p99_ms,
        found.lag_by_record.max_ms,
        found.wake,
        found.resident_bytes_per_run.unwrap_or_default()
    ));
    Ok(found)
}

/// Starts some that are due soon, to see how fast that goes, and so that the
/// memory that they share is in use before it is measured. Plans the others so
/// that all have been started, and watched asleep, before the first is due.
async fn schedule(target: &Target, args: &Sleepers) -> Result<Schedule> {
    let limit = Limit::Rounds(CALIBRATION_RUNS);
    let soon = async |_| (clock::wall_micros() + micros(CALIBRATION_SLEEP)) / 1_000;
    let elapsed = start(target, args, "calibration", limit, soon).await?;
    target.until_all_closed(WORKFLOW).await?;
    let lead = match args.lead_secs {
        Some(seconds) => Duration::from_secs_f64(seconds),
        None => {
            let starting = elapsed.mul_f64(args.runs as f64 / CALIBRATION_RUNS as f64 * 1.5);
            let asleep = Duration::from_secs_f64(args.evict_secs + args.idle_secs);
            starting + SLACK + asleep + HORIZON
        }
    };
    output::note(&format!("the first is due in {:.0} s", lead.as_secs_f64()));
    Ok(Schedule {
        first_micros: clock::wall_micros() + micros(lead),
        window: Duration::from_secs_f64(args.window_secs),
        runs: args.runs,
    })
}

/// Starts runs that sleep until `due_millis` of their number.
async fn start(
    target: &Target,
    args: &Sleepers,
    name: &str,
    limit: Limit,
    due_millis: impl AsyncFn(u64) -> i64,
) -> Result<Duration> {
    let clients = connections(target.address()?, args.concurrency).await?;
    let outcome = closed_loop(clients, limit, async |client: &mut Connection, number| {
        let input = json!({ "at_millis": due_millis(number).await });
        let body = named_start_body(WORKFLOW, &format!("{name}-{number}"), &input);
        client.start(body).await.map(drop)
    })
    .await?;
    Ok(outcome.elapsed)
}

/// How many of the runs are due at a time.
fn due_before(schedule: Schedule, micros: i64) -> u64 {
    (0..schedule.runs).take_while(|number| schedule.due_millis(*number) * 1_000 < micros).count()
        as u64
}

async fn idle_transactions(meter: &mut Meter, args: &Sleepers) -> Result<Option<f64>> {
    let Some(observer) = &mut meter.observer else { return Ok(None) };
    let idle = Duration::from_secs_f64(args.idle_secs);
    let before = observer.transactions().await?;
    tokio::time::sleep(idle).await;
    let transactions = observer.transactions().await? - before;
    Ok(Some(rounded(transactions as f64 / idle.as_secs_f64())))
}

/// Each waits for one run, on a connection of its own.
async fn wait_for_some(
    target: &Target,
    args: &Sleepers,
    schedule: Schedule,
) -> Result<Vec<Duration>> {
    let address = target.address()?;
    let waiters = args.waiters.min(args.runs);
    try_join_all((0..waiters).map(async |waiter| {
        let number = waiter * args.runs / waiters;
        let mut connection = Connection::open(address).await?;
        connection.completion(&format!("sleeper-{number}")).await?;
        Ok(schedule.lag(number, clock::wall_micros()))
    }))
    .await
}

#[derive(Deserialize)]
struct Page {
    runs: Vec<Listed>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    workflow_id: String,
    closed_at: Option<Timestamp>,
}

/// How late each run closed, as its record says; and when the last did.
async fn recorded_lags(target: &Target, schedule: Schedule) -> Result<(Vec<Duration>, i64)> {
    let mut connection = target.connect().await?;
    let (mut lags, mut last) = (Vec::new(), 0);
    let mut token = String::new();
    loop {
        let path = format!("runs?status=completed&workflow_type={WORKFLOW}&limit=1000{token}");
        let answer = connection.get(&path).await?;
        let page: Page = answer.json()?;
        for run in &page.runs {
            let number = run.workflow_id.strip_prefix("sleeper-");
            let Some((number, closed_at)) = number.zip(run.closed_at) else { continue };
            let closed_at = closed_at.as_micros();
            lags.push(schedule.lag(number.parse()?, closed_at));
            last = last.max(closed_at);
        }
        match page.next_page_token {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    let missing = schedule.runs.saturating_sub(lags.len() as u64);
    ensure!(missing == 0, "{missing} runs did not complete");
    Ok((lags, last))
}

async fn size(meter: &mut Meter) -> Result<Option<u64>> {
    match &mut meter.observer {
        Some(observer) => Ok(u64::try_from(observer.size_bytes().await?).ok()),
        None => Ok(None),
    }
}

async fn sleep_until(micros: i64) {
    let pause = u64::try_from(micros - clock::wall_micros()).unwrap_or(0);
    tokio::time::sleep(Duration::from_micros(pause)).await;
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn growth(before: Option<u64>, after: Option<u64>, runs: u64) -> Option<f64> {
    Some(rounded((after? as f64 - before? as f64) / runs as f64))
}

fn all(first: Option<u64>, second: Option<u64>, third: Option<u64>) -> Option<[u64; 3]> {
    Some([first?, second?, third?])
}

fn mebibytes(bytes: Option<u64>) -> u64 {
    bytes.unwrap_or_default() / (1024 * 1024)
}
