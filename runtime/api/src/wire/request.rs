//! What clients ask for.

use std::collections::BTreeMap;

use dacapo_model::execution as model;
use dacapo_model::ids::{EventId, ModuleName, RequestId, SignalName, TypeName, WorkflowId};
use dacapo_model::signal::Signal;
use dacapo_model::tag::TagChanges;
use dacapo_model::update::Update;
use dacapo_service::operations;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::message::StartUpdate;
use super::mirror::mirror;
use super::object;
use super::options::{RetryOptions, attributes, duration, read_tags};
use super::payload;
use super::replay::MoveRequest;
use crate::error::ApiError;

mirror! {
    /// What to do if the latest run of the workflow id is closed.
    IdReusePolicy = model::IdReusePolicy {
        /// Start a new run.
        AllowDuplicate,
        /// Start a new run unless the latest completed.
        AllowDuplicateFailedOnly,
        /// Refuse.
        RejectDuplicate,
    }
}

mirror! {
    /// What to do if a run of the workflow id is open.
    IdConflictPolicy = model::IdConflictPolicy {
        /// Refuse.
        Fail,
        /// Answer with the open run.
        UseExisting,
        /// Terminate the open run and start a new one.
        TerminateExisting,
    }
}

/// A run to start.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartRequest {
    /// The workflow type.
    #[schema(example = "checkout")]
    workflow: String,
    /// Your name for it, such as an order number; at most one run of it is open. Without one, the
    /// id of the run is its name.
    #[serde(default)]
    #[schema(example = "order-17")]
    workflow_id: Option<String>,
    /// Send the same one when you repeat a start: it is answered with the run that the first one
    /// started. Needs a `workflow_id`.
    #[serde(default)]
    request_id: Option<String>,
    /// The workflow's argument: any JSON value, which it gets byte for byte; `null` if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Option<Box<RawValue>>,
    /// The argument as base64, if it is not JSON. Not together with `input`.
    #[serde(default)]
    input_base64: Option<String>,
    /// A signal for the run that this leads to: a new run begins with it, in the same step; an open
    /// one gets it, unless `id_conflict_policy` says otherwise.
    #[serde(default, deserialize_with = "object::optional")]
    signal: Option<StartSignal>,
    /// An update for the run that this leads to: a new run begins with it, in the same step; an open
    /// one gets it, unless `id_conflict_policy` says otherwise. The answer tells what came of it.
    #[serde(default, deserialize_with = "object::optional")]
    update: Option<StartUpdate>,
    /// What is rarely needed.
    #[serde(default, deserialize_with = "object::field")]
    options: StartOptions,
}

/// A signal that goes with a start.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartSignal {
    /// What it is about.
    #[schema(example = "approved")]
    name: String,
    /// What it says: any JSON value, which the workflow gets byte for byte; `null` if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Option<Box<RawValue>>,
    /// The same as base64, if it is not JSON. Not together with `input`.
    #[serde(default)]
    input_base64: Option<String>,
    /// By which a repeat of the signal is recognised; the `request_id` of the start if absent.
    #[serde(default)]
    request_id: Option<String>,
}

/// What a signal says.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignalRequest {
    /// Any JSON value, which the workflow gets byte for byte; `null` if absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Option<Box<RawValue>>,
    /// The same as base64, if it is not JSON. Not together with `input`.
    #[serde(default)]
    input_base64: Option<String>,
    /// Send the same one when you repeat the request: the run records it once.
    #[serde(default)]
    request_id: Option<String>,
}

/// What is rarely needed to start a run.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartOptions {
    /// The module that defines the workflow, where several do.
    #[serde(default)]
    module: Option<String>,
    /// If the latest run of the workflow id is closed; `allow_duplicate` if absent.
    #[serde(default)]
    id_reuse_policy: Option<IdReusePolicy>,
    /// If a run of the workflow id is open; if absent, `use_existing` for a start with a signal or an
    /// update, and `fail` for any other.
    #[serde(default)]
    id_conflict_policy: Option<IdConflictPolicy>,
    /// Environment variables of the workflow. They are kept in its history: no place for secrets.
    #[serde(default, deserialize_with = "object::unique")]
    environment: BTreeMap<String, String>,
    /// Command-line arguments of the workflow.
    #[serde(default)]
    arguments: Vec<String>,
    /// How long the run may take; one that follows it has as long again. No limit if absent.
    #[serde(default)]
    run_timeout_seconds: Option<f64>,
    /// How long the run and those that follow it (other attempts, what it continues as) may take
    /// together. No limit if absent.
    #[serde(default)]
    execution_timeout_seconds: Option<f64>,
    /// How long the workflow waits before it runs. A signal or a request to cancel ends the wait.
    #[serde(default)]
    start_delay_seconds: Option<f64>,
    /// Start another run with the same input if this one fails or runs out of its time. Not if
    /// absent.
    #[serde(default, deserialize_with = "object::optional")]
    retry_policy: Option<RetryOptions>,
    /// What is said about the run for people: any JSON by name, 32 KiB in all.
    #[serde(default, deserialize_with = "object::unique")]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    memo: BTreeMap<String, Box<RawValue>>,
    /// What is said about the run with types: `{"type": "Keyword", "value": "gold"}`, or plain JSON
    /// that says its type by itself.
    #[serde(default, deserialize_with = "object::unique")]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    search_attributes: BTreeMap<String, Box<RawValue>>,
    /// Labels: at most 32, of 64 bytes each.
    #[serde(default)]
    tags: Vec<String>,
}

