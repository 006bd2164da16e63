//! Inputs become transitions: decide, let the guest answer, commit, tell the
//! callers.

use std::time::Duration;

use dacapo_engine::decide::{Input, Refusal, implied};
use dacapo_engine::transition::{Effect, Transition};
use dacapo_model::event::HistoryEvent;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{EventId, UpdateId};
use dacapo_model::time::Timestamp;
use tokio::sync::oneshot;

use super::actor::{Actor, Stop};
use super::message::InputAnswer;
use crate::committer::CommitFailure;
use crate::health;
use crate::traces::Span;

/// An input, and who waits for what becomes of it.
pub(super) type Asked = (Input, Option<oneshot::Sender<InputAnswer>>);

/// What was decided about inputs, in their order.
pub(super) type Verdicts = Vec<Result<(), Refusal>>;

/// What was decided about the same inputs in commits without a verdict. At most
/// one of them has been done, or will be: they append the same event ids.
#[derive(Default)]
pub(super) struct Tries(Vec<Try>);

pub(super) struct Try {
    /// The last event that it would append, by which it is recognised.
    mark: Option<(EventId, Timestamp, &'static str)>,
    pub(super) verdicts: Verdicts,
    /// Updates that the guest rejected, which leaves nothing in the store.
    pub(super) rejected: Vec<(UpdateId, Failure)>,
    /// What has ended by it.
    pub(super) spans: Vec<Span>,
}

/// Commits that may fail one after the other before those who wait are told.
const FAILURES_MAX: u32 = 8;

/// Tries that are remembered. A store that fails as often is asked seldom by then,
/// and has given up what it was told first.
const TRIES_MAX: usize = 64;

impl Actor {
    /// Decides inputs, lets the guest answer each, commits all of it, and answers.
    /// When the commit fails, the run is read again: the store knows what has
    /// happened. If the commit was done, what it said counts; else the inputs are
    /// decided again.
    pub(super) async fn settle(
        &mut self,
        mut inputs: Vec<Asked>,
        activate: bool,
    ) -> Result<(), Stop> {
        let mut tries = Tries::default();
        let mut activate = std::mem::take(&mut self.needs_activation) || activate;
        while activate || !inputs.is_empty() {
            if !self.shared.hold.health.grace().await || self.failures > FAILURES_MAX {
                self.failures = self.failures.min(FAILURES_MAX);
                self.postpone(inputs, activate);
                return Ok(());
            }
            self.pause().await?;
            let mut transition = Transition::default();
            let decided = self
                .decide_all(inputs.iter().map(|(input, _)| input), activate, &mut transition)
                .await;
            let committed = match decided {
                Ok(verdicts) => {
                    let mark = mark_of(&transition.events);
                    let rejected = rejected_by(&transition.effects);
                    match self.commit(transition, None).await {
                        Ok(()) => Ok(verdicts),
                        Err(failure) => {
                            let spans = std::mem::take(&mut self.spans);
                            tries.add(Try { mark, verdicts, rejected, spans });
                            Err(failure)
                        }
                    }
                }
                Err(failure) => Err(failure),
            };
            let failure = match committed {
                Ok(verdicts) => {
                    self.failures = 0;
                    self.conclude(inputs, tries.reconcile(verdicts));
                    return Ok(());
                }
                Err(CommitFailure::Fenced) => return Err(Stop::Gone),
                Err(failure) => failure,
            };
            self.failures += 1;
            let done;
            (inputs, done) = self.reload_with(inputs, &mut tries).await?;
            if let Some(verdicts) = done {
                self.failures = 0;
                self.conclude(inputs, verdicts);
                return Ok(());
            }
            if self.fault.is_some() {
                inputs = self.unless_all_faulted(inputs, &mut tries);
            }
            if let CommitFailure::Rejected(reason) = failure {
                return self.settle_rejected(inputs, activate, &reason).await;
            }
            activate = std::mem::take(&mut self.needs_activation);
        }
        Ok(())
    }

    /// The first try after a failure comes at once: a connection was lost. Others
    /// take their time, whatever it is that fails for this run.
    async fn pause(&mut self) -> Result<(), Stop> {
        if self.retry_pause().is_zero() {
            return Ok(());
        }
        tokio::select! {
            () = self.shared.life.halted.cancelled() => Err(Stop::Gone),
            () = tokio::time::sleep(self.retry_pause()) => Ok(()),
        }
    }

    /// Of another length for each run, so that those whose commit failed do not all come
    /// back in one.
    pub(super) fn retry_pause(&self) -> Duration {
        match self.failures {
            0 | 1 => Duration::ZERO,
            failures => health::pause(failures, self.run.key.run_id.0.as_u128()),
        }
    }

    async fn decide_all(
        &mut self,
        inputs: impl Iterator<Item = &Input>,
        activate: bool,
        transition: &mut Transition,
    ) -> Result<Verdicts, CommitFailure> {
        self.spans.clear();
        if activate {
            self.activate(Vec::new(), transition).await?;
        }
        let mut verdicts = Vec::new();
        for input in inputs {
            if let Some(first) = implied(&self.state, input) {
                // Whatever becomes of it, the state knows.
                let _ = self.decide_one(&first, transition).await?;
            }
            verdicts.push(self.decide_one(input, transition).await?);
        }
        Ok(verdicts)
    }

