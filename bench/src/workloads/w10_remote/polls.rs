//! Polls that wait for nothing: what each takes of the server's memory, and what all of
//! them ask of the database.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use dacapo_cli::output;
use futures::future::try_join_all;
use http::Method;
use serde::Serialize;
use serde::de::IgnoredAny;

use super::Remote;
use crate::client::Connection;
use crate::meter::Meter;
use crate::report;
use crate::stats::rounded;
use crate::target::Target;
use crate::worker::{poll_body, poll_path};

/// Until what was just sent is waiting in the server, and memory does not grow any more.
const SETTLE: Duration = Duration::from_secs(3);

/// Polls that wait before memory is measured, so that what all share is in use.
const FIRST: u64 = 100;

/// Processes of workers that they say they are.
const IDENTITIES: u64 = 100;

#[derive(Debug, Serialize)]
struct Found {
    polls: u64,
    /// Memory of the server: before, and with all of them waiting.
    resident_bytes: Option<[u64; 2]>,
    resident_bytes_per_poll: Option<f64>,
    /// Transactions of the database while all wait; each is a statement, as nothing is
    /// written.
    idle_transactions_per_s: Option<f64>,
    idle_cpu_ms_per_s: Option<f64>,
}

pub(super) async fn run(args: &Remote, polls: u64) -> Result<()> {
    let target = Target::open(&args.sequential.target).await?;
    let found = tokio::select! {
        found = measure(&target, args, polls) => found?,
        failed = wait(&target, FIRST) => match failed? {},
    };
    output::note(&format!(
        "{} polls wait: {:.0} bytes of RAM each; {} transactions/s, {} ms of CPU per second",
        found.polls,
        found.resident_bytes_per_poll.unwrap_or_default(),
        found.idle_transactions_per_s.unwrap_or_default(),
        found.idle_cpu_ms_per_s.unwrap_or_default()
    ));
    report::print("w10_polls", target.database_kind(), args, &found)
}

async fn measure(target: &Target, args: &Remote, polls: u64) -> Result<Found> {
    tokio::time::sleep(SETTLE).await;
    let before = target.resident_bytes()?;
    tokio::select! {
        found = measure_waiting(target, args, polls, before) => found,
        failed = wait(target, polls) => match failed? {},
    }
}

async fn measure_waiting(
    target: &Target,
    args: &Remote,
    polls: u64,
    before: Option<u64>,
) -> Result<Found> {
    tokio::time::sleep(SETTLE).await;
    let waiting = target.resident_bytes()?;
    let mut meter = target.meter().await?;
    let (idle_transactions_per_s, idle_cpu_ms_per_s) = idle(&mut meter, args.idle_secs).await?;
    Ok(Found {
        polls,
        resident_bytes: before.zip(waiting).map(|(before, waiting)| [before, waiting]),
        resident_bytes_per_poll: before
            .zip(waiting)
            .map(|(before, waiting)| rounded((waiting as f64 - before as f64) / polls as f64)),
        idle_transactions_per_s,
        idle_cpu_ms_per_s,
    })
}

/// Transactions, and CPU of server and database, each per second.
async fn idle(meter: &mut Meter, seconds: f64) -> Result<(Option<f64>, Option<f64>)> {
    let before = meter.read().await?;
    let first = transactions(meter).await?;
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let last = transactions(meter).await?;
    let whole_seconds = seconds.round().max(1.0) as u64;
    let cost = meter.cost_since(&before, whole_seconds).await?;
    let each = |(first, last): (i64, i64)| rounded((last - first) as f64 / seconds);
    Ok((first.zip(last).map(each), cost.cpu_ms_per_run.total()))
}

async fn transactions(meter: &mut Meter) -> Result<Option<i64>> {
    match &mut meter.observer {
        Some(observer) => Ok(Some(observer.transactions().await?)),
        None => Ok(None),
    }
}

/// So many polls wait, each on a connection of its own.
async fn wait(target: &Target, polls: u64) -> Result<Infallible> {
    let address = target.address()?;
    let never = try_join_all((0..polls).map(|number| poll(address, number))).await?;
    match never.first() {
        Some(never) => match *never {},
        None => std::future::pending().await,
    }
}

/// A poll that waits, and begins again when the wait is over.
async fn poll(server: SocketAddr, number: u64) -> Result<Infallible> {
    let (path, body) = (poll_path(), poll_body(&format!("bench-{}", number % IDENTITIES), 1));
    let mut connection = Connection::open(server).await?;
    loop {
        let answer = connection.send(Method::POST, &path, body.clone()).await?;
        answer.json::<IgnoredAny>()?;
    }
}
