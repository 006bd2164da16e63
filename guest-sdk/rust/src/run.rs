//! The state of the one run that this instance executes: what it waits for,
//! and whether it was asked to cancel.
//!
//! Everything that decides an order is a counter or a `BTreeMap`, because the
//! run has to behave the same when it is replayed.

mod children;
mod runtime;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

pub(crate) use self::runtime::{Child, Delivery, Host};
use crate::condition::Conditions;
use crate::continue_as_new::Continuation;
use crate::failure::Failure;
use crate::options::ActivityOptions;
use crate::queries::Queries;
use crate::scope::Frames;
use crate::signals::Inboxes;
use crate::tasks::Tasks;
use crate::updates::AllUpdates;
use crate::wait::{Place, Wait};
use crate::waits::Report;

/// Something durable to start.
pub(crate) enum Command {
    Activity {
        activity_type: Cow<'static, str>,
        input: Vec<u8>,
        options: ActivityOptions,
        /// It is a function of this module, so that the module must list it.
        is_function: bool,
    },
    Timer(Duration),
    Signal {
        workflow_id: String,
        run_id: Option<String>,
        name: String,
        input: Vec<u8>,
    },
    Cancel {
        workflow_id: String,
        run_id: Option<String>,
        reason: String,
    },
}

/// Where an operation is on its way.
pub(crate) enum Progress {
    /// Not started: futures do nothing before they are polled.
    Planned(Box<Command>),
    /// Started, and its outcome not yet handed to the code that waits.
    Open(u32),
    /// The outcome was handed over.
    Closed,
}

/// What a future does about its operation when the run is asked to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnCancel {
    /// Gives it up, and ends at once.
    GiveUp,
    /// Asks it to cancel, with this grace period, and waits for its end.
    Ask(Option<Duration>),
    /// Has asked.
    Wait,
    /// Leaves it alone, and ends at once.
    Leave,
}

enum Slot {
    /// It goes on; who waits for it, if somebody does.
    Waiting(Option<Rc<Wait>>),
    Done(Result<Vec<u8>, Failure>),
}

impl Slot {
    fn wait(&self) -> Option<&Rc<Wait>> {
        match self {
            Self::Waiting(wait) => wait.as_ref(),
            Self::Done(_) => None,
        }
    }
}

pub(crate) struct Run {
    host: Rc<dyn Host>,
    /// The activities that the module defines, where that is known.
    activities: Option<&'static [&'static str]>,
    open: BTreeMap<u32, Slot>,
    signals: Inboxes,
    tasks: Tasks,
    conditions: Conditions,
    queries: Queries,
    updates: AllUpdates,
    cancel_requested: Option<String>,
    frames: Frames,
    continuation: Option<Continuation>,
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

/// Makes `host` answer the workflow futures of this thread, as a new run.
pub(crate) fn install(host: Rc<dyn Host>) {
    let run = Run {
        host,
        activities: None,
        open: BTreeMap::new(),
        signals: Inboxes::default(),
        tasks: Tasks::default(),
        conditions: Conditions::default(),
        queries: Queries::default(),
        updates: AllUpdates::default(),
        cancel_requested: None,
        frames: Frames::default(),
        continuation: None,
    };
    RUN.set(Some(run));
}

/// Reaches the current run.
///
/// # Panics
///
/// Outside a workflow, which is a mistake in the program that no code at run
/// time could handle better.
pub(crate) fn with_run<T>(f: impl FnOnce(&mut Run) -> T) -> T {
    RUN.with_borrow_mut(|run| match run {
        Some(run) => f(run),
        None => panic!(
            "activities, timers, signals and cancellation exist in workflows only; \
             an activity calls other activities as plain functions (`name::run`)"
        ),
    })
}

impl Run {
    pub(crate) fn host(&self) -> Rc<dyn Host> {
        Rc::clone(&self.host)
    }

