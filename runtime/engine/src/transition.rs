//! What one activation or one request changes: committed whole or not at all.

use dacapo_model::attributes::RunAttributes;
use dacapo_model::event::{EventAttributes, HistoryEvent, WorkflowExecutionStarted};
use dacapo_model::execution::{Blocked, ExecutionStatus};
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, QueryName, RunId, UpdateId};
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::TimerKind;
use dacapo_model::update::AdmittedUpdate;

use crate::state::{Children, Externals, RunState, RunTimer};

/// Events, rows and effects that belong together.
///
/// Rows of a further kind are one more list here, one in the store's `RunTransition`,
/// and the step between the two in the service's `run/commit.rs`; what is to be done
/// about them after the commit is one more [`Effect`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transition {
    /// To append, in order. Already applied to the state that decided them.
    pub events: Vec<HistoryEvent>,
    /// Rows of the timer outbox to set or remove, in order.
    pub timers: Vec<TimerChange>,
    /// Tasks of workers to make, change or remove, in order.
    pub tasks: Vec<TaskChange>,
    /// Rows of updates that the guest has not decided about, to set or remove, in
    /// order.
    pub updates: Vec<UpdateChange>,
    /// Values that the guest shows from now on; the last of a name counts.
    pub published: Vec<(QueryName, Payload)>,
    /// Present if what the run's summary shows has changed.
    pub status: Option<StatusChange>,
    /// Present if the memo or the search attributes of the run have changed: all of them.
    pub attributes: Option<RunAttributes>,
    /// To do once all of it is committed.
    pub effects: Vec<Effect>,
}

/// A change of the timer outbox, which has one row at most for an event.
#[derive(Debug, Clone, PartialEq)]
pub enum TimerChange {
    /// Sets the row.
    Set {
        /// The event the row belongs to.
        event_id: EventId,
        /// Not before then.
        fire_at: Timestamp,
        /// What.
        kind: TimerKind,
    },
    /// Removes the row.
    Clear {
        /// The event the row belongs to.
        event_id: EventId,
    },
}

impl From<RunTimer> for TimerChange {
    fn from(timer: RunTimer) -> Self {
        let kind = match timer {
            RunTimer::StartDelay { .. } => TimerKind::StartDelay,
            RunTimer::Timeout { .. } => TimerKind::RunTimeout,
        };
        Self::Set { event_id: EventId::FIRST, fire_at: timer.fire_at(), kind }
    }
}

/// A change of the task of an activity that workers run. A pending activity with a task
/// queue has exactly one task, wherever it is; all else that its row says, the state does.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskChange {
    /// The current attempt waits for a worker: as the state has it after the transition,
    /// in which the activity is pending. Replaces whatever there is, also a lease.
    Schedule {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
    },
    /// An attempt has failed, and the next one waits. What the last heartbeat said goes
    /// with it.
    Requeue {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// The next attempt.
        attempt: u32,
        /// When it begins.
        visible_at: Timestamp,
        /// What the attempt before failed with.
        last_failure: Failure,
    },
    /// Tells whoever has it, now or later. If nobody has it, a request to cancel ends the
    /// activity ([`Input::ActivityStopped`](crate::decide::Input::ActivityStopped)).
    Tell {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
        /// It is to cancel, and is waited for until then.
        cancel_until: Option<Timestamp>,
        /// Whether the activity is paused.
        paused: bool,
        /// When a task that waits may be taken.
        visible_at: Timestamp,
    },
    /// There is no task any more.
    Remove {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
    },
}

impl TaskChange {
    fn scheduled_event_id(&self) -> EventId {
        match self {
            Self::Schedule { scheduled_event_id }
            | Self::Requeue { scheduled_event_id, .. }
            | Self::Tell { scheduled_event_id, .. }
            | Self::Remove { scheduled_event_id } => *scheduled_event_id,
        }
    }
}

/// A change of the updates that wait for the guest.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateChange {
    /// One arrived.
    Admit(AdmittedUpdate),
    /// The guest decided, or will not.
    Remove(UpdateId),
}

/// What a run's summary shows from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusChange {
    /// Where it stands.
    pub status: ExecutionStatus,
    /// Why it is blocked, if it is.
    pub blocked: Option<Blocked>,
    /// When it closed, if it did.
    pub closed_at: Option<Timestamp>,
}

/// Something to do after the commit. Repeatable: after a crash the same effects
/// follow from the state.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Run the next attempt of an activity.
    RunActivity {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
    },
    /// Stop whatever runs for an activity.
    StopActivity {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
    },
    /// Ask the attempt of an activity to end, as nobody waits for the activity any more,
    /// and stop it if it does not look at its signals.
    GiveUpActivity {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
    },
    /// Tell the attempt of an activity that it is to cancel, is paused or is not: the
    /// state says which. If nothing runs, a request to cancel ends the activity.
    TellActivity {
        /// Its `ActivityTaskScheduled`.
        scheduled_event_id: EventId,
    },
    /// Start a child.
    StartChild {
        /// Its `StartChildWorkflowExecutionInitiated`.
        initiated_event_id: EventId,
    },
    /// Deliver a signal or a request to cancel to another run.
    ReachExternal {
        /// The event that asked for it.
        initiated_event_id: EventId,
    },
    /// Treat the children as their parent close policies say, since the run has closed.
    /// The state does not know them any more.
    LeaveChildren {
        /// All that were pending.
        children: Children,
        /// The requests that were not delivered.
        externals: Externals,
    },
    /// Start the run that follows this one, in the same commit.
    StartNext(Box<NextRun>),
    /// Tell those who wait for an update that it was accepted.
    UpdateAccepted {
        /// Which one.
        update_id: UpdateId,
    },
    /// Tell those who wait for an update its outcome.
    UpdateCompleted {
        /// Which one.
        update_id: UpdateId,
        /// The outcome.
        outcome: Result<Payload, Failure>,
    },
    /// Tell those who wait for an update that it was rejected.
    UpdateRejected {
        /// Which one.
        update_id: UpdateId,
        /// Why.
        failure: Failure,
    },
}

