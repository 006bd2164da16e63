//! What is encrypted of a record: each place where workflows, activities or callers put data.
//!
//! Payloads (inputs, results, signals, updates, published values, heartbeats, side effects),
//! messages and details of failures, values of memos and of environment variables,
//! arguments, what a cancelled run had to say, and reports of blocked runs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dacapo_model::event::{EventAttributes, HistoryEvent, WorkflowExecutionStarted};
use dacapo_model::execution::{Blocked, Execution};
use dacapo_model::failure::Failure;
use dacapo_model::ids::RunKey;
use dacapo_model::json::Json;
use dacapo_model::payload::Payload;
use dacapo_model::timer::TimerKind;
use dacapo_store::error::Result;
use dacapo_store::task::{TaskAttempt, TaskPlace, TaskRow};
use ring::aead::LessSafeKey;

use crate::key::KeyRing;
use crate::{corrupt, each, envelope};

/// Before an encrypted value that stands where only text may be.
const TEXT: &str = "dacapo-encrypted:";

/// Encrypts, or decrypts.
pub(crate) trait Transform {
    /// Any bytes.
    fn payload(&self, payload: &mut Payload) -> Result<()>;

    /// Text.
    fn text(&self, text: &mut String) -> Result<()>;

    /// JSON.
    fn json(&self, json: &mut Json) -> Result<()>;
}

/// Encrypts for one run.
pub(crate) struct Seal<'a> {
    key_id: &'a str,
    key: LessSafeKey,
}

impl<'a> Seal<'a> {
    pub(crate) fn new((key_id, key): (&'a str, LessSafeKey)) -> Self {
        Self { key_id, key }
    }

    fn sealed(&self, plain: &[u8]) -> Vec<u8> {
        envelope::seal(self.key_id, &self.key, plain)
    }

    fn sealed_text(&self, plain: &str) -> String {
        format!("{TEXT}{}", STANDARD.encode(self.sealed(plain.as_bytes())))
    }
}

impl Transform for Seal<'_> {
    fn payload(&self, payload: &mut Payload) -> Result<()> {
        *payload = self.sealed(payload.as_bytes()).into();
        Ok(())
    }

    fn text(&self, text: &mut String) -> Result<()> {
        *text = self.sealed_text(text);
        Ok(())
    }

    fn json(&self, json: &mut Json) -> Result<()> {
        let text = format!("\"{}\"", self.sealed_text(json.as_str()));
        *json = Json::parse(&text).expect("base64 in quotes is JSON");
        Ok(())
    }
}

/// Decrypts what is encrypted of one run; all else stays as it is: it was written before
/// anything was.
pub(crate) struct Open<'a> {
    keys: &'a KeyRing,
    run: RunKey,
}

impl<'a> Open<'a> {
    pub(crate) fn new(keys: &'a KeyRing, run: RunKey) -> Self {
        Self { keys, run }
    }

    fn opened(&self, value: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(parts) = envelope::parts(value) else {
            return Ok(None);
        };
        let Some(key) = self.keys.open(parts.key_id, self.run.run_id) else {
            let reason = format!(
                "it was encrypted with the key `{}`, which is not in the configuration",
                parts.key_id
            );
            return Err(corrupt(self.run, reason));
        };
        match envelope::open(&parts, &key) {
            Some(plain) => Ok(Some(plain)),
            None => {
                let reason = format!(
                    "it can't be decrypted with the key `{}`: it was changed, is another run's, \
                     or was encrypted with another key of this name",
                    parts.key_id
                );
                Err(corrupt(self.run, reason))
            }
        }
    }

    fn opened_text(&self, text: &str) -> Result<Option<String>> {
        let value = text.strip_prefix(TEXT).and_then(|value| STANDARD.decode(value).ok());
        let Some(plain) = value.map_or(Ok(None), |value| self.opened(&value))? else {
            return Ok(None);
        };
        let plain = String::from_utf8(plain);
        plain.map(Some).map_err(|_| corrupt(self.run, "what was encrypted is no text".to_owned()))
    }
}

