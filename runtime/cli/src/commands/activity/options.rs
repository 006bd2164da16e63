//! Flags that say how an activity is to be made.

use crate::commands::run::options::{AttributeFlags, Fields, RetryFlags, given, json};

/// Times, retries, order, and what is said about an activity.
#[derive(Debug, clap::Args)]
pub(super) struct ActivityOptionFlags {
    /// How long one attempt may take [default: 60].
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    timeout: Option<f64>,

    /// How long all attempts and the waits between them may take.
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    total_timeout: Option<f64>,

    /// How long an attempt may wait for a worker.
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    start_timeout: Option<f64>,

    /// Longest silence between two heartbeats.
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    heartbeat_timeout: Option<f64>,

    /// Let it wait so many seconds before a worker gets it.
    #[arg(long, value_name = "SECONDS", help_heading = "How it runs")]
    start_delay: Option<f64>,

    /// From 1, which comes first, to 5 [default: 3].
    #[arg(long, value_name = "NUMBER", help_heading = "How it runs")]
    priority: Option<u8>,

    /// Whose it is: those of one priority are handed out in turn by key.
    #[arg(long, value_name = "KEY", help_heading = "How it runs")]
    fairness_key: Option<String>,

    /// How many turns its key has for each turn of another [default: 1].
    #[arg(long, value_name = "NUMBER", help_heading = "How it runs")]
    fairness_weight: Option<f64>,

    #[command(flatten)]
    retry: RetryFlags,

    #[command(flatten)]
    attributes: AttributeFlags,
}

impl ActivityOptionFlags {
    /// The options of a start that were given.
    pub(super) fn into_fields(self) -> Fields {
        let mut fields = given([
            ("start_to_close_timeout_seconds", json(self.timeout)),
            ("schedule_to_close_timeout_seconds", json(self.total_timeout)),
            ("schedule_to_start_timeout_seconds", json(self.start_timeout)),
            ("heartbeat_timeout_seconds", json(self.heartbeat_timeout)),
            ("start_delay_seconds", json(self.start_delay)),
            ("priority", json(self.priority)),
            ("fairness_key", json(self.fairness_key)),
            ("fairness_weight", json(self.fairness_weight)),
            ("retry_policy", self.retry.into_field()),
        ]);
        fields.extend(self.attributes.into_fields());
        fields
    }
}
