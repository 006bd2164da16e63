//! Namespaces, and what is set of each.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host_pattern::HostPattern;
use crate::ids::NamespaceName;
use crate::limits::{
    HOST_BYTES_MAX, NAMESPACE_HOSTS_MAX, NAMESPACE_SECRETS_MAX, RETENTION_MAX, RETENTION_MIN,
    SECRET_NAME_BYTES_MAX,
};
use crate::queue_limits::Rate;
use crate::time::Timestamp;

/// The namespace that every database has from the beginning, and that stays.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct Namespace {
    /// Its name.
    pub name: NamespaceName,
    /// What is set of it.
    pub settings: NamespaceSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is being deleted: nothing can be asked for in it any more, and what it has
    /// goes, until the namespace is gone as well.
    pub deleted_at: Option<Timestamp>,
}

/// What is set of a namespace. What is not there is as the server has it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceSettings {
    /// How long closed runs are kept; none keeps them until somebody deletes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_seconds: Option<u64>,
    /// How much its runs and clients may ask for.
    pub limits: NamespaceLimits,
    /// Hosts that its activities may send requests to, of those that the server allows; none
    /// allows all of those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_hosts: Option<Vec<String>>,
    /// Names of secrets that its activities have, of those of the server; none gives them all
    /// of those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
}

/// The limits of a namespace. What is not there is not limited more than the server limits it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceLimits {
    /// Runs that are open at a time; no other starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_runs_max: Option<NonZeroU64>,
    /// How fast runs start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_rate: Option<Rate>,
    /// Attempts of activities that the server makes at a time; others wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activities_max: Option<NonZeroU64>,
    /// Bytes of one payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_bytes_max: Option<NonZeroU64>,
    /// Events of one history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_events_max: Option<NonZeroU64>,
    /// Bytes of one history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_bytes_max: Option<NonZeroU64>,
    /// Bytes of one uploaded module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_bytes_max: Option<NonZeroU64>,
}

/// What is to be changed of a namespace; what is not there stays as it is. None in it takes a
/// setting away.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NamespaceChange {
    /// See [`NamespaceSettings::retention_seconds`].
    pub retention_seconds: Option<Option<u64>>,
    /// See [`NamespaceLimits::open_runs_max`].
    pub open_runs_max: Option<Option<NonZeroU64>>,
    /// See [`NamespaceLimits::start_rate`].
    pub start_rate: Option<Option<Rate>>,
    /// See [`NamespaceLimits::activities_max`].
    pub activities_max: Option<Option<NonZeroU64>>,
    /// See [`NamespaceLimits::payload_bytes_max`].
    pub payload_bytes_max: Option<Option<NonZeroU64>>,
    /// See [`NamespaceLimits::history_events_max`].
    pub history_events_max: Option<Option<NonZeroU64>>,
    /// See [`NamespaceLimits::history_bytes_max`].
    pub history_bytes_max: Option<Option<NonZeroU64>>,
    /// See [`NamespaceLimits::module_bytes_max`].
    pub module_bytes_max: Option<Option<NonZeroU64>>,
    /// See [`NamespaceSettings::allowed_hosts`].
    pub allowed_hosts: Option<Option<Vec<String>>>,
    /// See [`NamespaceSettings::secrets`].
    pub secrets: Option<Option<Vec<String>>>,
}

impl NamespaceChange {
    /// The settings after the change.
    #[must_use]
    pub fn of(&self, settings: NamespaceSettings) -> NamespaceSettings {
        let change = self.clone();
        let limits = settings.limits;
        NamespaceSettings {
            retention_seconds: change.retention_seconds.unwrap_or(settings.retention_seconds),
            limits: NamespaceLimits {
                open_runs_max: change.open_runs_max.unwrap_or(limits.open_runs_max),
                start_rate: change.start_rate.unwrap_or(limits.start_rate),
                activities_max: change.activities_max.unwrap_or(limits.activities_max),
                payload_bytes_max: change.payload_bytes_max.unwrap_or(limits.payload_bytes_max),
                history_events_max: change.history_events_max.unwrap_or(limits.history_events_max),
                history_bytes_max: change.history_bytes_max.unwrap_or(limits.history_bytes_max),
                module_bytes_max: change.module_bytes_max.unwrap_or(limits.module_bytes_max),
            },
            allowed_hosts: change.allowed_hosts.unwrap_or(settings.allowed_hosts),
            secrets: change.secrets.unwrap_or(settings.secrets),
        }
    }
}

/// Why settings are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// Too short or too long.
    #[error(
        "a retention of {0} s is not possible; it goes from {min} s to {max} s, and without one \
         closed runs are kept",
        min = RETENTION_MIN.as_secs(),
        max = RETENTION_MAX.as_secs()
    )]
    Retention(u64),
    /// Too many of something.
    #[error("{count} {what} are too many; a namespace has {max} at most")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many were given.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// Not a host.
    #[error(
        "{0:?} is not a host: write `example.com`, `example.com:8080`, `*.example.com` or `*`, in \
         {HOST_BYTES_MAX} bytes at most"
    )]
    Host(String),
    /// Not the name of a secret.
    #[error(
        "{0:?} can't name a secret: a name has letters of ASCII, digits and `_`, \
         {SECRET_NAME_BYTES_MAX} at most. Values are not given here, but to the server"
    )]
    Secret(String),
}