/// Why a run should cancel.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelRequest {
    /// For people.
    #[serde(default)]
    pub(crate) reason: String,
    /// Send the same one when you repeat the request.
    #[serde(default)]
    pub(crate) request_id: Option<String>,
}

/// Which tags of a run change.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagRequest {
    /// Those that it gets.
    #[serde(default)]
    #[schema(example = json!(["in review"]))]
    add: Vec<String>,
    /// Those that it loses.
    #[serde(default)]
    remove: Vec<String>,
}

impl TagRequest {
    pub(crate) fn into_changes(self) -> Result<TagChanges, ApiError> {
        Ok(TagChanges { added: read_tags(self.add)?, removed: read_tags(self.remove)? })
    }
}

/// Why a run is terminated.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TerminateRequest {
    /// For people.
    #[serde(default)]
    pub(crate) reason: String,
}

/// Where a run starts over.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ResetPoint {
    /// Before this event.
    Event(u64),
    /// A place with a name.
    Named(NamedResetPoint),
}

/// A place in every history.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NamedResetPoint {
    /// After the start.
    First,
    /// After what the workflow answered last: it answers that again.
    #[serde(alias = "last")]
    LastActivation,
}

/// What happens to the new run as it happened to the other.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reapply {
    /// All that can: signals, and updates that were accepted.
    #[default]
    All,
    /// Signals.
    Signals,
    /// Nothing.
    None,
}

/// How a run starts over.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetRequest {
    /// The first event that is undone, or `first`, or `last_activation` (or `last`).
    event_id: ResetPoint,
    /// For people.
    #[serde(default)]
    pub(crate) reason: String,
    /// What of the undone part is sent to the new run again; `all` if absent.
    #[serde(default)]
    reapply: Reapply,
    /// Go on with this code: `{}` means the newest version of the run's own module. The code of the
    /// part that is kept if absent.
    #[serde(default, deserialize_with = "object::optional")]
    module: Option<MoveRequest>,
    /// Send the same one when you repeat the request.
    #[serde(default)]
    request_id: Option<String>,
}

impl ResetRequest {
    pub(crate) fn into_operation(self) -> Result<operations::ResetRequest, ApiError> {
        Ok(operations::ResetRequest {
            point: match self.event_id {
                ResetPoint::Event(event_id) => operations::ResetPoint::Event(EventId(event_id)),
                ResetPoint::Named(NamedResetPoint::First) => operations::ResetPoint::First,
                ResetPoint::Named(NamedResetPoint::LastActivation) => {
                    operations::ResetPoint::LastActivation
                }
            },
            reapply: match self.reapply {
                Reapply::All => operations::Reapply::All,
                Reapply::Signals => operations::Reapply::Signals,
                Reapply::None => operations::Reapply::Nothing,
            },
            module: self.module.map(MoveRequest::into_target).transpose()?,
            reason: self.reason,
            request_id: self.request_id.map(RequestId::new).transpose()?,
        })
    }
}

/// A request that says nothing.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryRequest {}

impl SignalRequest {
    pub(crate) fn into_signal(self, name: SignalName) -> Result<Signal, ApiError> {
        Ok(Signal {
            name,
            input: payload::extract("input", self.input, self.input_base64)?,
            request_id: self.request_id.map(RequestId::new).transpose()?,
        })
    }
}

impl StartSignal {
    fn into_signal(self) -> Result<Signal, ApiError> {
        let Self { name, input, input_base64, request_id } = self;
        SignalRequest { input, input_base64, request_id }
            .into_signal(SignalName::addressable(name)?)
    }
}