impl Transform for Open<'_> {
    fn payload(&self, payload: &mut Payload) -> Result<()> {
        if let Some(plain) = self.opened(payload.as_bytes())? {
            *payload = plain.into();
        }
        Ok(())
    }

    fn text(&self, text: &mut String) -> Result<()> {
        if let Some(plain) = self.opened_text(text)? {
            *text = plain;
        }
        Ok(())
    }

    fn json(&self, json: &mut Json) -> Result<()> {
        // Base64 needs no escapes.
        let inner = json.as_str().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        if let Some(plain) = inner.map_or(Ok(None), |inner| self.opened_text(inner))? {
            *json = Json::parse(&plain)
                .map_err(|_| corrupt(self.run, "what was encrypted is no JSON".to_owned()))?;
        }
        Ok(())
    }
}

/// Of an event. Each type is named, so that nobody adds one without asking what it holds.
pub(crate) fn event(with: &impl Transform, event: &mut HistoryEvent) -> Result<()> {
    use EventAttributes as Event;
    if let Some((_, payload)) = event.attributes.payload() {
        let mut payload = payload.clone();
        with.payload(&mut payload)?;
        event.attributes.set_payload(payload);
    }
    match &mut event.attributes {
        Event::WorkflowExecutionStarted(started) => beginning(with, started),
        Event::WorkflowExecutionUpdateCompleted(completed) => {
            optional_failure(with, &mut completed.failure)
        }
        Event::WorkflowExecutionFailed { failure: it, .. }
        | Event::ActivityTaskFailed { failure: it, .. } => failure(with, it),
        Event::ActivityTaskTimedOut { last_failure: it, .. }
        | Event::ActivityTaskCanceled { failure: it, .. } => optional_failure(with, it),
        Event::WorkflowExecutionCanceled { details } => with.text(details),
        Event::WorkflowTaskFailed { message, .. } => with.text(message),
        Event::WorkflowExecutionContinuedAsNew { options, .. } => {
            changes(with, &mut options.attributes.memo)
        }
        Event::WorkflowPropertiesModified(modified) => changes(with, &mut modified.memo),
        Event::StartChildWorkflowExecutionInitiated(child) => {
            child.options.attributes.memo.values_mut().try_for_each(|value| with.json(value))
        }
        Event::StartChildWorkflowExecutionFailed(it) => failure(with, &mut it.failure),
        Event::ChildWorkflowExecutionFailed(it) => failure(with, &mut it.failure),
        Event::ChildWorkflowExecutionCanceled(it) => with.text(&mut it.details),
        Event::SignalExternalWorkflowExecutionFailed(it) => failure(with, &mut it.failure),
        Event::RequestCancelExternalWorkflowExecutionFailed(it) => failure(with, &mut it.failure),
        // Nothing but perhaps a payload, and what operators gave as a reason.
        Event::WorkflowExecutionCancelRequested { .. }
        | Event::WorkflowExecutionSignaled { .. }
        | Event::WorkflowExecutionUpdateAccepted(_)
        | Event::WorkflowExecutionCompleted { .. }
        | Event::WorkflowExecutionTerminated { .. }
        | Event::WorkflowExecutionTimedOut(_)
        | Event::WorkflowExecutionDelayEnded {}
        | Event::WorkflowExecutionReset(_)
        | Event::UpsertWorkflowSearchAttributes(_)
        | Event::WorkflowTagsModified(_)
        | Event::ActivityTaskScheduled { .. }
        | Event::ActivityTaskStarted { .. }
        | Event::ActivityTaskCompleted { .. }
        | Event::ActivityTaskCancelRequested(_)
        | Event::ActivityTaskPaused(_)
        | Event::ActivityTaskUnpaused(_)
        | Event::ActivityTaskReset(_)
        | Event::TimerStarted { .. }
        | Event::TimerFired { .. }
        | Event::TimerCanceled { .. }
        | Event::MarkerRecorded(_)
        | Event::WorkflowExecutionOptionsUpdated(_)
        | Event::WorkflowExecutionTagsUpdated(_)
        | Event::ChildWorkflowExecutionStarted(_)
        | Event::ChildWorkflowExecutionCompleted(_)
        | Event::ChildWorkflowExecutionTimedOut(_)
        | Event::ChildWorkflowExecutionTerminated(_)
        | Event::SignalExternalWorkflowExecutionInitiated(_)
        | Event::ExternalWorkflowExecutionSignaled(_)
        | Event::RequestCancelExternalWorkflowExecutionInitiated(_)
        | Event::ExternalWorkflowExecutionCancelRequested(_) => Ok(()),
    }
}

