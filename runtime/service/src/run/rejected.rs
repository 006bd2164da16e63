//! The store does not take what a run would record. Less of it is tried, so that
//! every input has an outcome and the run does not try the same for ever.

use std::time::Duration;

use dacapo_engine::decide::{Input, Refusal, implied};
use dacapo_engine::transition::Transition;
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::{Blocked, ExecutionStatus};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::EventId;

use super::actor::{Actor, Stop};
use super::settle::{Asked, wakes_guest};
use crate::committer::CommitFailure;
use crate::error::ServiceError;

/// When a run that can record nothing at all is woken again.
const COME_BACK_AFTER: Duration = Duration::from_secs(20);

/// What came of an input that was tried without what the guest does about it.
enum Tried {
    /// It was decided about, and that is recorded.
    Decided(Result<(), Refusal>),
    /// The guest has no part in it, or the store rejects that, too.
    Rejected,
    /// The store gave no verdict, and the run was read again.
    NotKnown,
}

impl Actor {
    /// Goes on after the store rejected what followed from these inputs, and from
    /// what the guest had not answered before if it was `activated`. Nothing of it is
    /// recorded, and the run was read again.
    pub(super) async fn settle_rejected(
        &mut self,
        mut inputs: Vec<Asked>,
        activated: bool,
        reason: &str,
    ) -> Result<(), Stop> {
        match (activated, inputs.len()) {
            (false, 0) => return Ok(()),
            (true, 0) | (false, 1) => return self.settle_alone(inputs.pop(), reason).await,
            _ => {}
        }
        // One of them is to blame; the others must not suffer for it.
        if activated {
            self.needs_activation = false;
            Box::pin(self.settle(Vec::new(), true)).await?;
        }
        for input in inputs {
            Box::pin(self.settle(vec![input], false)).await?;
        }
        Ok(())
    }

    /// Of one input, or of what the guest makes of what is recorded already.
    async fn settle_alone(&mut self, input: Option<Asked>, reason: &str) -> Result<(), Stop> {
        tracing::error!(
            run_id = %self.run.key,
            workflow_id = %self.run.workflow_id,
            reason,
            "the database refuses what the run would record"
        );
        let Some((input, answer)) = input else {
            return self.block_alone(reason).await;
        };
        // What the guest does about it may be the reason.
        match self.record_and_block(&input, reason).await? {
            Tried::Decided(verdict) => {
                self.conclude(vec![(input, answer)], vec![verdict]);
                return Ok(());
            }
            Tried::NotKnown => {
                self.postpone(vec![(input, answer)], false);
                return Ok(());
            }
            Tried::Rejected => {}
        }
        // It is the input itself.
        let is_asked = answer.is_some();
        if let Some(answer) = answer {
            let _ = answer.send(Err(not_storable(reason)));
        }
        match input {
            // The run waits for it, and must not do so without a word.
            Input::ChildStarted { .. }
            | Input::ChildStartFailed { .. }
            | Input::ChildClosed { .. }
            | Input::ExternalReached { .. } => self.block_alone(reason).await,
            _ if is_asked => Ok(()),
            // Nobody waits for it.
            Input::ActivityHeartbeat { .. } => Ok(()),
            Input::ActivityReturned { scheduled_event_id, attempt, outcome }
                if outcome.as_ref().err().is_none_or(|failure| !is_ours(failure)) =>
            {
                let outcome = Err(outcome_not_stored(reason));
                let instead = Input::ActivityReturned { scheduled_event_id, attempt, outcome };
                Box::pin(self.settle(vec![(instead, None)], false)).await
            }
            // The attempt is made again, or reported as lost, when the run is read again.
            Input::ActivityReturned { scheduled_event_id, .. }
            | Input::ActivityTimedOut { scheduled_event_id, .. }
            | Input::ActivityStopped { scheduled_event_id, .. } => {
                self.attempts.forget(scheduled_event_id);
                self.block_alone(reason).await
            }
            _ => self.block_alone(reason).await,
        }
    }