impl StartRequest {
    /// The update that goes with the start, and what to wait for.
    pub(crate) fn take_update(
        &mut self,
    ) -> Result<Option<(Update, Option<operations::WaitFor>)>, ApiError> {
        self.update.take().map(StartUpdate::into_update).transpose()
    }

    pub(crate) fn into_operation(self) -> Result<operations::StartRequest, ApiError> {
        let options = self.options;
        let signal = self.signal.map(StartSignal::into_signal).transpose()?;
        let (attributes, inferred) =
            attributes(options.memo, options.search_attributes, options.tags)?;
        Ok(operations::StartRequest {
            workflow_type: TypeName::new(self.workflow)?,
            workflow_id: self.workflow_id.map(WorkflowId::addressable).transpose()?,
            request_id: self.request_id.map(RequestId::new).transpose()?,
            input: payload::extract("input", self.input, self.input_base64)?,
            module: options.module.map(ModuleName::new).transpose()?,
            reuse_policy: options.id_reuse_policy.map(Into::into).unwrap_or_default(),
            conflict_policy: options.id_conflict_policy.map(Into::into),
            options: operations::StartOptions {
                attributes,
                inferred,
                run_timeout: duration("run_timeout_seconds", options.run_timeout_seconds)?,
                execution_timeout: duration(
                    "execution_timeout_seconds",
                    options.execution_timeout_seconds,
                )?,
                start_delay: duration("start_delay_seconds", options.start_delay_seconds)?,
                retry: options.retry_policy.map(RetryOptions::into_policy).transpose()?,
            },
            environment: options.environment,
            arguments: options.arguments,
            signal,
            update: None,
        })
    }
}

/// Tells a `null` that was sent from a field that was not.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<operations::StartRequest, String> {
        let request: StartRequest =
            serde_json::from_str(body).map_err(|error| error.to_string())?;
        request.into_operation().map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn a_start_needs_nothing_but_the_workflow() {
        let request = read(r#"{"workflow": "checkout"}"#).expect("a request");
        assert_eq!(request.input.as_bytes(), b"null");
        assert_eq!(request.workflow_id, None);
        assert_eq!(request.reuse_policy, model::IdReusePolicy::AllowDuplicate);
        assert_eq!(request.conflict_policy, None);
    }

    #[test]
    fn the_input_keeps_its_bytes() {
        let input = r#"{ "b": 1.10, "a": [1e400, "\u00fc"] }"#;
        let request = read(&format!(r#"{{"workflow": "w", "input": {input}}}"#)).expect("valid");
        assert_eq!(request.input.as_bytes(), input.as_bytes());
    }

    #[test]
    fn a_null_that_was_sent_is_an_input() {
        let both = read(r#"{"workflow": "w", "input": null, "input_base64": ""}"#);
        assert!(both.expect_err("two inputs").contains("input_base64"));
    }

    #[test]
    fn a_signal_keeps_its_bytes_and_the_policy_is_left_to_the_operation() {
        let policy = |options: &str| {
            let signal = r#"{"name": "approved", "input": [1.0]}"#;
            let body = format!(r#"{{"workflow": "w", "signal": {signal}, "options": {options}}}"#);
            let request = read(&body).expect("valid");
            let signal = request.signal.expect("it has a signal");
            assert_eq!(
                (signal.name.as_str(), signal.input.as_bytes()),
                ("approved", &b"[1.0]"[..])
            );
            request.conflict_policy
        };
        assert_eq!(policy("{}"), None);
        let fail = Some(model::IdConflictPolicy::Fail);
        assert_eq!(policy(r#"{"id_conflict_policy": "fail"}"#), fail);
        assert!(read(r#"{"workflow": "w", "signal": {"name": ""}}"#).is_err());
        assert!(read(r#"{"workflow": "w", "signal": {"input": 1}}"#).is_err());
    }

    #[test]
    fn a_name_that_is_there_twice_is_named() {
        for field in ["environment", "memo", "search_attributes"] {
            let options = |names: &str| {
                read(&format!(r#"{{"workflow": "w", "options": {{"{field}": {{{names}}}}}}}"#))
            };
            options(r#""a": "1", "b": "1""#).expect("two names");
            let error = options(r#""a": "1", "b": "1", "\u0061": "2""#).expect_err("a name twice");
            assert!(error.contains(r#""a" is there twice at line 1"#), "{field}: {error}");
        }
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let error = read(r#"{"workflow": "w", "options": {"modul": "m"}}"#).expect_err("unknown");
        assert!(error.contains("`modul`"), "{error}");
        assert!(error.contains("line 1 column"), "{error}");
    }
}
