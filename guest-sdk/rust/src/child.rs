//! Starting other workflows from a workflow, and waiting for them.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::attributes::{AttributeChanges, SearchValue};
use crate::bindings::dacapo::workflow::children as wit;
use crate::external::{ExternalCall, ExternalWorkflow, external};
use crate::failure::Failure;
use crate::options::RetryPolicy;
use crate::payload;
use crate::run::{self, Child};
use crate::time::nanos;
use crate::wait::Place;

/// What becomes of a child when its parent closes, in whatever way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ParentClosePolicy {
    /// It is terminated.
    #[default]
    Terminate,
    /// Nothing: it goes on alone.
    Abandon,
    /// It is asked to cancel.
    RequestCancel,
}

/// What giving up the wait for a child means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChildCancellation {
    /// The child is asked to cancel. When the run itself was asked to, the wait
    /// goes on until the child has closed, and ends with how it did.
    #[default]
    WaitCompleted,
    /// The child is asked to cancel. When the run itself was asked to, the wait
    /// goes on until the child has been told.
    WaitRequested,
    /// The child is asked to cancel, and the wait ends at once.
    Try,
    /// The child is not told, and the wait ends at once.
    Abandon,
}

impl ChildCancellation {
    fn is_patient(self) -> bool {
        matches!(self, Self::WaitCompleted | Self::WaitRequested)
    }
}

/// What to do if the latest run of the child's workflow id is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdReusePolicy {
    /// Start.
    #[default]
    AllowDuplicate,
    /// Start unless it completed.
    AllowDuplicateFailedOnly,
    /// Fail.
    RejectDuplicate,
}

/// Everything about a child but what it runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ChildOptions {
    workflow_id: Option<String>,
    reuse: IdReusePolicy,
    policy: ParentClosePolicy,
    cancellation: ChildCancellation,
    module: Option<(String, Option<u32>)>,
    run_timeout: Option<Duration>,
    execution_timeout: Option<Duration>,
    start_delay: Duration,
    retry: Option<RetryPolicy>,
    attributes: AttributeChanges,
}

impl ChildOptions {
    pub(crate) fn to_wit(&self) -> wit::ChildOptions {
        wit::ChildOptions {
            workflow_id: self.workflow_id.clone(),
            id_reuse_policy: match self.reuse {
                IdReusePolicy::AllowDuplicate => wit::IdReusePolicy::AllowDuplicate,
                IdReusePolicy::AllowDuplicateFailedOnly => {
                    wit::IdReusePolicy::AllowDuplicateFailedOnly
                }
                IdReusePolicy::RejectDuplicate => wit::IdReusePolicy::RejectDuplicate,
            },
            parent_close_policy: match self.policy {
                ParentClosePolicy::Terminate => wit::ParentClosePolicy::Terminate,
                ParentClosePolicy::Abandon => wit::ParentClosePolicy::Abandon,
                ParentClosePolicy::RequestCancel => wit::ParentClosePolicy::RequestCancel,
            },
            cancellation_type: match self.cancellation {
                ChildCancellation::WaitCompleted => {
                    wit::ChildCancellationType::WaitCancellationCompleted
                }
                ChildCancellation::WaitRequested => {
                    wit::ChildCancellationType::WaitCancellationRequested
                }
                ChildCancellation::Try => wit::ChildCancellationType::TryCancel,
                ChildCancellation::Abandon => wit::ChildCancellationType::Abandon,
            },
            module: self.module.clone().map(|(name, version)| wit::ModuleRef { name, version }),
            run_timeout: self.run_timeout.map(nanos),
            execution_timeout: self.execution_timeout.map(nanos),
            start_delay: nanos(self.start_delay),
            retry: self.retry.as_ref().map(RetryPolicy::to_wit),
            memo: self.attributes.memo_to_wit(),
            search_attributes: self.attributes.search_to_wit(),
        }
    }
}

/// A child that is to be started, made by calling a function marked
/// `#[dacapo::workflow]` in a workflow. Nothing happens before it is awaited,
/// for its result, or [started](Self::start).
///
/// ```no_run
/// # use dacapo::{Failure, try_join_all};
/// #[dacapo::workflow]
/// async fn ship(item: String) -> Result<u32, Failure> {
/// #   Ok(item.len() as u32)
/// }
///
/// #[dacapo::workflow]
/// async fn order(items: Vec<String>) -> Result<Vec<u32>, Failure> {
///     try_join_all(items.into_iter().map(ship)).await
/// }
/// # fn main() {}
/// ```
#[must_use = "a child does nothing until it is awaited or started"]
pub struct ChildCall<T> {
    workflow_type: Cow<'static, str>,
    input: Result<Vec<u8>, Failure>,
    options: ChildOptions,
    place: Place,
    output: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for ChildCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workflow_type, options, .. } = self;
        f.debug_struct("ChildCall")
            .field("workflow_type", workflow_type)
            .field("options", options)
            .finish()
    }
}