    /// Starts or checks an operation for the future that owns `progress`.
    pub(crate) fn poll(
        &mut self,
        progress: &mut Progress,
        on_cancel: &mut OnCancel,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Vec<u8>, Failure>> {
        let operation = match progress {
            Progress::Planned(command) => {
                if let Some(failure) = self.cancellation() {
                    *progress = Progress::Closed;
                    return Poll::Ready(Err(failure));
                }
                let operation = self.start(command, place);
                *progress = Progress::Open(operation);
                operation
            }
            Progress::Open(operation) => *operation,
            Progress::Closed => panic!("an operation was awaited again after it had ended"),
        };
        let wait = match self.outcome(operation, place, cx) {
            Ok(outcome) => {
                *progress = Progress::Closed;
                return Poll::Ready(outcome);
            }
            Err(wait) => wait,
        };
        let Some(failure) = self.cancellation() else {
            self.frames.enclose(&wait);
            return Poll::Pending;
        };
        match *on_cancel {
            OnCancel::Ask(grace) => {
                self.host.request_cancel(operation, grace);
                *on_cancel = OnCancel::Wait;
                return Poll::Pending;
            }
            OnCancel::Wait => return Poll::Pending,
            OnCancel::GiveUp => self.give_up(operation),
            OnCancel::Leave => self.leave(operation),
        }
        *progress = Progress::Closed;
        Poll::Ready(Err(failure))
    }

    /// The outcome of an operation; or who waits for it, from now on.
    fn outcome(
        &mut self,
        operation: u32,
        place: Place,
        cx: &Context<'_>,
    ) -> Result<Result<Vec<u8>, Failure>, Rc<Wait>> {
        let before = match self.open.remove(&operation) {
            Some(Slot::Done(outcome)) => return Ok(outcome),
            Some(Slot::Waiting(wait)) => wait,
            None => None,
        };
        let wait = Wait::again(before, "operation", place, cx.waker());
        self.open.insert(operation, Slot::Waiting(Some(Rc::clone(&wait))));
        Err(wait)
    }

    /// Takes a signal for the future that owns `ticket`.
    pub(crate) fn poll_signal(
        &mut self,
        name: &str,
        ticket: &mut Option<u64>,
        place: Place,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Vec<u8>, Failure>> {
        let answer = match (self.signals.take(name), self.cancellation()) {
            (Some(message), _) => Ok(message),
            (None, Some(failure)) => Err(failure),
            (None, None) => {
                let wait = self.signals.wait(name, ticket, place, cx.waker());
                self.frames.enclose(&wait);
                return Poll::Pending;
            }
        };
        if let Some(ticket) = ticket.take() {
            self.signals.stop_waiting(name, ticket);
        }
        Poll::Ready(answer)
    }

    /// Goes on or waits, depending on whether the condition of the future that
    /// owns `ticket` holds.
    pub(crate) fn poll_condition(
        &mut self,
        holds: bool,
        ticket: &mut Option<u64>,
        (what, place): (&'static str, Place),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        let answer = match (holds, self.cancellation()) {
            (true, _) => Ok(()),
            (false, Some(failure)) => Err(failure),
            (false, None) => {
                let wait = self.conditions.waiting.wait(ticket, what, place, cx.waker());
                self.frames.enclose(&wait);
                return Poll::Pending;
            }
        };
        if let Some(ticket) = ticket.take() {
            self.conditions.waiting.stop_waiting(ticket);
        }
        self.conditions.stale = true;
        Poll::Ready(answer)
    }

    /// Gives back the signals that nobody took, for the run that follows.
    pub(crate) fn return_signals(&self) {
        self.signals.untaken().for_each(|nth| self.host.return_signal(nth));
    }

    /// Says which activities the module defines.
    pub(crate) fn defines(&mut self, activities: &'static [&'static str]) {
        self.activities = Some(activities);
    }

    fn start(&self, command: &Command, place: Place) -> u32 {
        match command {
            Command::Activity { activity_type, input, options, is_function } => {
                if *is_function && !options.has_queue() && options.other_module().is_none() {
                    self.require(activity_type, place);
                }
                assert!(
                    options.has_queue() || !options.has_preference(),
                    "activity `{activity_type}`, called at {place}, has a priority or a fairness \
                     key, and no task queue in which they would count: name it with `task_queue`"
                );
                assert!(
                    !options.has_queue() || options.other_module().is_none(),
                    "activity `{activity_type}`, called at {place}, has a task queue and a \
                     module: workers know no modules, so name one of the two"
                );
                self.host.start_activity(activity_type, input, options)
            }
            Command::Timer(after) => self.host.start_timer(*after),
            Command::Signal { workflow_id, run_id, name, input } => {
                self.host.signal_external(workflow_id, run_id.as_deref(), name, input)
            }
            Command::Cancel { workflow_id, run_id, reason } => {
                self.host.cancel_external(workflow_id, run_id.as_deref(), reason)
            }
        }
    }

    /// # Panics
    ///
    /// If the module does not define the activity. The run is blocked by that, before
    /// anything is recorded of the call, so that it goes on with a module that does;
    /// calling the activity would fail it for good.
    fn require(&self, activity_type: &str, place: Place) {
        if self.activities.is_some_and(|defined| !defined.contains(&activity_type)) {
            panic!(
                "activity `{activity_type}`, called at {place}, is not in the list of the module: \
                 add it to `activities: [..]` in `dacapo::module!`, upload the module, and move \
                 the run to that version (`dacapo run move WORKFLOW_ID`)"
            );
        }
    }

    /// Nobody waits for an operation any more, which goes on.
    pub(crate) fn forget(&mut self, operation: u32) {
        self.open.remove(&operation);
    }

    fn give_up(&mut self, operation: u32) {
        // Nothing is left to cancel once the outcome was delivered.
        if let Some(Slot::Waiting(_)) = self.open.remove(&operation) {
            self.host.cancel(operation);
        }
    }

    /// Nobody waits for it any more, but it goes on.
    fn leave(&mut self, operation: u32) {
        self.open.remove(&operation);
    }

    /// Why an operation that is awaited here and now must not go on.
    pub(crate) fn cancellation(&self) -> Option<Failure> {
        self.frames.cancellation(self.cancel_requested.as_ref())
    }

    /// Wakes all who wait, since the run is to cancel.
    fn wake_all(&mut self) {
        self.conditions.stale = true;
        self.signals.wake_all();
        self.open.values().filter_map(Slot::wait).for_each(|wait| wait.wake());
    }

    /// What is waited for now, and what nobody has taken.
    pub(crate) fn report(&self) -> Report {
        let mut report = Report::default();
        for (operation, slot) in &self.open {
            if let Some(wait) = slot.wait() {
                report.waits(wait.what(), Some(*operation), None, wait.place());
            }
        }
        self.signals.report(&mut report);
        for wait in self.conditions.waiting.iter() {
            report.waits(wait.what(), None, None, wait.place());
        }
        report
    }

    /// Takes in a delivery and wakes whoever waits for it.
    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        self.conditions.stale = true;
        match delivery {
            Delivery::Completed { operation, outcome } => {
                if let Some(slot) = self.open.get_mut(&operation)
                    && let Slot::Waiting(Some(wait)) = std::mem::replace(slot, Slot::Done(outcome))
                {
                    wait.wake();
                }
            }
            Delivery::Signal { name, input } => self.signals.deliver(name, input),
            Delivery::CancelRequested(reason) => {
                self.cancel_requested = Some(reason);
                self.wake_all();
            }
            // The executor sees to them: their handlers reach for the run.
            Delivery::Query { .. } | Delivery::Update { .. } => {}
        }
    }

