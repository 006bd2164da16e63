//! What an operator may set.

use std::time::Duration;

use dacapo_model::limits::Limits;

use crate::traces::Traces;

/// How a node comes by the shards, and keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tenure {
    /// Takes them from whoever has them, and keeps no lease: for a store that no
    /// other process can have open, and for tests.
    #[default]
    Alone,
    /// Holds them under a lease. While that of another node goes on, it stands by.
    Leased {
        /// Takes them at once, whoever has them.
        take_over: bool,
    },
}

/// Settings of one node.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceConfig {
    /// Limits on what guests and clients may ask for.
    pub limits: Limits,
    /// How the node comes by the shards.
    pub tenure: Tenure,
    /// Attempts of activities that run at a time on this node.
    pub activities_max: usize,
    /// Bytes that instances may hold together. One at a time may hold more, so that it
    /// can go on; the others wait until there is room.
    pub instances_bytes_max: usize,
    /// Open runs for which there is room. Those that there are already, and runs that
    /// follow one that closes, are kept in any case.
    pub open_runs_max: usize,
    /// How long an idle run keeps its instance in memory.
    pub idle_timeout: Duration,
    /// How long a stopping node waits for attempts that are under way.
    pub shutdown_grace: Duration,
    /// Which traces are collected.
    pub traces: Traces,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            tenure: Tenure::default(),
            activities_max: 250,
            instances_bytes_max: 2 * 1024 * 1024 * 1024,
            open_runs_max: 256 * 1024,
            idle_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(10),
            traces: Traces::default(),
        }
    }
}