impl<T> ChildCall<T> {
    /// Calls a workflow by its type name only, such as one of another module.
    /// Workflows of this module are better called through their functions.
    #[track_caller]
    pub fn named(workflow_type: impl Into<Cow<'static, str>>, input: &impl Serialize) -> Self {
        let workflow_type = workflow_type.into();
        let input = payload::encode_input(input, format_args!("workflow `{workflow_type}`"));
        Self::new(workflow_type, input, Location::caller())
    }

    /// A call without an argument; the macro writes it.
    #[doc(hidden)]
    #[track_caller]
    pub fn without_input(workflow_type: &'static str) -> Self {
        Self::new(Cow::Borrowed(workflow_type), Ok(Vec::new()), Location::caller())
    }

    fn new(
        workflow_type: Cow<'static, str>,
        input: Result<Vec<u8>, Failure>,
        place: Place,
    ) -> Self {
        let options = ChildOptions::default();
        Self { workflow_type, input, options, place, output: PhantomData }
    }

    /// The child's workflow id. Without one, it follows from the parent's run.
    pub fn workflow_id(mut self, workflow_id: impl Into<String>) -> Self {
        self.options.workflow_id = Some(workflow_id.into());
        self
    }

    /// What to do if the latest run of that workflow id is closed.
    pub fn id_reuse_policy(mut self, policy: IdReusePolicy) -> Self {
        self.options.reuse = policy;
        self
    }

    /// What becomes of the child when this run closes.
    pub fn parent_close_policy(mut self, policy: ParentClosePolicy) -> Self {
        self.options.policy = policy;
        self
    }

    /// What giving up the wait for the child means.
    pub fn cancellation(mut self, cancellation: ChildCancellation) -> Self {
        self.options.cancellation = cancellation;
        self
    }

    /// The module that defines the workflow, by name: its newest version when the
    /// child starts.
    pub fn module(mut self, name: impl Into<String>) -> Self {
        self.options.module = Some((name.into(), None));
        self
    }

    /// The module that defines the workflow, and a certain version of it.
    pub fn module_version(mut self, name: impl Into<String>, version: u32) -> Self {
        self.options.module = Some((name.into(), Some(version)));
        self
    }

    /// How long each run of the child may take, from its first activation; not
    /// zero. Without one, as long as it likes: nothing is inherited from this run.
    pub fn run_timeout(mut self, limit: Duration) -> Self {
        self.options.run_timeout = Some(limit);
        self
    }

    /// How long the runs of the child that follow each other may take together; not
    /// zero.
    pub fn execution_timeout(mut self, limit: Duration) -> Self {
        self.options.execution_timeout = Some(limit);
        self
    }

    /// How long the child waits before its code runs.
    pub fn start_delay(mut self, delay: Duration) -> Self {
        self.options.start_delay = delay;
        self
    }

    /// When and how often the child is tried again if it fails. It goes on being
    /// that child: only its last end counts.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options.retry = Some(policy);
        self
    }

    /// A value of the child's memo.
    pub fn memo(mut self, name: impl Into<String>, value: &impl Serialize) -> Self {
        if let Err(failure) = self.options.attributes.set_memo(name.into(), value) {
            self.input = Err(failure);
        }
        self
    }

    /// A search attribute of the child.
    pub fn search_attribute(
        mut self,
        name: impl Into<String>,
        value: impl Into<SearchValue>,
    ) -> Self {
        self.options.attributes.set_search(name.into(), Some(value.into()));
        self
    }

    /// Starts the child, and waits until it has started.
    pub fn start(self) -> ChildStart<T> {
        ChildStart { call: self, child: None }
    }

    #[cfg(test)]
    pub(crate) fn options_to_wit(&self) -> wit::ChildOptions {
        self.options.to_wit()
    }

    fn begin(&self) -> Result<Child, Failure> {
        let input = self.input.as_ref().map_err(Clone::clone)?;
        run::with_run(|run| run.start_child(&self.workflow_type, input, &self.options))
    }
}

impl<T: DeserializeOwned> IntoFuture for ChildCall<T> {
    type Output = Result<T, Failure>;
    type IntoFuture = ChildFuture<T>;

    fn into_future(self) -> ChildFuture<T> {
        ChildFuture { call: self, child: None, asked: false, over: false }
    }
}

/// Waits for the end of a child. The first poll starts it; dropping the future
/// before its end gives the child up, as its [`ChildCancellation`] says.
#[must_use = "a child does nothing until it is awaited"]
pub struct ChildFuture<T> {
    call: ChildCall<T>,
    child: Option<Child>,
    asked: bool,
    over: bool,
}

impl<T: DeserializeOwned> Future for ChildFuture<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        assert!(!this.over, "a child was awaited again after its end");
        let child = match this.child {
            Some(child) => child,
            None => match this.call.begin() {
                Ok(child) => *this.child.insert(child),
                Err(failure) => {
                    this.over = true;
                    return Poll::Ready(Err(failure));
                }
            },
        };
        let (place, patient) = (this.call.place, this.call.options.cancellation.is_patient());
        let asked = &mut this.asked;
        let end = run::with_run(|run| run.poll_child(child.closed, patient, asked, place, cx));
        end.map(|outcome| {
            this.over = true;
            decode(&this.call.workflow_type, outcome)
        })
    }
}

