//! Telling other runs something from a workflow.

use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;

use crate::failure::Failure;
use crate::payload;
use crate::run::{self, Command, OnCancel, Progress, Run};
use crate::wait::Place;

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
    #[track_caller]
    pub fn signal(&self, name: impl Into<String>, value: &impl Serialize) -> ExternalCall {
        let name = name.into();
        let input = payload::encode_input(value, format_args!("signal `{name}`"));
        let Self { workflow_id, run_id } = self.clone();
        let command = input.map(|input| Command::Signal { workflow_id, run_id, name, input });
        ExternalCall::new(command, Location::caller())
    }

    /// Asks it to cancel. Done once it has recorded the request; fails as
    /// `RunNotFound` or `RunClosed`.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<String>) -> ExternalCall {
        let Self { workflow_id, run_id } = self.clone();
        let command = Command::Cancel { workflow_id, run_id, reason: reason.into() };
        ExternalCall::new(Ok(command), Location::caller())
    }
}

/// Waits until another run has recorded what it was told. The first poll sends
/// it; dropping the future does not take it back.
#[must_use = "nothing is sent until it is awaited"]
pub struct ExternalCall {
    progress: Result<Progress, Option<Failure>>,
    place: Place,
}

impl ExternalCall {
    fn new(command: Result<Command, Failure>, place: Place) -> Self {
        let planned = |command| Progress::Planned(Box::new(command));
        Self { progress: command.map(planned).map_err(Some), place }
    }
}

impl Future for ExternalCall {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { progress, place } = &mut *self;
        match progress {
            Ok(progress) => {
                let polled = |run: &mut Run| run.poll(progress, &mut OnCancel::Leave, place, cx);
                run::with_run(polled).map_ok(drop)
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
        if let Ok(progress) = &self.progress {
            run::abandon(progress, OnCancel::Leave);
        }
    }
}
