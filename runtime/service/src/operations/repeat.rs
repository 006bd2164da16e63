//! Requests that come again: known by their ids, and compared with what the first of
//! them has recorded. One that says something else is a mistake of its sender, who
//! must not believe that it was done.

use dacapo_model::attributes::SearchAttributes;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::{EventAttributes, HistoryEvent, WorkflowExecutionStarted};
use dacapo_model::ids::{EventId, RequestId, RunId, RunKey, WorkflowId};
use dacapo_model::search_attribute::fitted;
use dacapo_model::signal::Signal;
use dacapo_store::error::StoreError;

use super::locate::closed;
use super::start::StartedRun;
use super::{ResetPoint, ResetRequest, RunRef, StartRequest, Started};
use crate::error::{Result, ServiceError};
use crate::runtime::Shared;
use crate::tenancy::Tenant;

impl Tenant {
    /// Answers a start that was made before.
    pub(super) async fn repeated_start(
        &self,
        request: &StartRequest,
    ) -> Result<Option<StartedRun>> {
        let Some(workflow_id) = &request.workflow_id else {
            return Ok(None);
        };
        match self.started_before(request, workflow_id).await? {
            Some(started) => self.tell_again(request, started).await.map(Some),
            None => Ok(None),
        }
    }

    /// Like [`Self::tell_found`], of the run that the same request has started before:
    /// there is no other that it could lead to.
    pub(super) async fn tell_again(
        &self,
        request: &StartRequest,
        found: Started,
    ) -> Result<StartedRun> {
        let run = RunRef { workflow_id: found.workflow_id.clone(), run_id: Some(found.run_id) };
        let run_id = found.run_id;
        self.tell_found(request, found).await?.ok_or_else(|| closed(&run, run_id))
    }

    /// The run that the same request has started before. The only read of a start, and
    /// only for those who ask for idempotence.
    pub(super) async fn started_before(
        &self,
        request: &StartRequest,
        workflow_id: &WorkflowId,
    ) -> Result<Option<Started>> {
        let Some(request_id) = &request.request_id else {
            return Ok(None);
        };
        let store = &self.shared.store;
        let found =
            store.find_execution_by_request(&self.namespace, workflow_id, request_id).await?;
        let Some(execution) = found else {
            return Ok(None);
        };
        self.check_repeated_start(request, workflow_id, execution.key).await?;
        let (workflow_id, run_id) = (workflow_id.clone(), execution.key.run_id);
        Ok(Some(Started { workflow_id, run_id, started: false }))
    }

