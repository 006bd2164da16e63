//! The rows of `workflow_timers` that belong to one run.

use std::collections::BTreeMap;

use dacapo_engine::state::{Placement, RunState};
use dacapo_engine::transition::TimerChange;
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;

use super::{Checked, ensure};

/// At most one row per event, as the table's primary key says. A row is what set
/// it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    rows: BTreeMap<EventId, TimerChange>,
}

fn fire_at(row: &TimerChange) -> Option<Timestamp> {
    match row {
        TimerChange::SetTimer { fire_at, .. }
        | TimerChange::SetRetry { fire_at, .. }
        | TimerChange::SetDeadline { fire_at, .. } => Some(*fire_at),
        TimerChange::SetRunTimer(timer) => Some(timer.fire_at()),
        TimerChange::SetHeartbeat { .. } | TimerChange::Clear { .. } => None,
    }
}

impl Outbox {
    pub(crate) fn apply(&mut self, change: &TimerChange) {
        match change {
            TimerChange::SetTimer { event_id, .. }
            | TimerChange::SetRetry { event_id, .. }
            | TimerChange::SetHeartbeat { event_id, .. }
            | TimerChange::SetDeadline { event_id, .. } => {
                self.rows.insert(*event_id, change.clone());
            }
            TimerChange::SetRunTimer(_) => {
                self.rows.insert(EventId::FIRST, change.clone());
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
            .filter_map(|(id, row)| Some((*id, fire_at(row)?)))
            .filter(|(_, fire_at)| *fire_at < Timestamp::from_micros(i64::MAX))
            .min_by_key(|(id, fire_at)| (*fire_at, *id))
    }

    pub(crate) fn pick(&self, pick: u8) -> Option<EventId> {
        self.rows.keys().nth(usize::from(pick) % self.rows.len().max(1)).copied()
    }

    /// Puts what the rows say into a state that was made from history alone, as
    /// recovery does.
    pub(crate) fn restore(&self, state: &mut RunState) -> Checked {
        for (id, row) in &self.rows {
            let known = match row.clone() {
                TimerChange::SetTimer { fire_at, .. } => state.note_timer(*id, fire_at),
                TimerChange::SetRunTimer(_) | TimerChange::Clear { .. } => true,
                TimerChange::SetRetry { fire_at, attempt, last_failure, details, .. } => {
                    state.plan_retry(*id, attempt, fire_at, last_failure, details)
                }
                TimerChange::SetHeartbeat { attempt, last_failure, details, .. } => {
                    state.note_heartbeat(*id, attempt, last_failure, details)
                }
                TimerChange::SetDeadline { fire_at, last_failure, details, .. } => {
                    state.note_deadline(*id, fire_at, last_failure, details)
                }
            };
            ensure!(known, "a row belongs to event {id}, which is no such activity: {row:?}");
        }
        Ok(())
    }

    /// There is a row for each pending timer, the run itself, and each activity that
    /// has something to keep, and no other.
    pub(crate) fn check(&self, state: &RunState) -> Checked {
        let timers = state.timers.iter().map(|(id, timer)| (*id, Some(timer.due_at)));
        let activities = state.activities.iter().filter(|(_, activity)| activity.has_row);
        let activities = activities.map(|(id, activity)| {
            let begun = self.rows.get(id).and_then(fire_at);
            (*id, activity.due_at().or(begun))
        });
        let own = state.run_timer().filter(|_| state.status.is_open());
        let own = own.map(|timer| (EventId::FIRST, Some(timer.fire_at())));
        let expected: BTreeMap<_, _> = timers.chain(own).chain(activities).collect();
        let rows: BTreeMap<_, _> = self.rows.iter().map(|(id, row)| (*id, fire_at(row))).collect();
        ensure!(rows == expected, "timer rows are {rows:?}, but the state needs {expected:?}");
        for (id, activity) in &state.activities {
            let keeps = activity.attempt_number() > 1
                || activity.outside().is_some()
                || activity.heartbeat_details.is_some();
            ensure!(keeps <= activity.has_row, "activity {id} has no row: {activity:?}");
        }
        Ok(())
    }
}
