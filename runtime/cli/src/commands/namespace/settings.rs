//! What is set of a namespace, as flags.

use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use dacapo_model::queue_limits::Rate;
use serde_json::{Map, Value, json};

use crate::config::parse_duration;

/// What is to be set.
#[derive(Debug, Default, clap::Args)]
pub(super) struct SettingsFlags {
    /// How long closed runs are kept, such as `30days`, or `none` for until they are deleted.
    #[arg(long, value_name = "DURATION")]
    retention: Option<Setting<Retention>>,

    /// Runs that are open at a time, or `none`.
    #[arg(long, value_name = "RUNS")]
    open_runs: Option<Setting<NonZeroU64>>,

    /// Runs that start per second, or `none`.
    #[arg(long, value_name = "PER_SECOND")]
    start_rate: Option<Setting<f64>>,

    /// Runs that start at once after a pause; as many as a second brings if left out.
    #[arg(long, value_name = "RUNS", requires = "start_rate")]
    start_burst: Option<u64>,

    /// Attempts of activities that the server makes at a time, or `none`.
    #[arg(long, value_name = "ATTEMPTS")]
    activities: Option<Setting<NonZeroU64>>,

    /// Bytes of one payload, or `none`.
    #[arg(long, value_name = "BYTES")]
    payload_bytes: Option<Setting<NonZeroU64>>,

    /// Events of one history, or `none`.
    #[arg(long, value_name = "EVENTS")]
    history_events: Option<Setting<NonZeroU64>>,

    /// Bytes of one history, or `none`.
    #[arg(long, value_name = "BYTES")]
    history_bytes: Option<Setting<NonZeroU64>>,

    /// Bytes of one uploaded module, or `none`.
    #[arg(long, value_name = "BYTES")]
    module_bytes: Option<Setting<NonZeroU64>>,

    /// Host that its activities may send requests to, of those that the server allows: HOST,
    /// HOST:PORT, *.DOMAIN or *. Repeat it for several; they replace those set before.
    #[arg(long, value_name = "HOST", conflicts_with_all = ["no_hosts", "server_hosts"])]
    allow_host: Vec<String>,

    /// Its activities may send requests to no host.
    #[arg(long, conflicts_with = "server_hosts")]
    no_hosts: bool,

    /// Its activities may send requests to all hosts that the server allows.
    #[arg(long)]
    server_hosts: bool,

    /// Secret that its activities have, by its name, of those of the server. Repeat it for
    /// several; they replace those set before.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["no_secrets", "server_secrets"])]
    secret: Vec<String>,

    /// Its activities have no secrets.
    #[arg(long, conflicts_with = "server_secrets")]
    no_secrets: bool,

    /// Its activities have all secrets of the server.
    #[arg(long)]
    server_secrets: bool,
}

/// A value, or that there is none.
#[derive(Debug, Clone, PartialEq)]
struct Setting<T>(Option<T>);

impl<T: FromStr<Err: std::fmt::Display>> FromStr for Setting<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let value = text.parse().map_err(|error| format!("{error}; or write `none`"))?;
        Ok(Self(Some(value)))
    }
}

/// Whole seconds.
#[derive(Debug, Clone, PartialEq)]
struct Retention(Duration);

impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let duration = parse_duration(text)?;
        match duration.subsec_nanos() {
            0 => Ok(Self(duration)),
            _ => Err("a retention has whole seconds".to_owned()),
        }
    }
}

impl SettingsFlags {
    /// What is sent: only what is named.
    pub(super) fn body(&self) -> Result<Map<String, Value>, String> {
        let mut body = Map::new();
        if let Some(Setting(retention)) = &self.retention {
            let seconds = retention.as_ref().map(|Retention(duration)| duration.as_secs());
            body.insert("retention_seconds".to_owned(), json!(seconds));
        }
        let limits = self.limits()?;
        if !limits.is_empty() {
            body.insert("limits".to_owned(), Value::Object(limits));
        }
        for (name, named, nothing, all) in [
            ("allowed_hosts", &self.allow_host, self.no_hosts, self.server_hosts),
            ("secrets", &self.secret, self.no_secrets, self.server_secrets),
        ] {
            if all {
                body.insert(name.to_owned(), Value::Null);
            } else if nothing || !named.is_empty() {
                body.insert(name.to_owned(), json!(named));
            }
        }
        Ok(body)
    }

    fn limits(&self) -> Result<Map<String, Value>, String> {
        let mut limits = Map::new();
        for (name, limit) in [
            ("open_runs_max", &self.open_runs),
            ("activities_max", &self.activities),
            ("payload_bytes_max", &self.payload_bytes),
            ("history_events_max", &self.history_events),
            ("history_bytes_max", &self.history_bytes),
            ("module_bytes_max", &self.module_bytes),
        ] {
            if let Some(Setting(limit)) = limit {
                limits.insert(name.to_owned(), json!(limit));
            }
        }
        match (&self.start_rate, self.start_burst) {
            (None, _) => {}
            (Some(Setting(None)), None) => {
                drop(limits.insert("start_rate".to_owned(), json!(null)))
            }
            (Some(Setting(None)), Some(_)) => {
                return Err("a burst belongs to a rate, which is to be `none`".to_owned());
            }
            (Some(Setting(Some(per_second))), burst) => {
                Rate::new(*per_second, burst).map_err(|error| error.to_string())?;
                let mut rate = json!({ "per_second": per_second });
                if let Some(burst) = burst {
                    rate["burst"] = json!(burst);
                }
                limits.insert("start_rate".to_owned(), rate);
            }
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        settings: SettingsFlags,
    }

    fn read(line: &str) -> Result<Value, String> {
        let words = ["create"].into_iter().chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.settings.body().map(Value::Object)
    }

    #[test]
    fn only_what_is_named_is_sent() {
        assert_eq!(read(""), Ok(json!({})));
        let line = "--retention 2days --open-runs 7 --start-rate 0.5 --activities none";
        let limits = json!({
            "open_runs_max": 7, "start_rate": {"per_second": 0.5}, "activities_max": null
        });
        assert_eq!(read(line), Ok(json!({"retention_seconds": 172_800, "limits": limits})));
        let body = json!({"allowed_hosts": ["a", "b:1"], "secrets": null});
        let line = "--allow-host a --allow-host b:1 --server-secrets";
        assert_eq!(read(line), Ok(body));
        let body = json!({"allowed_hosts": [], "retention_seconds": null});
        assert_eq!(read("--no-hosts --retention none"), Ok(body));
    }

    #[test]
    fn what_can_not_be_set_is_refused() {
        for line in [
            "--open-runs 0",
            "--open-runs many",
            "--retention 1500ms",
            "--retention soon",
            "--start-rate 0",
            "--start-burst 3",
            "--start-rate none --start-burst 3",
            "--allow-host a --no-hosts",
            "--no-secrets --server-secrets",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
