//! A start is committed, however long the store takes for it.

use std::pin::pin;

use dacapo_engine::state::RunState;
use dacapo_engine::transition::Transition;
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::RunId;
use tokio::time::Instant;
use tracing::Span;

use super::actor::{Actor, Stop};
use super::begin::{BeginAnswer, BeginWaiter};
use super::load::{self, Loaded};
use super::rejected::{blocked, not_storable};
use super::settle::rejected_by;
use crate::committer::CommitFailure;
use crate::error::ServiceError;
use crate::health::{PATIENCE, now};
use crate::log;
use crate::update_watch::UpdateProgress;

/// Who waits for a start, until they are told.
pub(super) struct Waiter(pub(super) Option<BeginWaiter>);

impl Waiter {
    pub(super) fn tell(&mut self, answer: Result<BeginAnswer, ServiceError>) {
        if let Some(waiter) = self.0.take() {
            // A client that went away can ask again.
            let _ = waiter.send(answer);
        }
    }
}

impl Actor {
    /// Commits a start, until it is known what has become of it: one that was
    /// reported as not done, and is done later, would have nobody who runs it.
    pub(super) async fn store_start(
        &mut self,
        mut transition: Transition,
        begun: (RunState, Transition),
        waiter: &mut Waiter,
        cause: &Span,
    ) -> Result<BeginAnswer, ServiceError> {
        let patient_until = now() + PATIENCE;
        let history_bytes = begun.0.history_bytes;
        let (mut begun, mut undecided) = (Some(begun), None);
        loop {
            let failure = match self.commit(transition.clone(), Some(cause)).await {
                Ok(()) => {
                    self.failures = 0;
                    // Those of the copied part of its history.
                    self.resume_activities();
                    return Ok(BeginAnswer::Started);
                }
                Err(CommitFailure::Fenced) => return Err(not_started()),
                Err(failure) => failure,
            };
            self.failures += 1;
            self.drop_guest();
            if failure == CommitFailure::Unavailable {
                undecided.get_or_insert_with(|| self.shared.hold.health.undecided(history_bytes));
                let waited = self.until_next_try(patient_until, waiter).await;
                waited.map_err(|_| not_known())?;
            }
            // The store says whether it was committed after all.
            match self.look_for_start(waiter).await {
                Ok(Some(loaded)) => {
                    self.failures = 0;
                    self.adopt_start(loaded, &transition, cause).await.map_err(|_| not_known())?;
                    return Ok(BeginAnswer::Started);
                }
                Ok(None) => {}
                Err(_) => return Err(not_known()),
            }
            match (failure, begun.take()) {
                (CommitFailure::Rejected(reason), Some((state, first))) => {
                    // What the guest did is left out.
                    if !state.guest_may_run() {
                        return Err(not_storable(&reason));
                    }
                    (self.state, transition) = (state, first);
                    self.block(blocked(&reason), &mut transition);
                }
                (CommitFailure::Rejected(reason), None) => return Err(not_storable(&reason)),
                (CommitFailure::Conflict, _) => {
                    let other = self.other_run().await;
                    return other.map(BeginAnswer::Conflict).ok_or_else(not_started);
                }
                (_, first) => begun = first,
            }
        }
    }

    /// Waits until the store works. Once that has taken long enough, whoever waits for
    /// the run is told, and whatever comes meanwhile is postponed.
    async fn until_next_try(
        &mut self,
        patient_until: Instant,
        waiter: &mut Waiter,
    ) -> Result<(), Stop> {
        let (shared, pause) = (self.shared.clone(), self.retry_pause());
        let mut may_try = pin!(async {
            tokio::time::sleep(pause).await;
            shared.hold.health.until_working().await;
        });
        loop {
            let is_patient = now() < patient_until;
            if !is_patient {
                waiter.tell(Err(not_known()));
                self.postponed.mailbox(&mut self.mailbox);
            }
            tokio::select! {
                biased;
                () = shared.life.halted.cancelled() => return Err(Stop::Gone),
                () = &mut may_try => return Ok(()),
                () = tokio::time::sleep_until(patient_until), if is_patient => {}
                Some(envelope) = self.mailbox.recv(), if !is_patient => {
                    self.postponed.message(envelope.message);
                }
            }
        }
    }

    async fn look_for_start(&mut self, waiter: &mut Waiter) -> Result<Option<Loaded>, Stop> {
        let (shared, run) = (self.shared.clone(), self.run.clone());
        let (mailbox, postponed) = (&mut self.mailbox, &mut self.postponed);
        let mut tell = || {
            waiter.tell(Err(not_known()));
            postponed.mailbox(mailbox);
        };
        load::look_after_failure(&shared, &run, &mut tell).await
    }

    /// Goes on from a start that was committed without a verdict.
    async fn adopt_start(
        &mut self,
        loaded: Loaded,
        transition: &Transition,
        cause: &Span,
    ) -> Result<(), Stop> {
        log::run_started(&self.execution, self.run.trace(), cause);
        // That leaves nothing in the store; and who waits has to hear of it before the
        // run closes.
        for (update_id, failure) in rejected_by(&transition.effects) {
            self.tell(&update_id, UpdateProgress::Rejected(failure));
        }
        self.adopt(loaded);
        self.show_fault().await
    }

    /// The run that has the workflow id in the store, if one has.
    async fn other_run(&mut self) -> Option<RunId> {
        let (namespace, workflow_id) = (&self.run.namespace, &self.run.workflow_id);
        let found = self.shared.store.find_execution(namespace, workflow_id, None).await;
        found.ok().flatten().map(|execution| execution.key.run_id)
    }
}

pub(super) fn not_started() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the run could not be stored, and was not started; send the request again",
    )
}

/// It is tried on, or the node stops. The same request id makes a repeat safe.
fn not_known() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the database does not take the start of the run now, but may yet; send the request again, \
         with the same request id",
    )
}
