//! What the database itself allows: the rows of real runs, written without
//! Dacapo, by one connection that commits whatever is waiting at once.

mod postgres;
mod recorded;
mod sqlite;

use std::cell::Cell;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub(crate) use self::postgres::PostgresWriter;
pub(crate) use self::recorded::Recorded;
pub(crate) use self::sqlite::SqliteWriter;
use crate::clock;

/// Units in one transaction, as in the server.
const UNITS_MAX: usize = 512;

/// A run that exists in the database only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VirtualRun {
    pub(crate) hash: i32,
    pub(crate) run_id: Uuid,
}

impl VirtualRun {
    /// One whose rows lie anywhere in the hash space, as those of real runs do.
    #[expect(clippy::disallowed_methods, reason = "drawn as the server draws the ids of runs")]
    pub(crate) fn new() -> Self {
        let run_id = Uuid::now_v7();
        let (_, random) = run_id.as_u64_pair();
        Self { hash: (random as u32).cast_signed(), run_id }
    }
}

/// One of the transitions of a run, by its number from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    pub(crate) run: VirtualRun,
    pub(crate) number: usize,
}

/// Writes units in one transaction.
pub(crate) trait Writer {
    async fn write(&mut self, recorded: &Recorded, units: &[Unit]) -> Result<()>;
}

type Job = (Unit, oneshot::Sender<()>);

/// Hands units to the one that writes.
#[derive(Clone)]
pub(crate) struct Queue(mpsc::UnboundedSender<Job>);

impl Queue {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Job>) {
        let (jobs, queue) = mpsc::unbounded_channel();
        (Self(jobs), queue)
    }

    /// Returns when the unit is durable.
    pub(crate) async fn commit(&self, unit: Unit) -> Result<()> {
        let (done, durable) = oneshot::channel();
        self.0.send((unit, done)).ok().context("nobody writes any more")?;
        durable.await.context("the unit was not written")
    }
}

/// Writes what is waiting, until all queues are dropped. Counts transactions.
pub(crate) async fn write_all(
    mut writer: impl Writer,
    recorded: &Recorded,
    mut queue: mpsc::UnboundedReceiver<Job>,
    commits: &Cell<u64>,
) -> Result<()> {
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, UNITS_MAX).await > 0 {
        let units: Vec<_> = jobs.iter().map(|(unit, _)| *unit).collect();
        writer.write(recorded, &units).await?;
        commits.set(commits.get() + 1);
        for (_, done) in jobs.drain(..) {
            // A client that is gone does not mind.
            let _ = done.send(());
        }
    }
    Ok(())
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(clock::wall_micros()).unwrap_or_default()
}
