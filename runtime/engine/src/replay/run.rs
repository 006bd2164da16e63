//! The run as the guest sees it: its id, when it began, how long its history is.

use dacapo_model::event::{EventAttributes, HistorySize, Role, WorkflowExecutionStarted};
use dacapo_model::ids::RunId;

use super::Cursor;

impl Cursor {
    /// The run id that the guest is told, if it is not the run's own. A run that was
    /// reset has that of the original run until the copied part of its history is over.
    pub fn seen_run_id(&self) -> Option<RunId> {
        self.seen_run_id
    }

    /// How long the history was when the last event was delivered.
    pub fn history_size(&self) -> HistorySize {
        HistorySize { events: self.delivered.0, bytes: self.bytes }
    }

    /// Whether the history has become so long that the run should continue as
    /// new.
    pub fn is_continue_as_new_suggested(&self) -> bool {
        let recorded = self.started.as_deref().and_then(|it| it.options.continue_as_new_after);
        let suggested = recorded.unwrap_or(HistorySize::SUGGESTED);
        let size = self.history_size();
        size.events >= suggested.events || size.bytes >= suggested.bytes
    }

    /// Why the run was asked to cancel before its guest ran, if it was: while its start was
    /// delayed. The request is delivered nevertheless.
    pub fn cancelled_before_it_began(&self) -> Option<&str> {
        self.overtaken.iter().find_map(|event| match &event.attributes {
            EventAttributes::WorkflowExecutionCancelRequested { reason, .. } => {
                Some(reason.as_str())
            }
            _ => None,
        })
    }

    /// Sets aside what happened to the run while its start was delayed: in history it
    /// stands before what the guest asked for until it first waited.
    pub(super) fn overtake_delay(&mut self, started: &WorkflowExecutionStarted) {
        if started.options.delayed_until.is_none() {
            return;
        }
        let ended = |attributes: &EventAttributes| {
            matches!(attributes, EventAttributes::WorkflowExecutionDelayEnded {})
        };
        let Some(end) = self.history.iter().position(|event| ended(&event.attributes)) else {
            return;
        };
        if let Some(event) = self.history.get(end) {
            self.now = event.time;
        }
        let before = self.history.drain(..=end);
        self.overtaken.extend(before.filter(|event| event.attributes.role() == Role::Input));
    }

    /// Goes past an activation that is missing in history.
    pub(super) fn pass_fault(&mut self) {
        self.overtaking = true;
        if let Some(event) = self.history.pop_front()
            && let EventAttributes::WorkflowExecutionReset(reset) = event.attributes
        {
            self.seen_run_id = Some(reset.run_id);
        }
    }
}