fn beginning(with: &impl Transform, started: &mut WorkflowExecutionStarted) -> Result<()> {
    started.environment.values_mut().try_for_each(|value| with.text(value))?;
    each(&mut started.arguments, |argument| with.text(argument))?;
    started.options.attributes.memo.values_mut().try_for_each(|value| with.json(value))?;
    optional_failure(with, &mut started.chain.continued_failure)
}

/// Of the row of a run.
pub(crate) fn execution(with: &impl Transform, execution: &mut Execution) -> Result<()> {
    blocked(with, &mut execution.blocked)?;
    execution.attributes.memo.values_mut().try_for_each(|value| with.json(value))
}

pub(crate) fn blocked(with: &impl Transform, blocked: &mut Option<Blocked>) -> Result<()> {
    match blocked {
        Some(blocked) => with.text(&mut blocked.message),
        None => Ok(()),
    }
}

/// Of the row of a timer.
pub(crate) fn timer(with: &impl Transform, kind: &mut TimerKind) -> Result<()> {
    match kind {
        TimerKind::Timer | TimerKind::StartDelay | TimerKind::RunTimeout => Ok(()),
        TimerKind::ActivityRetry { last_failure, details, .. } => {
            failure(with, last_failure)?;
            optional_payload(with, details)
        }
        TimerKind::ActivityHeartbeat { last_failure, details, .. } => {
            optional_failure(with, last_failure)?;
            with.payload(details)
        }
        TimerKind::ActivityTimeout { last_failure, details, .. } => {
            optional_failure(with, last_failure)?;
            optional_payload(with, details)
        }
    }
}

/// Of the row of a task, wherever it is.
pub(crate) fn task(with: &impl Transform, task: &mut TaskRow) -> Result<()> {
    let TaskAttempt { last_failure, details, .. } = &mut task.attempt;
    optional_failure(with, last_failure)?;
    optional_payload(with, details)
}

pub(crate) fn place(with: &impl Transform, place: &mut TaskPlace) -> Result<()> {
    match place {
        TaskPlace::Queue(row) => task(with, row),
        TaskPlace::Hand(leased) => task(with, &mut leased.task),
    }
}

pub(crate) fn failure(with: &impl Transform, failure: &mut Failure) -> Result<()> {
    for info in std::iter::once(&mut failure.info).chain(&mut failure.causes) {
        with.text(&mut info.message)?;
        optional_payload(with, &mut info.details)?;
    }
    Ok(())
}

fn optional_failure(with: &impl Transform, optional: &mut Option<Failure>) -> Result<()> {
    optional.as_mut().map_or(Ok(()), |it| failure(with, it))
}

pub(crate) fn optional_payload(
    with: &impl Transform,
    optional: &mut Option<Payload>,
) -> Result<()> {
    optional.as_mut().map_or(Ok(()), |it| with.payload(it))
}

fn changes(
    with: &impl Transform,
    memo: &mut std::collections::BTreeMap<String, Option<Json>>,
) -> Result<()> {
    memo.values_mut().flatten().try_for_each(|value| with.json(value))
}
