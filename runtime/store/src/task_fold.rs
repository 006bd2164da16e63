//! For backends: what a commit does to the rows of a task, and what each change makes of
//! a row.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dacapo_model::event::HistoryEvent;
use dacapo_model::failure::Failure;
use dacapo_model::ids::RunKey;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;

use crate::task::{LeasedTask, TaskChange, TaskKey, TaskRow};

/// What a commit leaves of a task.
#[derive(Debug, Clone, PartialEq)]
pub enum FoldedTask<'a> {
    /// It waits, whatever there was before.
    Enqueue {
        /// The row.
        row: Cow<'a, TaskRow>,
        /// Whether it can be handed out at once. False says nothing: claims find out.
        is_ready: bool,
    },
    /// A worker has it, whatever there was before.
    Lease(Cow<'a, LeasedTask>),
    /// It is nowhere.
    Remove,
    /// The row that is stored is changed.
    Change {
        /// Wherever it is.
        requeue: Option<Requeue<'a>>,
        /// If it waits; or if a worker has it and it is not put back.
        tell: Option<Tell>,
    },
}

/// [`TaskChange::Requeue`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Requeue<'a> {
    /// The next attempt.
    pub attempt: u32,
    /// When it begins.
    pub visible_at: Timestamp,
    /// When its run is told that no worker has taken it.
    pub expires_at: Option<Timestamp>,
    /// What the attempt failed with.
    pub last_failure: &'a Failure,
    /// Its place among others.
    pub fairness_rank: i64,
    /// When it has to have canceled, if it was told so in the same commit.
    pub cancel_until: Option<Timestamp>,
}

/// [`TaskChange::Tell`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tell {
    /// When the worker has to have canceled.
    pub cancel_until: Option<Timestamp>,
    /// Whether the activity is paused.
    pub paused: bool,
    /// When a task that waits may be handed out; never while it is paused.
    pub visible_at: Timestamp,
    /// When the run of a task that waits is told that no worker has taken it.
    pub expires_at: Option<Timestamp>,
}

impl Requeue<'_> {
    /// The task that waits for its next attempt.
    #[must_use]
    pub fn put_back(&self, task: &TaskRow) -> TaskRow {
        let mut row = task.clone();
        row.attempt.number = self.attempt;
        row.attempt.last_failure = Some(self.last_failure.clone());
        row.visible_at = self.visible_at;
        row.expires_at = self.expires_at;
        row.fairness_rank = self.fairness_rank;
        row.attempt.close_by = earlier(row.attempt.close_by, self.cancel_until);
        row
    }
}

impl Tell {
    /// Tells a task that waits: whoever has it later has no more time, either.
    pub fn to_waiting(&self, row: &mut TaskRow) {
        row.visible_at = self.visible_at;
        row.expires_at = self.expires_at;
        row.attempt.close_by = earlier(row.attempt.close_by, self.cancel_until);
    }

    /// Tells a worker.
    pub fn to_lease(&self, leased: &mut LeasedTask) {
        leased.lease.paused = self.paused;
        if let Some(until) = self.cancel_until {
            leased.lease.cancel_requested = true;
            leased.lease.expires_at = leased.lease.expires_at.min(until);
            // Heartbeats don't prolong it beyond that.
            let attempt = &mut leased.task.attempt;
            attempt.close_by = earlier(attempt.close_by, self.cancel_until);
        }
    }

    /// What counts of this and of one after it.
    fn then(self, after: Self) -> Self {
        Self { cancel_until: earlier(self.cancel_until, after.cancel_until), ..after }
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// Folds the changes of a transition into those before it.
pub(crate) fn fold<'a>(
    tasks: &mut BTreeMap<TaskKey, FoldedTask<'a>>,
    key: RunKey,
    changes: &'a [TaskChange],
    events: &[HistoryEvent],
) {
    for change in changes {
        match change {
            TaskChange::Enqueue(row) => {
                debug_assert_eq!(row.key, key, "a transition changes tasks of its own run");
                let is_ready = events.iter().any(|event| row.visible_at <= event.time);
                let row = Cow::Borrowed(&**row);
                tasks.insert((key, row.event_id), FoldedTask::Enqueue { row, is_ready });
            }
            TaskChange::Lease(leased) => {
                debug_assert_eq!(leased.task.key, key, "a transition changes its own tasks");
                let place = (key, leased.task.event_id);
                tasks.insert(place, FoldedTask::Lease(Cow::Borrowed(&**leased)));
            }
            TaskChange::Remove { event_id } => {
                tasks.insert((key, *event_id), FoldedTask::Remove);
            }
            TaskChange::Requeue {
                event_id,
                attempt,
                visible_at,
                expires_at,
                last_failure,
                fairness_rank,
            } => {
                let requeue = Requeue {
                    attempt: *attempt,
                    visible_at: *visible_at,
                    expires_at: *expires_at,
                    last_failure,
                    fairness_rank: *fairness_rank,
                    cancel_until: None,
                };
                folded(tasks, (key, *event_id)).requeue(requeue);
            }
            TaskChange::Tell { event_id, cancel_until, paused, visible_at, expires_at } => {
                let visible_at = if *paused { NEVER } else { *visible_at };
                let tell = Tell {
                    cancel_until: *cancel_until,
                    paused: *paused,
                    visible_at,
                    expires_at: *expires_at,
                };
                folded(tasks, (key, *event_id)).tell(tell);
            }
        }
    }
}

fn folded<'t, 'a>(
    tasks: &'t mut BTreeMap<TaskKey, FoldedTask<'a>>,
    key: TaskKey,
) -> &'t mut FoldedTask<'a> {
    tasks.entry(key).or_insert(FoldedTask::Change { requeue: None, tell: None })
}

impl<'a> FoldedTask<'a> {
    fn requeue(&mut self, after: Requeue<'a>) {
        match self {
            Self::Lease(leased) => {
                let row = Cow::Owned(after.put_back(&leased.task));
                *self = Self::Enqueue { row, is_ready: false };
            }
            Self::Enqueue { row, is_ready } => {
                *row = Cow::Owned(after.put_back(row));
                *is_ready = false;
            }
            Self::Change { requeue, tell } => {
                let told = tell.and_then(|tell| tell.cancel_until);
                let before = requeue.and_then(|before| before.cancel_until);
                *requeue = Some(Requeue { cancel_until: earlier(told, before), ..after });
            }
            Self::Remove => {}
        }
    }

    fn tell(&mut self, after: Tell) {
        match self {
            Self::Lease(leased) => after.to_lease(leased.to_mut()),
            Self::Enqueue { row, is_ready } => {
                after.to_waiting(row.to_mut());
                *is_ready = false;
            }
            Self::Change { requeue, tell } => {
                if let Some(requeue) = requeue {
                    requeue.visible_at = after.visible_at;
                    requeue.expires_at = after.expires_at;
                    requeue.cancel_until = earlier(requeue.cancel_until, after.cancel_until);
                }
                *tell = Some(tell.map_or(after, |before| before.then(after)));
            }
            Self::Remove => {}
        }
    }
}