    /// Refuses a start that does not say what the one with the same id said.
    pub(super) async fn check_repeated_start(
        &self,
        request: &StartRequest,
        workflow_id: &WorkflowId,
        key: RunKey,
    ) -> Result<()> {
        // The start, and the signal that it may have come with.
        let recorded = match self.shared.store.load_history(key, EventId::FIRST, 2).await {
            Ok(recorded) => recorded,
            // Nothing to compare it with. The answer is the run nevertheless.
            Err(StoreError::Corrupt { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Some((was, was_sent)) = beginning(&recorded) else {
            return Ok(());
        };
        // What a run would begin with that this request had started then.
        let at = recorded[0].time;
        let mut new = self.new_run(request, was.module_digest, workflow_id, key.run_id, at);
        let (asked, had) = (&mut new.started.options.attributes, &was.options.attributes);
        for name in &request.options.inferred {
            take_type(&mut asked.search_attributes, name, &had.search_attributes);
        }
        let asked = new.begin(at).transition.events;
        let Some((now, is_sent)) = beginning(&asked) else {
            return Ok(());
        };
        let other_signal = (was_sent != is_sent).then_some("signal");
        let difference = other_signal.or_else(|| difference(now, was));
        let what = match difference {
            // In the words of whoever asked: it is how the options are recorded.
            Some("list of arguments") if workflow_id.is_builtin() => Some("set of options"),
            difference => difference,
        };
        match (what, &request.request_id) {
            (Some(what), Some(request_id)) => Err(reused(
                request_id,
                key.run_id,
                &format!("it started run {} with another {what}", key.run_id),
            )),
            _ => Ok(()),
        }
    }
}

/// Refuses a reset that cuts elsewhere than the one with the same id, or another
/// run. Places with names are not compared: by now they may be others.
pub(super) async fn check_repeated_reset(
    shared: &Shared,
    run: &RunRef,
    request: &ResetRequest,
    key: RunKey,
) -> Result<()> {
    let (Some(request_id), ResetPoint::Event(at)) = (&request.request_id, request.point) else {
        return Ok(());
    };
    let recorded = match shared.store.load_history(key, at, 1).await {
        Ok(recorded) => recorded,
        Err(StoreError::Corrupt { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match recorded.first().map(|event| &event.attributes) {
        Some(EventAttributes::WorkflowExecutionReset(reset))
            if run.run_id.is_none_or(|base| base == reset.base_run_id) =>
        {
            Ok(())
        }
        _ => {
            let first = format!("it reset a run elsewhere, to run {}", key.run_id);
            Err(reused(request_id, key.run_id, &first))
        }
    }
}

/// Refuses a signal that does not say what the one with the same id said, which
/// this event of the run has recorded. What a run has recorded that the run follows
/// is not read for it.
pub(super) async fn check_repeated_signal(
    shared: &Shared,
    signal: &Signal,
    key: RunKey,
    event_id: Option<EventId>,
) -> Result<()> {
    let Some(event_id) = event_id else {
        return Ok(());
    };
    let recorded = shared.store.load_history(key, event_id, 1).await?;
    match recorded.first() {
        Some(event) => check_same_signal(signal, key.run_id, &event.attributes),
        None => Ok(()),
    }
}

/// Refuses a signal that says something else than the event of the one with its id.
pub(super) fn check_same_signal(
    signal: &Signal,
    run_id: RunId,
    recorded: &EventAttributes,
) -> Result<()> {
    let (Some(was), Some(request_id)) = (Signal::of_event(recorded), &signal.request_id) else {
        return Ok(());
    };
    let what = match () {
        () if was.name != signal.name => "name",
        () if was.input != signal.input => "input",
        () => return Ok(()),
    };
    let first = format!("run {run_id} was sent a signal of another {what} with it");
    Err(reused(request_id, run_id, &first))
}

/// Gives a value, whose type was inferred, the one that it was recorded with: what is
/// registered may have changed since.
fn take_type(asked: &mut SearchAttributes, name: &str, had: &SearchAttributes) {
    let (Some(value), Some(was)) = (asked.get_mut(name), had.get(name)) else { return };
    let types = [(name.to_owned(), was.attribute_type())].into();
    if let Ok(fitted) = fitted(&types, name, value.clone(), true) {
        *value = fitted;
    }
}

/// How a history begins, and with which signal.
fn beginning(
    events: &[HistoryEvent],
) -> Option<(&WorkflowExecutionStarted, Option<&EventAttributes>)> {
    let (first, rest) = events.split_first()?;
    let EventAttributes::WorkflowExecutionStarted(started) = &first.attributes else {
        return None;
    };
    let signal = rest.first().filter(|_| started.initial_signals > 0);
    Some((started, signal.map(|event| &event.attributes)))
}

/// What a start asks for that another did not. The code is not a part of it: a newer
/// version may be there by now.
fn difference(
    now: &WorkflowExecutionStarted,
    was: &WorkflowExecutionStarted,
) -> Option<&'static str> {
    let (asked, had) = (&now.options, &was.options);
    let differ = [
        ("workflow type", now.workflow_type != was.workflow_type),
        ("input", now.input != was.input),
        ("environment", now.environment != was.environment),
        ("list of arguments", now.arguments != was.arguments),
        ("run timeout", asked.run_timeout != had.run_timeout),
        ("execution timeout", asked.execution_timeout != had.execution_timeout),
        ("start delay", asked.delayed_until != had.delayed_until),
        ("retry policy", asked.retry != had.retry),
        ("memo, search attribute or tag", !asked.attributes.is_same(&had.attributes)),
    ];
    differ.into_iter().find_map(|(what, differs)| differs.then_some(what))
}

fn reused(request_id: &RequestId, run_id: RunId, first: &str) -> ServiceError {
    ServiceError::new(
        ErrorCode::RequestIdReused,
        format!(
            "request id `{request_id}` was used before: {first}. Nothing was done. Repeat a \
             request as it was, and give another one an id of its own"
        ),
    )
    .with("request_id", request_id)
    .with("run_id", run_id)
}