    pub(crate) fn is_asked_to_cancel(&self) -> bool {
        self.cancel_requested.is_some()
    }

    pub(crate) fn tasks(&mut self) -> &mut Tasks {
        &mut self.tasks
    }

    pub(crate) fn signals(&mut self) -> &mut Inboxes {
        &mut self.signals
    }

    pub(crate) fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }

    pub(crate) fn queries(&mut self) -> &mut Queries {
        &mut self.queries
    }

    pub(crate) fn updates(&mut self) -> &mut AllUpdates {
        &mut self.updates
    }

    pub(crate) fn frames(&mut self) -> &mut Frames {
        &mut self.frames
    }

    pub(crate) fn continue_with(&mut self, continuation: Continuation) {
        self.continuation.get_or_insert(continuation);
    }

    pub(crate) fn take_continuation(&mut self) -> Option<Continuation> {
        self.continuation.take()
    }
}

/// Gives up what a dropped future was waiting for, or leaves it alone.
pub(crate) fn abandon(progress: &Progress, on_cancel: OnCancel) {
    if let Progress::Open(operation) = progress {
        if_run(|run| match on_cancel {
            OnCancel::Leave => run.leave(*operation),
            _ => run.give_up(*operation),
        });
    }
}

/// A dropped future waits for its signal no more.
pub(crate) fn stop_waiting(name: &str, ticket: u64) {
    if_run(|run| run.signals.stop_waiting(name, ticket));
}

/// Reaches the current run, if there is one: the thread, and with it the run, may
/// be gone already.
pub(crate) fn if_run<T>(f: impl FnOnce(&mut Run) -> T) -> Option<T> {
    RUN.try_with(|run| run.borrow_mut().as_mut().map(f)).ok().flatten()
}
