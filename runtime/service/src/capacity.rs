//! How much of everything a node has at a time.

use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::guest::GuestHost;
use dacapo_model::code::ErrorCode;
use tokio::sync::Semaphore;

use crate::config::ServiceConfig;
use crate::error::{Result, ServiceError};
use crate::fair::FairPlaces;
use crate::log_limit::LogLimit;
use crate::residency::Residency;
use crate::tenancy::Admission;

/// Requests that replay many runs, at a time. They take processors from runs.
const REPLAYS_MAX: usize = 2;

/// Children that are started at a time. Those of the others wait in the histories of
/// their parents, which costs little; an actor that waits for an instance costs more.
const CHILD_STARTS_MAX: usize = 1_024;

/// The part of all open runs that children can't have: one of so many.
const CLIENTS_RESERVE: usize = 8;

static TOO_MANY_LOG: LogLimit = LogLimit::new();

/// What the runs and requests of a node share by turns, because there is only so much.
pub(crate) struct Capacity {
    /// Instances in memory.
    pub(crate) residency: Arc<Residency>,
    /// Bytes that they may hold together.
    pub(crate) instances_bytes_max: usize,
    /// How long an idle run keeps its instance.
    pub(crate) idle_timeout: Duration,
    /// Attempts of activities. They wait here, where their timeouts do not run yet.
    pub(crate) attempts: Arc<FairPlaces>,
    /// Children that are being started.
    pub(crate) child_starts: Arc<FairPlaces>,
    /// Requests that replay many runs.
    pub(crate) replays: Semaphore,
    /// What namespaces have of their limits.
    pub(crate) admission: Admission,
    open_runs_max: usize,
}

impl Capacity {
    pub(crate) fn new(config: &ServiceConfig, host: &dyn GuestHost) -> Self {
        Self {
            residency: Residency::new(host.instances_max(), config.instances_bytes_max),
            instances_bytes_max: config.instances_bytes_max,
            idle_timeout: config.idle_timeout,
            attempts: FairPlaces::new(config.activities_max.min(host.activities_max())),
            child_starts: FairPlaces::new(CHILD_STARTS_MAX),
            replays: Semaphore::new(REPLAYS_MAX),
            admission: Admission::default(),
            open_runs_max: config.open_runs_max,
        }
    }

    /// Refuses one more open run, which is counted already, if there are too many. Children
    /// don't have the last eighth: workflows that start them without end leave some to the
    /// clients.
    pub(crate) fn admit_open_run(&self, open_runs: usize, is_child: bool) -> Result<()> {
        let open_runs_max = self.open_runs_max;
        let reserve = if is_child { open_runs_max / CLIENTS_RESERVE } else { 0 };
        if open_runs <= open_runs_max - reserve {
            return Ok(());
        }
        if let Some(withheld) = TOO_MANY_LOG.allows() {
            tracing::warn!(
                open_runs_max,
                withheld,
                "there are as many open runs as there may be; no other starts until some close"
            );
        }
        Err(ServiceError::new(
            ErrorCode::Overloaded,
            format!(
                "the server has {open_runs_max} open runs, and takes no more (`open_runs_max`); \
                 nothing was started. Send the request again once some have closed"
            ),
        ))
    }
}
