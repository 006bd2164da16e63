//! What the node that owns a run must do for it now, whatever an earlier owner had
//! begun. Recovery asks whether there is anything; the run then does each of it. What
//! is not listed here comes by itself: timer rows fall due, and others send messages.

use super::{ExternalRequest, PendingActivity, Placement, RunState};
use crate::transition::Effect;

/// What the owner of a run must do for an activity of which it runs no attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityDuty {
    /// It runs the current attempt.
    RunAttempt,
    /// It reports the current attempt as lost: it may have run before, and must not
    /// run twice.
    ReportLost,
    /// It reports that nothing runs for an activity that was asked to cancel.
    ReportStopped,
}

impl PendingActivity {
    /// What the owner of the run must do for it, if no attempt of it runs there.
    pub fn duty(&self) -> Option<ActivityDuty> {
        match &self.placement {
            // Whoever completes it ends it, or its deadline does.
            Placement::Outside(_) => None,
            // So does a worker; its row and its lease carry on by themselves.
            Placement::Queue { .. } => None,
            Placement::Here | Placement::Waiting { .. } if self.cancel.is_some() => {
                Some(ActivityDuty::ReportStopped)
            }
            Placement::Here if self.started => Some(ActivityDuty::ReportLost),
            Placement::Here => Some(ActivityDuty::RunAttempt),
            Placement::Waiting { .. } => None,
        }
    }
}

impl RunState {
    /// Whether the owner of the run must do anything for it now.
    pub fn has_duties(&self) -> bool {
        self.activities.values().any(|activity| activity.duty().is_some())
            || self.relation_duties().next().is_some()
    }

    /// The children to start and the other runs to reach. Both can be done again.
    pub fn relation_duties(&self) -> impl Iterator<Item = Effect> {
        let starts = self.children.iter().filter(|(_, child)| !child.started);
        let starts =
            starts.map(|(event_id, _)| Effect::StartChild { initiated_event_id: *event_id });
        let reaches = self.externals.iter().filter(|(_, external)| match external.request {
            // A child that has not started is asked as soon as it has.
            ExternalRequest::CancelChild { child, .. } => {
                self.children.get(&child).is_some_and(|child| child.started)
            }
            ExternalRequest::Signal { .. }
            | ExternalRequest::Cancel { .. }
            | ExternalRequest::Terminate { .. } => true,
        });
        let reaches =
            reaches.map(|(event_id, _)| Effect::ReachExternal { initiated_event_id: *event_id });
        starts.chain(reaches)
    }
}

#[cfg(test)]
mod tests {
    use dacapo_model::event::{ActivityOptions, OpenAttempt};

    use super::*;
    use crate::decide::Input;
    use crate::decide::fixtures::*;

    fn outside(options: ActivityOptions) -> RunState {
        let mut state = with_activity(options);
        let open = OpenAttempt { number: 1, started_at: at(10), token_digest: String::new() };
        let opened = Input::ActivityMovedOutside { scheduled_event_id: EVENT, open };
        input(&mut state, 11, opened).expect("it runs");
        state
    }

    fn waiting(options: ActivityOptions) -> RunState {
        let mut state = with_activity(options);
        fail_once(&mut state);
        state
    }

    #[test]
    fn the_placement_of_an_attempt_says_what_the_owner_of_its_run_must_do() {
        use ActivityDuty::{ReportLost, ReportStopped, RunAttempt};
        for (mut state, duty, duty_if_cancelled) in [
            (with_activity(options()), Some(RunAttempt), Some(ReportStopped)),
            (with_activity(attempts(1)), Some(ReportLost), Some(ReportStopped)),
            (waiting(options()), None, Some(ReportStopped)),
            (outside(options()), None, None),
            (outside(attempts(1)), None, None),
            (with_activity(queued(options())), None, None),
            (with_activity(queued(attempts(1))), None, None),
            (waiting(queued(options())), None, None),
        ] {
            assert_eq!(state.activities[&EVENT].duty(), duty);
            assert_eq!(state.has_duties(), duty.is_some());
            take_turn(&mut state, 12, [ask_to_cancel(1, 5)]);
            assert_eq!(state.activities[&EVENT].duty(), duty_if_cancelled);
            assert_eq!(state.has_duties(), duty_if_cancelled.is_some());
        }
    }
}
