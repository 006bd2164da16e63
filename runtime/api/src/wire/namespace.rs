//! Namespaces.

use std::num::NonZeroU64;

use dacapo_model::ids::NamespaceName;
use dacapo_model::namespace as model;
use dacapo_model::queue_limits as rates;
use dacapo_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::object::{self, named, named_object};
use crate::error::ApiError;

/// A namespace.
#[derive(Serialize, ToSchema)]
pub(crate) struct Namespace {
    /// Its name.
    #[schema(value_type = String, example = "shop")]
    name: NamespaceName,
    /// Whether it can be used.
    state: NamespaceState,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Since when it is being deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    deleted_at: Option<Timestamp>,
    /// How long closed runs are kept, in seconds; `null` if until somebody deletes them.
    #[schema(required = true)]
    retention_seconds: Option<u64>,
    /// How much its runs and clients may ask for.
    limits: NamespaceLimits,
    /// Hosts that its activities may send requests to, of those that the server allows; `null` if to all
    /// of those.
    #[schema(required = true)]
    allowed_hosts: Option<Vec<String>>,
    /// Names of the secrets that its activities have, of those of the server; `null` if all of those.
    #[schema(required = true)]
    secrets: Option<Vec<String>>,
}

/// Whether a namespace can be used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NamespaceState {
    /// It can.
    Active,
    /// It is being deleted, with all that is in it.
    Deleting,
}

/// Limits of a namespace; what is left out is limited by the server alone.
#[derive(Serialize, Deserialize, ToSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NamespaceLimits {
    /// Runs that are open at a time; no other starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    open_runs_max: Option<NonZeroU64>,
    /// How fast runs start.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object::optional")]
    start_rate: Option<StartRate>,
    /// Attempts of activities that the server makes at a time; others wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    activities_max: Option<NonZeroU64>,
    /// Bytes of one payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    payload_bytes_max: Option<NonZeroU64>,
    /// Events of one history; a run that would pass it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    history_events_max: Option<NonZeroU64>,
    /// Bytes of one history, about; a run that would pass it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    history_bytes_max: Option<NonZeroU64>,
    /// Bytes of one uploaded module.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    module_bytes_max: Option<NonZeroU64>,
}

/// How fast runs start.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRate {
    /// Runs per second: 0.0001 to 100,000.
    #[schema(minimum = 0.0001, maximum = 100_000, example = 5)]
    per_second: f64,
    /// Runs at once after a pause; if absent, what a second brings, and 1 at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000, example = 10)]
    burst: Option<u64>,
}

/// A namespace to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateNamespaceRequest {
    /// Its name: letters, digits, `-`, `_` and `.`.
    #[schema(example = "shop")]
    name: String,
    /// How long closed runs are kept, in seconds; if absent, until somebody deletes them.
    #[serde(default)]
    #[schema(minimum = 1)]
    retention_seconds: Option<u64>,
    /// How much its runs and clients may ask for.
    #[serde(default, deserialize_with = "object::field")]
    limits: NamespaceLimits,
    /// Hosts that its activities may send requests to, of those that the server allows: `example.com`,
    /// `example.com:8080`, `*.example.com` or `*`. If absent none, with `null` all that the server
    /// allows.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<Vec<String>>)]
    allowed_hosts: Option<Option<Vec<String>>>,
    /// Names of secrets that its activities have, of those of the server. If absent none, with `null`
    /// all of those.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<Vec<String>>)]
    secrets: Option<Option<Vec<String>>>,
}

/// What is to be changed of a namespace. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeNamespaceRequest {
    /// How long closed runs are kept, in seconds; with `null`, until somebody deletes them.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    retention_seconds: Option<Option<u64>>,
    /// How much its runs and clients may ask for.
    #[serde(default, deserialize_with = "object::field")]
    limits: NamespaceLimitsChange,
    /// Hosts that its activities may send requests to, of those that the server allows; with `null` all
    /// of those.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<Vec<String>>)]
    allowed_hosts: Option<Option<Vec<String>>>,
    /// Names of secrets that its activities have, of those of the server; with `null` all of those.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<Vec<String>>)]
    secrets: Option<Option<Vec<String>>>,
}

