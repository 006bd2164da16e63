//! What a schedule knows: its definition, and what it has done. A run that continues it
//! begins with all of it.

use std::collections::VecDeque;

use dacapo_model::ids::OperationId;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::types::{
    ActionFailure, BufferedAction, ScheduleCounters, ScheduleDefinition, ScheduleStatus,
    ScheduledAction,
};

/// Actions that are remembered after their end.
const RECENT_MAX: usize = 20;

/// Of each list, what is shown.
const SHOWN_MAX: usize = 20;

/// What a run of a schedule is started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recorded {
    /// The caller's name for the schedule.
    pub(crate) id: String,
    pub(crate) definition: ScheduleDefinition,
    pub(crate) state: State,
}

/// All that changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) paused: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remaining_actions: Option<u64>,
    /// None before the first run has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) updated_at: Option<Timestamp>,
    /// Nominal times up to here were acted on. It never goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) acted_until: Option<Timestamp>,
    pub(crate) counters: ScheduleCounters,
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) buffered: VecDeque<BufferedAction>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) running: Vec<Running>,
    /// The newest last.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(crate) recent: VecDeque<ScheduledAction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_result: Option<Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_failure: Option<ActionFailure>,
}

/// A run that the schedule has started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) action: ScheduledAction,
    /// It was told to end, or will be once it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ending: Option<Ending>,
    /// Its start and its end, if this run of the schedule has started it.
    #[serde(skip)]
    pub(crate) operations: Option<(OperationId, OperationId)>,
}

/// How a run is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    Cancel,
    Terminate,
}

impl State {
    /// What others see of it. Of long lists, the beginning.
    pub(crate) fn shown(&self, begun_at: Timestamp) -> ScheduleStatus {
        let created_at = self.created_at.unwrap_or(begun_at);
        let running = self.running.iter().take(SHOWN_MAX);
        ScheduleStatus {
            paused: self.paused,
            note: self.note.clone(),
            remaining_actions: self.remaining_actions,
            created_at,
            updated_at: self.updated_at,
            counters: self.counters,
            running: running.map(|running| running.action.clone()).collect(),
            running_count: self.running.len(),
            buffered: self.buffered.iter().take(SHOWN_MAX).cloned().collect(),
            buffered_count: self.buffered.len(),
            recent_actions: self.recent.iter().rev().cloned().collect(),
            acted_until: self.acted_until.unwrap_or(created_at),
        }
    }

    /// Remembers an action, or what has become of it.
    pub(super) fn remember(&mut self, action: &ScheduledAction) {
        match self.recent.iter_mut().find(|recent| recent.number == action.number) {
            Some(recent) => recent.clone_from(action),
            None => self.recent.push_back(action.clone()),
        }
        while self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    /// Remembers what has become of an action, unless it has been forgotten.
    pub(super) fn recall(&mut self, action: &ScheduledAction) {
        if self.recent.iter().any(|recent| recent.number == action.number) {
            self.remember(action);
        }
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.remaining_actions == Some(0)
    }
}
