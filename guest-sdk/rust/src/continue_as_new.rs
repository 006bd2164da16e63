//! Going on as a new run, so that a history never grows without end.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;

use crate::attributes::{AttributeChanges, SearchValue};
use crate::bindings::exports::dacapo::workflow::workflow as wit;
use crate::failure::Failure;
use crate::time::nanos;
use crate::{payload, run};

/// Ends this run and goes on as a new one with an empty history, under the
/// same workflow id and type. Signals that nobody has taken go with it. Returns
/// only if `input`, or a value of the memo, can't be encoded.
///
/// The new run has the timeouts, retry policy, memo and search attributes of this
/// one, unless the builder says otherwise; what is left of the execution timeout
/// stays what is left.
///
/// ```no_run
/// # use dacapo::{Failure, continue_as_new, continue_as_new_suggested, sleep};
/// # use std::time::Duration;
/// #[dacapo::workflow]
/// async fn every_hour(mut round: u64) -> Result<(), Failure> {
///     while !continue_as_new_suggested() {
///         sleep(Duration::from_secs(3_600)).await?;
///         round += 1;
///     }
///     continue_as_new(&round).memo("round", &round).await
/// }
/// ```
pub fn continue_as_new<T>(input: &impl Serialize) -> ContinueAsNew<T> {
    let continuation = payload::encode_input(input, "the run to continue as")
        .map(|input| Continuation { input, ..Continuation::default() });
    ContinueAsNew { continuation: continuation.map_err(Some), output: PhantomData }
}

/// The run to go on as, made by [`continue_as_new`]. Nothing happens before it is
/// awaited.
#[must_use = "the run goes on unless this is awaited"]
pub struct ContinueAsNew<T> {
    continuation: Result<Continuation, Option<Failure>>,
    output: PhantomData<fn() -> T>,
}

impl<T> ContinueAsNew<T> {
    /// Another workflow of this module.
    pub fn workflow_type(self, name: impl Into<String>) -> Self {
        self.with(|it| it.workflow_type = Some(name.into()))
    }

    /// How long the new run may take, from its first activation; not zero.
    pub fn run_timeout(self, limit: Duration) -> Self {
        self.with(|it| it.run_timeout = Some(limit))
    }

    /// How long the new run waits before its code runs.
    pub fn start_delay(self, delay: Duration) -> Self {
        self.with(|it| it.start_delay = delay)
    }

    /// A value of the memo that is different in the new run.
    pub fn memo(mut self, name: impl Into<String>, value: &impl Serialize) -> Self {
        if let Ok(continuation) = &mut self.continuation
            && let Err(failure) = continuation.attributes.set_memo(name.into(), value)
        {
            self.continuation = Err(Some(failure));
        }
        self
    }

    /// A value of the memo that the new run does not have.
    pub fn without_memo(self, name: impl Into<String>) -> Self {
        self.with(|it| it.attributes.remove_memo(name.into()))
    }

    /// A search attribute that is different in the new run.
    pub fn search_attribute(self, name: impl Into<String>, value: impl Into<SearchValue>) -> Self {
        self.with(|it| it.attributes.set_search(name.into(), Some(value.into())))
    }

    /// A search attribute that the new run does not have.
    pub fn without_search_attribute(self, name: impl Into<String>) -> Self {
        self.with(|it| it.attributes.set_search(name.into(), None))
    }

    fn with(mut self, change: impl FnOnce(&mut Continuation)) -> Self {
        if let Ok(continuation) = &mut self.continuation {
            change(continuation);
        }
        self
    }
}

impl<T> Future for ContinueAsNew<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.continuation {
            Ok(continuation) => {
                let continuation = std::mem::take(continuation);
                run::with_run(|run| run.continue_with(continuation));
                Poll::Pending
            }
            Err(failure) => failure.take().map_or(Poll::Pending, |it| Poll::Ready(Err(it))),
        }
    }
}

impl<T> fmt::Debug for ContinueAsNew<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContinueAsNew").field(&self.continuation).finish()
    }
}

/// What a run goes on as.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Continuation {
    pub(crate) workflow_type: Option<String>,
    pub(crate) input: Vec<u8>,
    pub(crate) run_timeout: Option<Duration>,
    pub(crate) start_delay: Duration,
    pub(crate) attributes: AttributeChanges,
}

impl Continuation {
    /// `own_type` is what this run runs.
    pub(crate) fn into_wit(self, own_type: &str) -> wit::Continuation {
        wit::Continuation {
            workflow_type: self.workflow_type.unwrap_or_else(|| own_type.to_owned()),
            input: self.input,
            run_timeout: self.run_timeout.map(nanos),
            backoff_start_interval: nanos(self.start_delay),
            memo: self.attributes.memo_to_wit(),
            search_attributes: self.attributes.search_to_wit(),
        }
    }
}