    /// Records the input, and that the guest could not go on.
    async fn record_and_block(&mut self, input: &Input, reason: &str) -> Result<Tried, Stop> {
        self.spans.clear();
        let mut transition = Transition::default();
        let mut is_for_guest = false;
        for input in implied(&self.state, input).iter().chain([input]) {
            let now = self.shared.clock.now();
            match self.decide(input.clone(), now) {
                Ok(step) => {
                    is_for_guest |=
                        wakes_guest(input, &step.events) || matches!(input, Input::Update(_));
                    transition.extend(step);
                }
                Err(refusal) if transition.is_empty() => {
                    return Ok(Tried::Decided(Err(refusal)));
                }
                Err(_) => {}
            }
        }
        if !is_for_guest || !self.state.guest_may_run() {
            self.reload().await?;
            return Ok(Tried::Rejected);
        }
        self.block(blocked(reason), &mut transition);
        let failure = match self.commit(transition, None).await {
            Ok(()) => {
                self.failures = 0;
                return Ok(Tried::Decided(Ok(())));
            }
            Err(CommitFailure::Fenced) => return Err(Stop::Gone),
            Err(failure) => failure,
        };
        self.reload().await?;
        Ok(match failure {
            CommitFailure::Rejected(_) => Tried::Rejected,
            _ => Tried::NotKnown,
        })
    }

    /// Records nothing but that the run can't go on. Without a verdict of the store, it
    /// is tried again with what the guest has not answered.
    async fn block_alone(&mut self, reason: &str) -> Result<(), Stop> {
        if self.state.status != ExecutionStatus::Running {
            return Ok(());
        }
        let mut transition = Transition::default();
        self.block(blocked(reason), &mut transition);
        match self.commit(transition, None).await {
            Ok(()) => {
                self.failures = 0;
                Ok(())
            }
            Err(CommitFailure::Fenced) => Err(Stop::Gone),
            Err(CommitFailure::Rejected(_)) => Err(self.come_back()),
            Err(CommitFailure::Conflict | CommitFailure::Unavailable) => self.reload().await,
        }
    }

    /// Nothing of the run can be recorded now: it leaves memory, and is read again
    /// after a while. Those who ask for something meanwhile wake it earlier.
    fn come_back(&self) -> Stop {
        let at = self.shared.clock.now().after(COME_BACK_AFTER);
        self.shared.timers.add(self.run.key, EventId::FIRST, at);
        Stop::Gone
    }
}

/// The report of a run that can't record what it would do.
pub(super) fn blocked(reason: &str) -> Blocked {
    Blocked {
        code: ErrorCode::NotStorable.as_str().to_owned(),
        message: format!(
            "the database refuses what the workflow would record: {}. Nothing of it was recorded \
             and none of it was done. Retry the run once the reason is gone, or move it to code \
             that records something else",
            brief(reason)
        ),
        backtrace: None,
        nondeterminism: None,
    }
}

/// For who sent what can't be recorded.
pub(crate) fn not_storable(reason: &str) -> ServiceError {
    ServiceError::new(
        ErrorCode::NotStorable,
        format!(
            "the database refuses to store what the request would record: {}. Nothing was changed",
            brief(reason)
        ),
    )
}

const OUTCOME_NOT_STORED: &str = "OutcomeNotStored";

fn outcome_not_stored(reason: &str) -> Failure {
    let message =
        format!("the activity has ended, but the database refuses to store how: {}", brief(reason));
    Failure::new(FailureKind::Application, OUTCOME_NOT_STORED, message).non_retryable()
}

/// So that what takes the place of an outcome is not replaced in turn.
fn is_ours(failure: &Failure) -> bool {
    failure.info.type_name == OUTCOME_NOT_STORED
}

/// What databases say may repeat what they were given.
fn brief(reason: &str) -> &str {
    const BYTES_MAX: usize = 500;
    &reason[..reason.floor_char_boundary(BYTES_MAX)]
}
