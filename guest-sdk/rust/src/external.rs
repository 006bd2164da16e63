//! Telling other runs something from a workflow.

use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;

use crate::failure::Failure;
use crate::payload;
use crate::run::{self, Command, OnCancel, Progress};

/// Another run of the namespace, by its workflow id: the open one, unless
/// [`run`](ExternalWorkflow::run) names one.
pub fn external(workflow_id: impl Into<String>) -> ExternalWorkflow {
    ExternalWorkflow { workflow_id: workflow_id.into(), run_id: None }
}

/// Another run, to be told something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalWorkflow {
    workflow_id: String,
    run_id: Option<String>,
}

impl ExternalWorkflow {
    /// A certain run of the workflow id.
    #[must_use]
    pub fn run(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = Some(run_id.into());
        self
    }

    /// Sends it a signal. Done once it has recorded it; fails as `RunNotFound`,
    /// `RunClosed` or `TooManySignals`. Signals arrive in order if each is awaited
    /// before the next is sent.
    pub fn signal(&self, name: impl Into<String>, value: &impl Serialize) -> ExternalCall {
        let name = name.into();
        let input = payload::encode_input(value, format_args!("signal `{name}`"));
        let Self { workflow_id, run_id } = self.clone();
        ExternalCall::new(input.map(|input| Command::Signal { workflow_id, run_id, name, input }))
    }

    /// Asks it to cancel. Done once it has recorded the request; fails as
    /// `RunNotFound` or `RunClosed`.
    pub fn cancel(&self, reason: impl Into<String>) -> ExternalCall {
        let Self { workflow_id, run_id } = self.clone();
        ExternalCall::new(Ok(Command::Cancel { workflow_id, run_id, reason: reason.into() }))
    }
}

/// Waits until another run has recorded what it was told. The first poll sends
/// it; dropping the future does not take it back.
#[must_use = "nothing is sent until it is awaited"]
pub struct ExternalCall(Result<Progress, Option<Failure>>);

impl ExternalCall {
    fn new(command: Result<Command, Failure>) -> Self {
        let planned = |command| Progress::Planned(Box::new(command));
        Self(command.map(planned).map_err(Some))
    }
}

impl Future for ExternalCall {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(progress) => {
                run::with_run(|run| run.poll(progress, &mut OnCancel::Leave, cx)).map_ok(drop)
            }
            Err(failure) => {
                let failure = failure.take();
                Poll::Ready(Err(failure.expect("a request was awaited again after its end")))
            }
        }
    }
}

impl Drop for ExternalCall {
    fn drop(&mut self) {
        if let Ok(progress) = &self.0 {
            run::abandon(progress, OnCancel::Leave);
        }
    }
}
