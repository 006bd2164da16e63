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
            idle_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
