//! What everything but the client takes: CPU of the server and of PostgreSQL,
//! and what PostgreSQL writes. Workers are counted by themselves.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::observer::{Observer, Written};
use crate::process;
use crate::stats::{millis, rounded};

/// Reads the counters of a target.
pub(crate) struct Meter {
    pub(crate) server: Option<u32>,
    pub(crate) observer: Option<Observer>,
    /// Processes that do the tasks of queues.
    pub(crate) workers: Vec<u32>,
}

/// The counters at one moment.
pub(crate) struct Reading {
    server: Option<Duration>,
    database: Option<Duration>,
    workers: Option<Duration>,
    written: Option<Written>,
}

/// CPU time in milliseconds. What can't be measured is missing; the CPU of SQLite
/// is the server's.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cpu {
    server: Option<f64>,
    database: Option<f64>,
    /// Of server and database.
    total: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<f64>,
}

impl Cpu {
    /// Of server and database.
    pub(crate) fn total(&self) -> Option<f64> {
        self.total
    }
}

/// What one run cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cost {
    pub(crate) cpu_ms_per_run: Cpu,
    /// Transactions of PostgreSQL that wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commits_per_run: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wal_bytes_per_run: Option<f64>,
}

impl Meter {
    pub(crate) async fn read(&mut self) -> Result<Reading> {
        let postmaster = self.observer.as_ref().and_then(Observer::postmaster);
        let written = match &mut self.observer {
            Some(observer) => Some(observer.written().await?),
            None => None,
        };
        let workers =
            self.workers.iter().map(|pid| process::cpu_of_tree(*pid)).sum::<Result<_>>()?;
        Ok(Reading {
            server: self.server.map(process::cpu_of_tree).transpose()?,
            database: postmaster.map(process::cpu_of_tree).transpose()?,
            workers: (!self.workers.is_empty()).then_some(workers),
            written,
        })
    }

    /// What each of so many runs cost since an earlier reading.
    pub(crate) async fn cost_since(&mut self, before: &Reading, runs: u64) -> Result<Cost> {
        Ok(self.read().await?.cost_since(before, runs))
    }
}

impl Reading {
    fn cost_since(&self, before: &Self, runs: u64) -> Cost {
        let cpu = |after: Option<Duration>, before: Option<Duration>| {
            Some(millis(after?.saturating_sub(before?)) / runs as f64)
        };
        let server = cpu(self.server, before.server);
        let database = cpu(self.database, before.database);
        let workers = cpu(self.workers, before.workers);
        let written = self.written.zip(before.written);
        let each = |count: i64| rounded(count as f64 / runs as f64);
        Cost {
            cpu_ms_per_run: Cpu {
                server: server.map(rounded),
                database: database.map(rounded),
                total: (server.is_some() || database.is_some())
                    .then(|| rounded(server.unwrap_or(0.0) + database.unwrap_or(0.0))),
                workers: workers.map(rounded),
            },
            commits_per_run: written.map(|(now, then)| each(now.transactions - then.transactions)),
            wal_bytes_per_run: written.map(|(now, then)| each(now.wal_bytes - then.wal_bytes)),
        }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |number: Option<f64>| number.map_or("?".to_owned(), |it| format!("{it:.3}"));
        let Cpu { server, database, total, workers } = &self.cpu_ms_per_run;
        write!(
            f,
            "CPU {} ms (server {}, database {}), {} commits",
            shown(*total),
            shown(*server),
            shown(*database),
            shown(self.commits_per_run)
        )?;
        match workers {
            Some(workers) => write!(f, ", workers {workers:.3} ms"),
            None => Ok(()),
        }
    }
}
