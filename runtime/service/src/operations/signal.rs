//! Sends a run a message.

use dacapo_engine::decide::{Input, Refusal};
use dacapo_model::builtin::BUILTIN_SIGNALS;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::ids::{RequestId, RunId, RunKey};
use dacapo_model::signal::Signal;
use uuid::Uuid;

use super::locate::closed;
use super::repeat::{check_repeated_signal, check_same_signal};
use super::{RunRef, StartRequest, Started};
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;
use crate::traces::signal_sent;

impl Tenant {
    /// Records a signal, whether or not anyone waits for it yet. When it returns,
    /// the signal is durable. A repeat of a request is answered like the first,
    /// also when its run has closed since, and records nothing.
    pub async fn signal_run(&self, run: &RunRef, signal: Signal) -> Result<RunId> {
        self.shared.admit_write()?;
        self.check_signal(&signal)?;
        check_is_no_own(run, &signal)?;
        let is_named = signal.request_id.is_some();
        let signal = with_request_id(signal);
        let sent_at = self.shared.clock.now();
        match self.send(run, Input::Signal(signal.clone())).await? {
            (run_id, Ok(())) => {
                signal_sent(self, (&run.workflow_id, run_id), &signal, sent_at);
                Ok(run_id)
            }
            (run_id, Err(Refusal::Repeated { event_id })) => {
                let key = self.key_of(run, run_id);
                check_repeated_signal(&self.shared, &signal, key, event_id).await?;
                Ok(run_id)
            }
            (run_id, Err(Refusal::TooManySignals { max })) => Err(too_many(run, run_id, max)),
            (run_id, Err(_closed)) => {
                if is_named && self.was_signaled(self.key_of(run, run_id), &signal).await? {
                    return Ok(run_id);
                }
                Err(closed(run, run_id))
            }
        }
    }

    /// Tells a run that a start has found what the start has to say. None if it
    /// has closed meanwhile.
    pub(super) async fn signal_found(
        &self,
        request: &StartRequest,
        found: Started,
    ) -> Result<Option<Started>> {
        let Some(signal) = &request.signal else {
            return Ok(Some(found));
        };
        let run = RunRef { workflow_id: found.workflow_id.clone(), run_id: Some(found.run_id) };
        // A while may have gone by since the start was taken on.
        self.shared.admit_write()?;
        match self.send(&run, Input::Signal(signal.clone())).await? {
            (_, Ok(())) => Ok(Some(found)),
            (run_id, Err(Refusal::Repeated { event_id })) => {
                let key = self.key_of(&run, run_id);
                check_repeated_signal(&self.shared, signal, key, event_id).await?;
                Ok(Some(found))
            }
            (run_id, Err(Refusal::TooManySignals { max })) => Err(too_many(&run, run_id, max)),
            (_, Err(_closed)) => Ok(None),
        }
    }

    pub(super) fn check_signal(&self, signal: &Signal) -> Result<()> {
        self.check_payload("the signal's input", &signal.input)
    }

    /// Whether a closed run, or one that it follows, has had the signal. Reads its
    /// history: only for those who repeat a request after its run has closed.
    async fn was_signaled(&self, key: RunKey, signal: &Signal) -> Result<bool> {
        let Some(request_id) = &signal.request_id else {
            return Ok(false);
        };
        let is_it = |event: &HistoryEvent| match &event.attributes {
            EventAttributes::WorkflowExecutionSignaled { request_id: Some(id), .. }
                if id == request_id =>
            {
                check_same_signal(signal, key.run_id, &event.attributes)?;
                Ok(true)
            }
            EventAttributes::WorkflowExecutionStarted(started) => {
                Ok(started.chain.taken.has_signal(request_id))
            }
            _ => Ok(false),
        };
        self.has_recorded(key, is_it).await
    }
}

/// The runtime tells a built-in workflow by signals what it must be able to believe.
fn check_is_no_own(run: &RunRef, signal: &Signal) -> Result<()> {
    if !run.workflow_id.is_builtin() || !signal.name.as_str().starts_with(BUILTIN_SIGNALS) {
        return Ok(());
    }
    Err(ServiceError::new(
        ErrorCode::InvalidArgument,
        format!(
            "`{}` can't be sent to `{}`: only the runtime sends it signals whose names begin \
             with `{BUILTIN_SIGNALS}`",
            signal.name, run.workflow_id
        ),
    )
    .with("signal", &signal.name))
}

/// A signal that can be told from every other: one whose commit had no verdict is
/// decided again, and must not be recorded twice.
pub(super) fn with_request_id(mut signal: Signal) -> Signal {
    #[expect(
        clippy::disallowed_methods,
        reason = "a request without an id gets one here, once, and it is recorded"
    )]
    let made_up = || RequestId::new(Uuid::now_v7().to_string()).ok();
    signal.request_id = signal.request_id.or_else(made_up);
    signal
}

fn too_many(run: &RunRef, run_id: RunId, max: u64) -> ServiceError {
    ServiceError::new(
        ErrorCode::TooManySignals,
        format!(
            "run {run_id} of workflow id `{}` has had {max} signals, which is all that one run \
             may have. Let the workflow continue as new now and then, or raise `signals_max`",
            run.workflow_id
        ),
    )
    .with("run_id", run_id)
    .with("signals_max", max)
}
