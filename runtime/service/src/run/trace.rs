//! Where the guest waits, in its code.

use dacapo_engine::replay::Waiting;
use dacapo_engine::transition::Transition;
use dacapo_model::ids::OperationId;

use super::actor::Actor;
use super::make_room;
use super::query::unreadable;
use crate::error::Result;
use crate::operations::{Awaited, WaitingDescription};

impl Actor {
    /// Replays the history in an instance of its own, which looks where it waits.
    pub(super) async fn trace(&mut self) -> Result<WaitingDescription> {
        let run_id = self.run.key.run_id;
        let status = self.state.status;
        if !self.state.guest_may_run() {
            let blocked = self.execution.blocked.clone();
            let backtrace = blocked.and_then(|blocked| blocked.backtrace);
            return Ok(WaitingDescription { run_id, status, awaited: None, backtrace });
        }
        let history = self.history_with(&Transition::default()).await;
        let history = history.map_err(|_| unreadable())?;
        // One instance more, for a moment; so that it can't wait for this run to make
        // room, this run's own goes first.
        self.drop_guest();
        let _place = make_room(&self.shared).await;
        Ok(match self.shared.host.trace(self.context.clone(), history).await {
            Ok(trace) => WaitingDescription {
                run_id,
                status,
                awaited: trace.waiting.map(|waiting| self.awaited(waiting)),
                backtrace: trace.backtrace,
            },
            Err(blocked) => {
                let awaited = Some(Awaited::Unknown { reason: blocked.message });
                WaitingDescription { run_id, status, awaited, backtrace: blocked.backtrace }
            }
        })
    }

    fn awaited(&self, waiting: Waiting) -> Awaited {
        match waiting {
            Waiting::Start | Waiting::Next => Awaited::Next,
            Waiting::Signal(name) => Awaited::Signal { name },
            Waiting::Operation(operation_id) | Waiting::Sleep(operation_id) => {
                self.awaited_operation(operation_id)
            }
        }
    }

    fn awaited_operation(&self, operation_id: OperationId) -> Awaited {
        let activities = &self.state.activities;
        let activity = activities.values().find(|it| it.operation_id == operation_id);
        let timer = self.state.timers.values().find(|it| it.operation_id == operation_id);
        match (activity, timer) {
            (Some(activity), _) => Awaited::Activity {
                operation_id,
                activity_type: activity.activity_type.clone(),
                attempt: activity.attempt,
            },
            (None, Some(timer)) => Awaited::Timer { operation_id, fire_at: timer.due_at },
            (None, None) => Awaited::Operation { operation_id },
        }
    }
}