impl<T> Drop for ChildFuture<T> {
    fn drop(&mut self) {
        if let Some(child) = self.child.filter(|_| !self.over) {
            run::if_run(|run| run.give_up_child(child.closed));
        }
    }
}

/// Waits until a child has started. Dropping the future before that gives the
/// child up.
#[must_use = "a child does nothing until its start is awaited"]
pub struct ChildStart<T> {
    call: ChildCall<T>,
    child: Option<Child>,
}

impl<T: DeserializeOwned> Future for ChildStart<T> {
    type Output = Result<ChildHandle<T>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let child = match this.child {
            Some(child) => child,
            None => match this.call.begin() {
                Ok(child) => *this.child.insert(child),
                Err(failure) => return Poll::Ready(Err(failure)),
            },
        };
        let place = this.call.place;
        let started =
            run::with_run(|run| run.poll_child(child.started, false, &mut false, place, cx));
        let started = match started {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(started) => started,
        };
        let workflow_type = this.call.workflow_type.clone();
        let handle = started.and_then(|started| {
            let run = format_args!("the start of workflow `{workflow_type}`");
            let StartedRun { workflow_id, run_id } = payload::decode_result(&started, run)?;
            Ok(ChildHandle {
                workflow_id,
                run_id,
                closed: child.closed,
                patient: this.call.options.cancellation.is_patient(),
                given_up: Cell::new(false),
                over: Cell::new(false),
                workflow_type: workflow_type.clone(),
                output: PhantomData,
            })
        });
        if handle.is_ok() {
            // From now on it is the handle's.
            this.child = None;
        }
        Poll::Ready(handle)
    }
}

impl<T> Drop for ChildStart<T> {
    fn drop(&mut self) {
        if let Some(child) = self.child {
            run::if_run(|run| run.give_up_child(child.closed));
        }
    }
}

#[derive(Deserialize)]
struct StartedRun {
    workflow_id: String,
    run_id: String,
}

/// A child that has started. Dropping the handle lets it go on: what becomes of
/// it is then up to its [`ParentClosePolicy`].
pub struct ChildHandle<T> {
    workflow_id: String,
    run_id: String,
    closed: u32,
    patient: bool,
    given_up: Cell<bool>,
    over: Cell<bool>,
    workflow_type: Cow<'static, str>,
    output: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for ChildHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workflow_id, run_id, .. } = self;
        f.debug_struct("ChildHandle")
            .field("workflow_id", workflow_id)
            .field("run_id", run_id)
            .finish()
    }
}

impl<T: DeserializeOwned> ChildHandle<T> {
    /// The child's workflow id.
    pub fn workflow_id(&self) -> &str {
        &self.workflow_id
    }

    /// The child's first run.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Waits for the end of the child. Dropping the future does not give the child
    /// up: it can be waited for again.
    #[track_caller]
    pub fn result(&self) -> ChildResult<'_, T> {
        ChildResult { handle: self, place: Location::caller() }
    }

    /// Sends the child a signal.
    #[track_caller]
    pub fn signal(&self, name: impl Into<String>, value: &impl Serialize) -> ExternalCall {
        self.as_external().signal(name, value)
    }

    /// Asks the child to cancel, as its [`ChildCancellation`] says. With
    /// `WaitCompleted` and `WaitRequested` its end can be waited for as before;
    /// with the others, [`result`](Self::result) fails as cancelled.
    pub fn cancel(&self) {
        if !self.over.get() && !self.given_up.replace(true) {
            run::with_run(|run| run.ask_child(self.closed));
        }
    }

    fn as_external(&self) -> ExternalWorkflow {
        external(&*self.workflow_id)
    }
}

impl<T> Drop for ChildHandle<T> {
    fn drop(&mut self) {
        run::if_run(|run| run.forget(self.closed));
    }
}

/// Waits for the end of a child by its handle.
#[must_use = "it does nothing until it is awaited"]
pub struct ChildResult<'a, T> {
    handle: &'a ChildHandle<T>,
    place: Place,
}

impl<T: DeserializeOwned> Future for ChildResult<'_, T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { handle, place } = *self;
        assert!(!handle.over.get(), "a child was awaited again after its end");
        if handle.given_up.get() && !handle.patient {
            return Poll::Ready(Err(Failure::cancelled("the child was given up")));
        }
        let mut asked = handle.given_up.get();
        let (closed, patient) = (handle.closed, handle.patient);
        let end = run::with_run(|run| run.poll_child(closed, patient, &mut asked, place, cx));
        handle.given_up.set(asked);
        end.map(|outcome| {
            handle.over.set(true);
            decode(&handle.workflow_type, outcome)
        })
    }
}

fn decode<T: DeserializeOwned>(
    workflow_type: &str,
    outcome: Result<Vec<u8>, Failure>,
) -> Result<T, Failure> {
    payload::decode_result(&outcome?, format_args!("workflow `{workflow_type}`"))
}
