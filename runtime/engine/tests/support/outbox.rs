//! The rows of `workflow_timers` that belong to one run.

use std::collections::BTreeMap;

use dacapo_engine::state::{Placement, RunState};
use dacapo_engine::transition::TimerChange;
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;
use dacapo_model::timer::{NEVER, TimerKind};

use super::{Checked, ensure};

/// At most one row per event, as the table's primary key says: when it is due, and what
/// for.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    rows: BTreeMap<EventId, (Timestamp, TimerKind)>,
}

impl Outbox {
    pub(crate) fn apply(&mut self, change: &TimerChange) {
        match change {
            TimerChange::Set { event_id, fire_at, kind } => {
                self.rows.insert(*event_id, (*fire_at, kind.clone()));
            }
            TimerChange::Clear { event_id } => {
                self.rows.remove(event_id);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row that a scan by time finds first. Retries that have begun keep
    /// their row, and are no more waited for; nor is what waits for a person.
    pub(crate) fn earliest(&self, state: &RunState) -> Option<(EventId, Timestamp)> {
        self.rows
            .iter()
            .filter(|(id, _)| {
                state.activities.get(id).is_none_or(|a| a.placement != Placement::Here)
            })
            .map(|(id, (fire_at, _))| (*id, *fire_at))
            .filter(|(_, fire_at)| *fire_at < NEVER)
            .min_by_key(|(id, fire_at)| (*fire_at, *id))
    }

    pub(crate) fn pick(&self, pick: u8) -> Option<EventId> {
        self.rows.keys().nth(usize::from(pick) % self.rows.len().max(1)).copied()
    }

    /// Puts what the rows say into a state that was made from history alone, as
    /// recovery does.
    pub(crate) fn restore(&self, state: &mut RunState) -> Checked {
        for (id, (fire_at, kind)) in &self.rows {
            let known = match kind.clone() {
                TimerKind::Timer => state.note_timer(*id, *fire_at),
                TimerKind::StartDelay | TimerKind::RunTimeout => true,
                TimerKind::ActivityRetry { attempt, last_failure, details } => {
                    state.plan_retry(*id, attempt, *fire_at, last_failure, details)
                }
                TimerKind::ActivityHeartbeat { attempt, last_failure, details } => {
                    state.note_heartbeat(*id, attempt, last_failure, details)
                }
                TimerKind::ActivityTimeout { last_failure, details, .. } => {
                    state.note_deadline(*id, *fire_at, last_failure, details)
                }
            };
            ensure!(known, "a row belongs to event {id}, which is no such activity: {kind:?}");
        }
        Ok(())
    }

    /// There is a row for each pending timer, the run itself, and each activity that
    /// has something to keep, and no other.
    pub(crate) fn check(&self, state: &RunState) -> Checked {
        let timers = state.timers.iter().map(|(id, timer)| (*id, Some(timer.due_at)));
        let activities = state.activities.iter().filter(|(_, activity)| activity.has_row);
        let activities = activities.map(|(id, activity)| {
            let begun = self.rows.get(id).map(|(fire_at, _)| *fire_at);
            (*id, activity.due_at().or(begun))
        });
        let own = state.run_timer().filter(|_| state.status.is_open());
        let own = own.map(|timer| (EventId::FIRST, Some(timer.fire_at())));
        let expected: BTreeMap<_, _> = timers.chain(own).chain(activities).collect();
        let rows = self.rows.iter().map(|(id, (fire_at, _))| (*id, Some(*fire_at)));
        let rows: BTreeMap<_, _> = rows.collect();
        ensure!(rows == expected, "timer rows are {rows:?}, but the state needs {expected:?}");
        for (id, activity) in &state.activities {
            let keeps = activity.attempt_number() > 1
                || activity.outside().is_some()
                || activity.heartbeat_details.is_some();
            let keeps = keeps && !activity.is_queued();
            ensure!(keeps <= activity.has_row, "activity {id} has no row: {activity:?}");
        }
        Ok(())
    }
}