/// Limits to be changed; what is left out stays as it is, and `null` takes a limit away.
#[derive(Deserialize, ToSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NamespaceLimitsChange {
    /// Runs that are open at a time.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    open_runs_max: Option<Option<NonZeroU64>>,
    /// How fast runs start.
    #[serde(deserialize_with = "named_object")]
    #[schema(value_type = Option<StartRate>)]
    start_rate: Option<Option<StartRate>>,
    /// Attempts of activities that the server makes at a time.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    activities_max: Option<Option<NonZeroU64>>,
    /// Bytes of one payload.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    payload_bytes_max: Option<Option<NonZeroU64>>,
    /// Events of one history.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    history_events_max: Option<Option<NonZeroU64>>,
    /// Bytes of one history, about.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    history_bytes_max: Option<Option<NonZeroU64>>,
    /// Bytes of one uploaded module.
    #[serde(deserialize_with = "named")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    module_bytes_max: Option<Option<NonZeroU64>>,
}

/// Namespaces.
#[derive(Serialize, ToSchema)]
pub(crate) struct NamespaceList {
    /// By name.
    pub(crate) namespaces: Vec<Namespace>,
    /// Where the next page begins; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_page_token: Option<String>,
}

impl CreateNamespaceRequest {
    pub(crate) fn into_operation(
        self,
    ) -> Result<(NamespaceName, model::NamespaceSettings), ApiError> {
        let name = NamespaceName::addressable(self.name)?;
        let limits = self.limits;
        let settings = model::NamespaceSettings {
            retention_seconds: self.retention_seconds,
            limits: model::NamespaceLimits {
                open_runs_max: limits.open_runs_max,
                start_rate: limits.start_rate.map(rate).transpose()?,
                activities_max: limits.activities_max,
                payload_bytes_max: limits.payload_bytes_max,
                history_events_max: limits.history_events_max,
                history_bytes_max: limits.history_bytes_max,
                module_bytes_max: limits.module_bytes_max,
            },
            // A new tenant has nothing of what the server has for others.
            allowed_hosts: self.allowed_hosts.unwrap_or_else(|| Some(Vec::new())),
            secrets: self.secrets.unwrap_or_else(|| Some(Vec::new())),
        };
        Ok((name, settings))
    }
}

impl ChangeNamespaceRequest {
    /// The change that it asks for.
    pub(crate) fn into_change(self) -> Result<model::NamespaceChange, ApiError> {
        let limits = self.limits;
        let start_rate = limits.start_rate.map(|it| it.map(rate).transpose()).transpose()?;
        Ok(model::NamespaceChange {
            retention_seconds: self.retention_seconds,
            open_runs_max: limits.open_runs_max,
            start_rate,
            activities_max: limits.activities_max,
            payload_bytes_max: limits.payload_bytes_max,
            history_events_max: limits.history_events_max,
            history_bytes_max: limits.history_bytes_max,
            module_bytes_max: limits.module_bytes_max,
            allowed_hosts: self.allowed_hosts,
            secrets: self.secrets,
        })
    }
}

fn rate(StartRate { per_second, burst }: StartRate) -> Result<rates::Rate, ApiError> {
    let rate = rates::Rate::new(per_second, burst);
    rate.map_err(|_| {
        ApiError::invalid_argument(format!(
            "{per_second} runs per second, {} at once, are no rate: it goes from 0.0001 to \
             100000 per second, and from 1 to 1000000 at once",
            burst.map_or("as many as that".to_owned(), |burst| burst.to_string())
        ))
    })
}

impl From<model::Namespace> for Namespace {
    fn from(namespace: model::Namespace) -> Self {
        let model::Namespace { name, settings, created_at, deleted_at } = namespace;
        let limits = settings.limits;
        let state = match deleted_at {
            None => NamespaceState::Active,
            Some(_) => NamespaceState::Deleting,
        };
        Self {
            name,
            state,
            created_at,
            deleted_at,
            retention_seconds: settings.retention_seconds,
            limits: NamespaceLimits {
                open_runs_max: limits.open_runs_max,
                start_rate: limits.start_rate.map(|rate| StartRate {
                    per_second: rate.per_second(),
                    burst: Some(rate.burst()),
                }),
                activities_max: limits.activities_max,
                payload_bytes_max: limits.payload_bytes_max,
                history_events_max: limits.history_events_max,
                history_bytes_max: limits.history_bytes_max,
                module_bytes_max: limits.module_bytes_max,
            },
            allowed_hosts: settings.allowed_hosts,
            secrets: settings.secrets,
        }
    }
}