impl NamespaceSettings {
    /// Checks what is not a type of its own.
    pub fn check(&self) -> Result<(), InvalidSettings> {
        if let Some(seconds) = self.retention_seconds
            && !(RETENTION_MIN.as_secs()..=RETENTION_MAX.as_secs()).contains(&seconds)
        {
            return Err(InvalidSettings::Retention(seconds));
        }
        let hosts = self.allowed_hosts.as_deref().unwrap_or_default();
        let secrets = self.secrets.as_deref().unwrap_or_default();
        for (what, count, max) in [
            ("hosts", hosts.len(), NAMESPACE_HOSTS_MAX),
            ("secrets", secrets.len(), NAMESPACE_SECRETS_MAX),
        ] {
            if count > max {
                return Err(InvalidSettings::TooMany { what, count, max });
            }
        }
        if let Some(host) = hosts.iter().find(|host| !is_host(host)) {
            return Err(InvalidSettings::Host(shown(host)));
        }
        if let Some(secret) = secrets.iter().find(|secret| !is_secret_name(secret)) {
            return Err(InvalidSettings::Secret(shown(secret)));
        }
        Ok(())
    }

    /// How long closed runs are kept.
    pub fn retention(&self) -> Option<Duration> {
        self.retention_seconds.map(Duration::from_secs)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SECRET_NAME_BYTES_MAX).collect()
}

fn is_host(text: &str) -> bool {
    text.len() <= HOST_BYTES_MAX && text.parse::<HostPattern>().is_ok()
}

fn is_secret_name(text: &str) -> bool {
    let may = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.len() <= SECRET_NAME_BYTES_MAX && text.chars().all(may)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(hosts: &[&str]) -> NamespaceSettings {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        NamespaceSettings { allowed_hosts: Some(hosts), ..NamespaceSettings::default() }
    }

    #[test]
    fn settings_that_can_not_be_meant_are_refused() {
        for seconds in [0, u64::MAX] {
            let retention_seconds = Some(seconds);
            let settings = NamespaceSettings { retention_seconds, ..NamespaceSettings::default() };
            assert_eq!(settings.check(), Err(InvalidSettings::Retention(seconds)));
        }
        assert_eq!(hosts(&["api.example.com", "*"]).check(), Ok(()));
        for host in ["", "https://example.com", "a b", &"x".repeat(HOST_BYTES_MAX + 1)] {
            assert!(matches!(hosts(&[host]).check(), Err(InvalidSettings::Host(_))), "{host}");
        }
        let many = vec!["a"; NAMESPACE_HOSTS_MAX + 1];
        assert!(matches!(hosts(&many).check(), Err(InvalidSettings::TooMany { .. })));
        for secret in ["", "KEY=value", "a-b"] {
            let secrets = Some(vec![secret.to_owned()]);
            let settings = NamespaceSettings { secrets, ..NamespaceSettings::default() };
            assert_eq!(settings.check(), Err(InvalidSettings::Secret(secret.to_owned())));
        }
    }

    #[test]
    fn a_change_leaves_alone_what_it_does_not_name() {
        let before = NamespaceSettings { retention_seconds: Some(60), ..hosts(&["a"]) };
        let change = NamespaceChange {
            retention_seconds: Some(None),
            open_runs_max: Some(NonZeroU64::new(7)),
            ..NamespaceChange::default()
        };
        let after = change.of(before.clone());
        assert_eq!(after.retention_seconds, None);
        assert_eq!(after.limits.open_runs_max, NonZeroU64::new(7));
        assert_eq!(after.allowed_hosts, before.allowed_hosts);
        assert_eq!(NamespaceChange::default().of(after.clone()), after);
    }

    #[test]
    fn settings_are_read_back_as_they_were_written() {
        let settings = NamespaceSettings {
            retention_seconds: Some(3600),
            limits: NamespaceLimits {
                open_runs_max: NonZeroU64::new(1),
                start_rate: Some(Rate::new(2.5, Some(9)).expect("valid")),
                activities_max: NonZeroU64::new(2),
                payload_bytes_max: NonZeroU64::new(3),
                history_events_max: NonZeroU64::new(4),
                history_bytes_max: NonZeroU64::new(5),
                module_bytes_max: NonZeroU64::new(6),
            },
            allowed_hosts: Some(Vec::new()),
            secrets: Some(vec!["KEY".to_owned()]),
        };
        for settings in [settings, NamespaceSettings::default()] {
            let text = serde_json::to_string(&settings).expect("JSON");
            assert_eq!(serde_json::from_str::<NamespaceSettings>(&text).expect("reads"), settings);
        }
        let newer = r#"{"limits": {"of_a_later_version": 1}, "more": true}"#;
        let read = serde_json::from_str::<NamespaceSettings>(newer).expect("reads");
        assert_eq!(read, NamespaceSettings::default());
    }
}
