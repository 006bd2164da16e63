//! What an operator may set.

use std::time::Duration;

use dacapo_model::limits::Limits;

/// Settings of one node.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceConfig {
    /// Limits on what guests and clients may ask for.
    pub limits: Limits,
    /// Attempts of activities that run at a time on this node.
    pub activities_max: usize,
    /// Bytes that the instances of idle runs may hold together. Those that run may hold
    /// more for a moment; no other starts then.
    pub instances_bytes_max: usize,
    /// How long an idle run keeps its instance in memory.
    pub idle_timeout: Duration,
    /// How long a stopping node waits for attempts that are under way.
    pub shutdown_grace: Duration,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            activities_max: 250,
            instances_bytes_max: 2 * 1024 * 1024 * 1024,
            idle_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
