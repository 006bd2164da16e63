//! The rows of `workflow_timers` that belong to one run.

use std::collections::BTreeMap;

use dacapo_engine::state::RunState;
use dacapo_engine::transition::TimerChange;
use dacapo_model::failure::Failure;
use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;

use super::{Checked, ensure};

/// What is to happen at a time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) fire_at: Timestamp,
    /// The attempt to come and what the one before failed with; none for timers.
    pub(crate) retry: Option<(u32, Failure)>,
}

/// At most one row per event, as the table's primary key says.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    rows: BTreeMap<EventId, Row>,
}

impl Outbox {
    pub(crate) fn apply(&mut self, change: &TimerChange) {
        match change {
            TimerChange::SetTimer { event_id, fire_at } => {
                self.rows.insert(*event_id, Row { fire_at: *fire_at, retry: None });
            }
            TimerChange::SetRetry { event_id, fire_at, attempt, last_failure } => {
                let retry = Some((*attempt, last_failure.clone()));
                self.rows.insert(*event_id, Row { fire_at: *fire_at, retry });
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
    /// their row, and are no more waited for.
    pub(crate) fn earliest(&self, state: &RunState) -> Option<(EventId, Timestamp)> {
        self.rows
            .iter()
            .filter(|(id, _)| state.activities.get(id).is_none_or(|a| a.retry_at.is_some()))
            .map(|(id, row)| (*id, row.fire_at))
            .min_by_key(|(id, fire_at)| (*fire_at, *id))
    }

    pub(crate) fn pick(&self, pick: u8) -> Option<EventId> {
        self.rows.keys().nth(usize::from(pick) % self.rows.len().max(1)).copied()
    }

    /// Puts what the rows say into a state that was made from history alone, as
    /// recovery does.
    pub(crate) fn restore(&self, state: &mut RunState) -> Checked {
        for (id, row) in &self.rows {
            if let Some((attempt, failure)) = &row.retry {
                let known = state.plan_retry(*id, *attempt, row.fire_at, failure.clone());
                ensure!(known, "a retry row belongs to event {id}, which is no pending activity");
            }
        }
        Ok(())
    }

    /// There is a row for each pending timer and each activity past its first
    /// attempt, and no other.
    pub(crate) fn check(&self, state: &RunState) -> Checked {
        let timers = state.timers.iter().map(|(id, timer)| (*id, timer.fire_at, None));
        let retries = state.activities.iter().filter(|(_, activity)| activity.attempt > 1).map(
            |(id, activity)| {
                let fire_at = activity.retry_at.or(self.rows.get(id).map(|row| row.fire_at));
                (*id, fire_at.unwrap_or_default(), Some(activity.attempt))
            },
        );
        let expected: BTreeMap<_, _> =
            timers.chain(retries).map(|(id, fire_at, attempt)| (id, (fire_at, attempt))).collect();
        let rows: BTreeMap<_, _> = self
            .rows
            .iter()
            .map(|(id, row)| (*id, (row.fire_at, row.retry.as_ref().map(|(attempt, _)| *attempt))))
            .collect();
        ensure!(rows == expected, "timer rows are {rows:?}, but the state needs {expected:?}");
        Ok(())
    }
}