/// A run that follows another.
#[derive(Debug, Clone, PartialEq)]
pub struct NextRun {
    /// Its id follows from that of the run before.
    pub run_id: RunId,
    /// Its first event.
    pub started: WorkflowExecutionStarted,
    /// Its input is that of the run before, which the engine does not keep.
    pub same_input: bool,
    /// The signals that follow its first event, by their events in the run before.
    pub unread_signals: Vec<EventId>,
    /// The updates that the run before has not decided about, which go over to it.
    pub admitted: Vec<AdmittedUpdate>,
}

impl Transition {
    /// True if there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.timers.is_empty()
            && self.tasks.is_empty()
            && self.updates.is_empty()
            && self.published.is_empty()
            && self.status.is_none()
            && self.attributes.is_none()
    }

    /// Adds a later transition of the same run.
    pub fn extend(&mut self, later: Self) {
        self.events.extend(later.events);
        self.timers.extend(later.timers);
        later.tasks.into_iter().for_each(|change| self.change_task(change));
        self.updates.extend(later.updates);
        self.published.extend(later.published);
        self.effects.extend(later.effects);
        if later.status.is_some() {
            self.status = later.status;
        }
        if later.attributes.is_some() {
            self.attributes = later.attributes;
        }
    }

    /// Adds a change of a task. Those before it don't matter to one that puts the task
    /// somewhere, or removes it.
    pub(crate) fn change_task(&mut self, change: TaskChange) {
        if matches!(change, TaskChange::Schedule { .. } | TaskChange::Remove { .. }) {
            let changed = change.scheduled_event_id();
            self.tasks.retain(|before| before.scheduled_event_id() != changed);
        }
        self.tasks.push(change);
    }

    /// Lets the current attempt of an activity begin, in whatever place attempts of it
    /// begin.
    pub(crate) fn run_attempt(&mut self, state: &RunState, scheduled_event_id: EventId) {
        let activity = state.activities.get(&scheduled_event_id);
        let Some(activity) = activity.filter(|activity| activity.is_queued()) else {
            self.effects.push(Effect::RunActivity { scheduled_event_id });
            return;
        };
        self.change_task(TaskChange::Schedule { scheduled_event_id });
        if activity.cancel.is_some() {
            self.tell_attempt(state, scheduled_event_id);
        }
    }

    /// Tells whoever has the current attempt of an activity what the state says.
    pub(crate) fn tell_attempt(&mut self, state: &RunState, scheduled_event_id: EventId) {
        let activity = state.activities.get(&scheduled_event_id);
        let task = activity.and_then(|activity| Some((activity, activity.visible_at()?)));
        match task {
            Some((activity, visible_at)) => self.change_task(TaskChange::Tell {
                scheduled_event_id,
                cancel_until: activity.cancel_until(),
                paused: activity.paused,
                visible_at,
            }),
            None => self.effects.push(Effect::TellActivity { scheduled_event_id }),
        }
    }

    /// Removes the rows of an activity that is about to end. True if a worker makes its
    /// attempts: it learns from the missing row that nobody waits for it.
    pub(crate) fn remove_rows(&mut self, state: &RunState, scheduled_event_id: EventId) -> bool {
        let Some(activity) = state.activities.get(&scheduled_event_id) else {
            return false;
        };
        // A first attempt that never said anything has none.
        if activity.has_row {
            self.timers.push(TimerChange::Clear { event_id: scheduled_event_id });
        }
        let is_queued = activity.is_queued();
        if is_queued {
            self.change_task(TaskChange::Remove { scheduled_event_id });
        }
        is_queued
    }

    /// Records an event: gives it the next id and a time that does not go back,
    /// and applies it.
    pub(crate) fn record(
        &mut self,
        state: &mut RunState,
        now: Timestamp,
        attributes: EventAttributes,
    ) -> EventId {
        let event = HistoryEvent {
            id: state.next_event_id,
            time: now.max(state.last_event_at),
            attributes,
        };
        let id = event.id;
        let applied = state.apply(&event);
        assert!(applied.is_ok(), "decide recorded an illegal event: {applied:?}");
        self.events.push(event);
        id
    }

    /// Records a closing event, and gives up all that was pending.
    pub(crate) fn close(
        &mut self,
        state: &mut RunState,
        now: Timestamp,
        attributes: EventAttributes,
    ) {
        if state.run_timer().is_some() {
            self.timers.push(TimerChange::Clear { event_id: EventId::FIRST });
        }
        for event_id in state.timers.keys() {
            self.timers.push(TimerChange::Clear { event_id: *event_id });
        }
        for scheduled_event_id in state.activities.keys().copied() {
            if !self.remove_rows(state, scheduled_event_id) {
                self.effects.push(Effect::StopActivity { scheduled_event_id });
            }
        }
        let undecided = state.updates.admitted();
        self.updates.extend(undecided.map(|it| UpdateChange::Remove(it.update.id)));
        if !state.children.is_empty() || !state.externals.is_empty() {
            let children = std::mem::take(&mut state.children);
            let externals = std::mem::take(&mut state.externals);
            self.effects.push(Effect::LeaveChildren { children, externals });
        }
        self.record(state, now, attributes);
        self.status = Some(StatusChange {
            status: state.status,
            blocked: None,
            closed_at: Some(state.last_event_at),
        });
    }
}