    /// Decides an input, and lets the guest answer it.
    async fn decide_one(
        &mut self,
        input: &Input,
        transition: &mut Transition,
    ) -> Result<Result<(), Refusal>, CommitFailure> {
        let now = self.shared.clock.now();
        let step = match self.decide(input.clone(), now) {
            Ok(step) => step,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let fresh = step.events.clone();
        let wakes_guest = wakes_guest(input, &fresh);
        transition.extend(step);
        if wakes_guest && self.state.guest_may_run() {
            self.activate(fresh, transition).await?;
        } else if matches!(input, Input::Update(_))
            && self.state.guest_may_run()
            && !self.leaves_the_rest()
        {
            self.offer_updates(transition).await?;
        }
        Ok(Ok(()))
    }

    /// Tells the callers, and looks after what the run itself waits for.
    pub(super) fn conclude(&mut self, inputs: Vec<Asked>, verdicts: Verdicts) {
        for ((input, answer), verdict) in inputs.into_iter().zip(verdicts) {
            match &input {
                // Also of one that nobody waits for any more.
                Input::ActivityReturned { scheduled_event_id, .. }
                | Input::ActivityTimedOut { scheduled_event_id, .. }
                | Input::ActivityStopped { scheduled_event_id, .. } => {
                    self.forget_attempt(*scheduled_event_id);
                }
                Input::RunTimerDue { .. } => {
                    if let Err(Refusal::TooEarly(fire_at)) = verdict {
                        self.shared.timers.add(self.run.key, EventId::FIRST, fire_at);
                    }
                }
                Input::TimerDue { event_id } => {
                    if let Err(Refusal::TooEarly(fire_at)) = verdict {
                        self.shared.timers.add(self.run.key, *event_id, fire_at);
                    }
                }
                _ => {}
            }
            if let Some(answer) = answer {
                let _ = answer.send(Ok(verdict));
            }
        }
    }
}

/// Whether an input is something that the guest is to hear of.
pub(super) fn wakes_guest(input: &Input, fresh: &[HistoryEvent]) -> bool {
    matches!(input, Input::Retry) || fresh.iter().any(|event| event.attributes.wakes_guest())
}

fn mark_of(events: &[HistoryEvent]) -> Option<(EventId, Timestamp, &'static str)> {
    events.last().map(|event| (event.id, event.time, event.attributes.type_name()))
}

/// The updates that the guest has rejected, of which the store will know nothing.
pub(super) fn rejected_by(effects: &[Effect]) -> Vec<(UpdateId, Failure)> {
    let rejected = effects.iter().filter_map(|effect| match effect {
        Effect::UpdateRejected { update_id, failure } => Some((update_id.clone(), failure.clone())),
        _ => None,
    });
    rejected.collect()
}

impl Tries {
    fn add(&mut self, one: Try) {
        if self.0.len() < TRIES_MAX {
            self.0.push(one);
        }
    }

    /// Leaves the inputs at those places.
    pub(super) fn retain(&mut self, keeps: &[bool]) {
        for one in &mut self.0 {
            let mut keeps = keeps.iter();
            one.verdicts.retain(|_| keeps.next().copied().unwrap_or(false));
        }
    }

    /// The try that the history has, if it has one.
    pub(super) fn done(&mut self, history: &[HistoryEvent]) -> Option<Try> {
        let is_done = |it: &Try| {
            it.mark.is_some_and(|(id, time, event_type)| {
                let event = history.binary_search_by_key(&id, |event| event.id);
                event.is_ok_and(|at| {
                    history[at].time == time && history[at].attributes.type_name() == event_type
                })
            })
        };
        let at = self.0.iter().position(is_done)?;
        Some(self.0.swap_remove(at))
    }

    /// What to say after inputs were decided again. A try that was done and left no
    /// event can't be seen; where its input was taken then and is refused now, it is
    /// that try which is in its way.
    fn reconcile(&self, mut verdicts: Verdicts) -> Verdicts {
        for one in self.0.iter().filter(|one| one.mark.is_none()) {
            for (verdict, before) in verdicts.iter_mut().zip(&one.verdicts) {
                if before.is_ok() {
                    *verdict = Ok(());
                }
            }
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use dacapo_model::event::EventAttributes;
    use dacapo_model::ids::OperationId;

    use super::*;

    fn history(times: &[i64]) -> Vec<HistoryEvent> {
        let event = |(id, time): (u64, &i64)| HistoryEvent {
            id: EventId(id),
            time: Timestamp::from_micros(*time),
            attributes: EventAttributes::TimerFired {
                started_event_id: EventId(id),
                operation_id: OperationId(1),
            },
        };
        (1..).zip(times).map(event).collect()
    }

    fn tried(events: &[HistoryEvent], verdicts: Verdicts) -> Try {
        Try { mark: mark_of(events), verdicts, rejected: Vec::new(), spans: Vec::new() }
    }

    #[test]
    fn the_verdicts_of_the_try_that_was_done_count() {
        let mut tries = Tries::default();
        let refused = vec![Ok(()), Err(Refusal::Closed)];
        tries.add(tried(&history(&[1, 2, 3]), refused.clone()));
        tries.add(tried(&history(&[1, 2, 4]), vec![Ok(()), Ok(())]));
        assert!(tries.done(&history(&[1, 2])).is_none(), "neither was done yet");
        assert!(tries.done(&history(&[1, 2, 5])).is_none(), "another was");
        let done = tries.done(&history(&[1, 2, 3, 6])).expect("the first was");
        assert_eq!(done.verdicts, refused);
    }

    #[test]
    fn what_was_taken_without_an_event_is_not_refused_afterwards() {
        let mut tries = Tries::default();
        tries.add(tried(&[], vec![Ok(()), Err(Refusal::Stale)]));
        tries.add(tried(&history(&[1]), vec![Ok(()), Ok(())]));
        let again = vec![Err(Refusal::NotBlocked), Err(Refusal::Stale)];
        assert_eq!(tries.reconcile(again), [Ok(()), Err(Refusal::Stale)]);
    }
}
