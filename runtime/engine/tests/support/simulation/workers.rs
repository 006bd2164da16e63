//! Workers that have attempts of activities, and people who look after them.

use std::time::Duration;

use dacapo_engine::decide::{ActivityControl, ActivityTarget, Input, Report};
use dacapo_engine::state::Placement;
use dacapo_model::event::OpenAttempt;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{EventId, OperationId};
use dacapo_model::payload::Payload;

use super::Simulation;
use crate::support::script::{HowItEnds, HowItFails};
use crate::support::{Checked, ensure};

impl Simulation {
    pub(super) fn pick_activity(&self, pick: u8) -> Option<OperationId> {
        let activities = &self.state.activities;
        let nth = usize::from(pick) % activities.len().max(1);
        activities.values().nth(nth).map(|activity| activity.operation_id)
    }

    pub(super) fn pick_token(&self, pick: u8) -> Option<ActivityTarget> {
        let nth = usize::from(pick) % self.tokens.len().max(1);
        let (scheduled_event_id, digest) = self.tokens.get(nth)?.clone();
        Some(ActivityTarget::Token { scheduled_event_id, digest })
    }

    pub(super) fn control(
        &mut self,
        operation_id: OperationId,
        control: ActivityControl,
    ) -> Checked {
        // What a worker has said is in the row of its task, and is kept.
        self.tasks.restore(&mut self.state)?;
        self.feed(Input::ControlActivity { operation_id, control, reason: String::new() })
    }

    /// Also one that is over may try.
    pub(super) fn heartbeat(&mut self, pick: u8) -> Checked {
        let nth = usize::from(pick) % self.state.activities.len().max(1);
        let picked = self.state.activities.iter().nth(nth);
        let Some((scheduled_event_id, attempt)) = picked.map(|(id, it)| (*id, it.attempt)) else {
            return Ok(());
        };
        let details = (!pick.is_multiple_of(3)).then(|| Payload::new(pick.to_string()));
        let heard_at = self.now;
        self.feed(Input::ActivityHeartbeat { scheduled_event_id, attempt, details, heard_at })
    }

    pub(super) fn open(&mut self, pick: u8) -> Checked {
        let nth = usize::from(pick) % self.running.len().max(1);
        let Some((scheduled_event_id, number)) = self.running.iter().nth(nth).copied() else {
            return Ok(());
        };
        let token_digest = format!("token {}", self.tokens.len());
        self.tokens.push((scheduled_event_id, token_digest.clone()));
        self.running.remove(&(scheduled_event_id, number));
        let open = OpenAttempt { number, started_at: self.now, token_digest };
        self.feed(Input::ActivityMovedOutside { scheduled_event_id, open })?;
        let activity = self.state.activities.get(&scheduled_event_id);
        if activity.is_some_and(|activity| {
            activity.placement == Placement::Here && activity.attempt == number
        }) {
            // Refused.
            self.running.insert((scheduled_event_id, number));
        }
        Ok(())
    }

    pub(super) fn take_running(&mut self, pick: u8) -> Option<(EventId, u32)> {
        let nth = usize::from(pick) % self.running.len().max(1);
        let attempt = self.running.iter().nth(nth).copied()?;
        self.running.remove(&attempt);
        self.returned.push(attempt);
        Some(attempt)
    }

    pub(super) fn worker_returns(
        &mut self,
        pick: u8,
        outcome: Result<Payload, Failure>,
    ) -> Checked {
        match self.take_running(pick) {
            Some((scheduled_event_id, attempt)) => {
                self.feed(Input::ActivityReturned { scheduled_event_id, attempt, outcome })
            }
            None => Ok(()),
        }
    }

    /// What an attempt says after it is over changes nothing.
    pub(super) fn return_again(&mut self, pick: u8) -> Checked {
        let nth = usize::from(pick) % self.returned.len().max(1);
        let Some((scheduled_event_id, attempt)) = self.returned.get(nth).copied() else {
            return Ok(());
        };
        if self.running.contains(&(scheduled_event_id, attempt)) {
            // The node died meanwhile, and the attempt is made once more.
            return Ok(());
        }
        let events = self.history.len();
        let outcome = Ok(Payload::new("2"));
        self.feed(Input::ActivityReturned { scheduled_event_id, attempt, outcome })?;
        ensure!(self.history.len() == events, "an attempt that is over was recorded again");
        Ok(())
    }

    /// Nothing runs that could say that it has ended.
    pub(super) fn end_idle_cancels(&mut self) -> Checked {
        while let Some((scheduled_event_id, attempt)) = self.idle_cancels.pop() {
            self.running.remove(&(scheduled_event_id, attempt));
            let failure = Failure::new(FailureKind::Cancelled, "Cancelled", "nothing runs");
            self.feed(Input::ActivityStopped { scheduled_event_id, attempt, failure })?;
        }
        Ok(())
    }
}

pub(super) fn failure(how: HowItFails) -> Failure {
    let mut failure = Failure::new(FailureKind::Application, "Declined", "no");
    match how {
        HowItFails::Plainly => {}
        HowItFails::NonRetryably => failure.info.non_retryable = true,
        HowItFails::AskingForDelay { nanos } => {
            failure.info.next_retry_delay = Some(Duration::from_nanos(nanos));
        }
    }
    failure
}

pub(super) fn report(how: HowItEnds) -> Report {
    match how {
        HowItEnds::Completed => Report::Completed(Payload::new("4")),
        HowItEnds::Failed => Report::Failed(failure(HowItFails::Plainly)),
        HowItEnds::Canceled => {
            Report::Canceled(Failure::new(FailureKind::Cancelled, "Cancelled", "as asked"))
        }
    }
}
