//! How a run is, as far as its actor knows.

use dacapo_engine::state::RunTimer;

use super::actor::Actor;
use crate::types::{
    ActivityDescription, ChainDescription, ChildDescription, ExternalDescription, RunDescription,
    TimerDescription, UpdateDescription,
};

impl Actor {
    pub(super) fn describe(&self) -> RunDescription {
        let now = self.shared.clock.now();
        let activities =
            self.state.activities.iter().map(|(event_id, activity)| ActivityDescription {
                scheduled_event_id: *event_id,
                operation_id: activity.operation_id,
                activity_type: activity.activity_type.clone(),
                scheduled_at: activity.scheduled_at,
                attempt: activity.attempt_number(),
                next_attempt_at: activity
                    .retry_at()
                    .or(activity.visible_at().filter(|visible_at| *visible_at > now))
                    .filter(|_| !activity.paused),
                last_failure: activity.last_failure.clone(),
                heartbeat_details: activity.heartbeat_details.clone(),
                is_open: activity.outside().is_some(),
                cancel_requested: activity.cancel.is_some(),
                paused: activity.paused,
                task_queue: activity.options.task_queue.clone(),
                // Read where they are stored, by who asks.
                lease: None,
            });
        let timers = self.state.timers.iter().map(|(event_id, timer)| TimerDescription {
            started_event_id: *event_id,
            operation_id: timer.operation_id,
            fire_at: timer.due_at,
        });
        let waiting = self.state.updates.admitted();
        let waiting =
            waiting.map(|it| UpdateDescription { update_id: it.update.id, accepted: false });
        let accepted = self.state.updates.accepted();
        let accepted = accepted
            .map(|update_id| UpdateDescription { update_id: update_id.clone(), accepted: true });
        let size = self.history_size();
        let described = RunDescription {
            execution: self.execution.clone(),
            history_length: size.events,
            history_bytes: Some(size.bytes),
            cancel_requested: self.state.cancel_request.is_some(),
            chain: ChainDescription {
                attempt: self.state.chain.attempt,
                first_run_id: self.state.chain.first_run_id,
                delayed_until: self.state.delayed_until,
                times_out_at: match self.state.run_timer() {
                    Some(RunTimer::Timeout { fire_at, .. }) => Some(fire_at),
                    _ => None,
                },
            },
            pending_activities: activities.collect(),
            pending_timers: timers.collect(),
            versions: self.state.versions.clone(),
            parent: self.state.parent.as_deref().cloned(),
            pending_children: self.state.children.iter().map(ChildDescription::of).collect(),
            pending_externals: self.state.externals.iter().map(ExternalDescription::of).collect(),
            pending_updates: accepted.chain(waiting).collect(),
            // Read where they are stored, by who asks.
            published: Vec::new(),
        };
        match self.fault {
            None => described,
            // What it waited for before the damage may have come since.
            Some(_) => described.without_pending(),
        }
    }
}
