//! The rows of `task_queues` and `task_queue_leases` that belong to one run.

use std::collections::BTreeMap;
use std::time::Duration;

use dacapo_engine::decide::LeaseTimes;
use dacapo_engine::state::{PendingActivity, RunState};
use dacapo_engine::transition::TaskChange;
use dacapo_model::failure::Failure;
use dacapo_model::ids::EventId;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::NEVER;

use super::{Checked, ensure};

/// How long a lease is that no timeout makes shorter.
const LEASE: Duration = Duration::from_millis(700);

/// At most one row per event, as the tables' primary keys say.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    rows: BTreeMap<EventId, Task>,
    /// The attempts of all leases that there ever were.
    leases: Vec<(EventId, u32)>,
}

#[derive(Debug)]
struct Task {
    attempt: u32,
    visible_at: Timestamp,
    last_failure: Option<Failure>,
    details: Option<Payload>,
    lease: Option<LeaseTimes>,
}

impl Tasks {
    /// True if the run is to be told that nobody has a task that is to be cancelled.
    pub(crate) fn apply(&mut self, change: TaskChange, state: &RunState) -> Checked<bool> {
        match change {
            TaskChange::Schedule { scheduled_event_id } => {
                let activity = state.activities.get(&scheduled_event_id);
                let Some((activity, visible_at)) =
                    activity.and_then(|it| Some((it, it.visible_at()?)))
                else {
                    return Err(format!("the task of {scheduled_event_id} is not for workers"));
                };
                let task = Task {
                    attempt: activity.attempt,
                    visible_at,
                    last_failure: activity.last_failure.clone(),
                    details: activity.heartbeat_details.clone(),
                    lease: None,
                };
                self.rows.insert(scheduled_event_id, task);
            }
            TaskChange::Requeue { scheduled_event_id, attempt, visible_at, last_failure } => {
                let task = self.row(scheduled_event_id)?;
                ensure!(attempt == task.attempt + 1, "attempt {attempt} follows {}", task.attempt);
                task.attempt = attempt;
                task.visible_at = visible_at;
                task.last_failure = Some(last_failure);
                task.lease = None;
            }
            TaskChange::Tell { scheduled_event_id, cancel_until, paused, visible_at } => {
                let task = self.row(scheduled_event_id)?;
                ensure!(paused == (visible_at == NEVER), "only what is paused is never seen");
                task.visible_at = visible_at;
                return Ok(cancel_until.is_some() && task.lease.is_none());
            }
            TaskChange::Remove { scheduled_event_id } => {
                // Or it was asked for in the same transition.
                self.rows.remove(&scheduled_event_id);
            }
        }
        Ok(false)
    }

    fn row(&mut self, event_id: EventId) -> Checked<&mut Task> {
        self.rows.get_mut(&event_id).ok_or_else(|| format!("activity {event_id} has no task"))
    }

    pub(crate) fn pick(&self, pick: u8) -> Option<EventId> {
        self.rows.keys().nth(usize::from(pick) % self.rows.len().max(1)).copied()
    }

    /// One of the leases that there ever were.
    pub(crate) fn pick_lease(&self, pick: usize) -> Option<(EventId, u32)> {
        self.leases.get(pick % self.leases.len().max(1)).copied()
    }

    /// Picks the last lease of a task.
    pub(crate) fn last_lease(&self, event_id: EventId) -> Option<usize> {
        self.leases.iter().rposition(|(of, _)| *of == event_id)
    }

    pub(crate) fn attempt(&self, event_id: EventId) -> Option<u32> {
        self.rows.get(&event_id).map(|task| task.attempt)
    }

    pub(crate) fn lease(&self, event_id: EventId) -> Option<LeaseTimes> {
        self.rows.get(&event_id)?.lease
    }

    /// A worker takes a task, if it may.
    pub(crate) fn claim(&mut self, event_id: EventId, activity: &PendingActivity, now: Timestamp) {
        let Some(task) = self.rows.get_mut(&event_id) else {
            return;
        };
        if task.lease.is_none() && task.visible_at <= now {
            let expires_at = lease_until(activity, now, now);
            task.lease = Some(LeaseTimes { started_at: now, expires_at });
            self.leases.push((event_id, task.attempt));
        }
    }

    /// A worker says something, and has its lease for longer.
    pub(crate) fn heartbeat(
        &mut self,
        event_id: EventId,
        activity: &PendingActivity,
        details: Payload,
        now: Timestamp,
    ) {
        let task = self.rows.get_mut(&event_id);
        if let Some((task, lease)) =
            task.and_then(|task| Some((&mut task.details, task.lease.as_mut()?)))
        {
            *task = Some(details);
            lease.expires_at = lease_until(activity, lease.started_at, now);
        }
    }

    /// When the time of a task is over.
    pub(crate) fn expires_at(
        &self,
        event_id: EventId,
        activity: &PendingActivity,
    ) -> Option<Timestamp> {
        match self.lease(event_id) {
            Some(lease) => Some(
                activity.cancel_until().map_or(lease.expires_at, |it| it.min(lease.expires_at)),
            ),
            None => activity.expires_at(),
        }
    }

    /// Puts what the rows say into a state, as recovery does, or whoever asks for it.
    pub(crate) fn restore(&self, state: &mut RunState) -> Checked {
        for (id, task) in &self.rows {
            let Task { attempt, visible_at, last_failure, details, .. } = task;
            let known =
                state.note_task(*id, *attempt, *visible_at, last_failure.clone(), details.clone());
            ensure!(known, "a task belongs to event {id}, which is no such activity");
        }
        Ok(())
    }

    /// There is a row for each activity that is for workers, which says what the state
    /// does, and no other.
    pub(crate) fn check(&self, state: &RunState) -> Checked {
        for (id, activity) in &state.activities {
            let is_queued = activity.options.task_queue.is_some();
            ensure!(activity.is_queued() == is_queued, "activity {id} is in the wrong place");
            ensure!(!is_queued || !activity.has_row, "activity {id} of a queue has a timer row");
            ensure!(activity.duty().is_none() || !is_queued, "activity {id} is work for the owner");
        }
        let queued = state.activities.iter().filter(|(_, activity)| activity.is_queued());
        let queued: BTreeMap<_, _> = queued
            .map(|(id, it)| (*id, (it.attempt, it.visible_at(), it.last_failure.clone())))
            .collect();
        let rows = self.rows.iter();
        let rows: BTreeMap<_, _> = rows
            .map(|(id, it)| (*id, (it.attempt, Some(it.visible_at), it.last_failure.clone())))
            .collect();
        ensure!(rows == queued, "tasks are {rows:?}, but the state needs {queued:?}");
        Ok(())
    }
}

fn lease_until(activity: &PendingActivity, started_at: Timestamp, now: Timestamp) -> Timestamp {
    let options = &activity.options;
    let silence = options.heartbeat_timeout.map_or(LEASE, |heartbeat| heartbeat.min(LEASE));
    let until = now.after(silence).min(started_at.after(options.start_to_close_timeout));
    activity.close_by().map_or(until, |close_by| until.min(close_by))
}
