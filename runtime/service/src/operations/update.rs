//! Asks a run to do something, and waits for the answer.

use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::decide::{Input, Refusal};
use dacapo_engine::state::UpdateStage;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::ids::{EventId, RunId, RunKey, UpdateId};
use dacapo_model::update::Update;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::locate::{Located, closed};
use super::{RunRef, Started};
use crate::delivery::{LOOKS_MAX, deliver, no_answer, not_reached, tell_open};
use crate::error::{Result, ServiceError};
use crate::run::{Message, OpenRun};
use crate::tenancy::Tenant;
use crate::traces::update_sent;
use crate::update_watch::{UpdateProgress, Watched};

/// Events read by one statement.
const PAGE: u32 = 2_000;

/// Runs that follow each other in which one request looks for an update.
const FOLLOWED_MAX: usize = 8;

/// What the caller of an update waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitFor {
    /// That the workflow has decided about it.
    Accepted,
    /// That it has its outcome.
    #[default]
    Completed,
}

/// How long the caller of an update waits, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateWait {
    /// For what.
    pub wait_for: WaitFor,
    /// How long.
    pub wait: Duration,
}

impl UpdateWait {
    /// True if there is nothing more to wait for.
    pub fn is_over(&self, progress: &UpdateProgress) -> bool {
        match self.wait_for {
            WaitFor::Accepted => *progress != UpdateProgress::Admitted,
            WaitFor::Completed => progress.is_final(),
        }
    }
}

/// How far an update had come when the wait was over.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateResult {
    /// The run that has it.
    pub run_id: RunId,
    /// Which update.
    pub update_id: UpdateId,
    /// How far.
    pub progress: UpdateProgress,
}

impl Tenant {
    /// Sends an update and waits. When it returns, the update is durable, unless it
    /// was rejected. A repeat of its id is the same update, also when its run has
    /// closed since.
    pub async fn update_run(
        &self,
        run: &RunRef,
        update: Update,
        wait: UpdateWait,
    ) -> Result<UpdateResult> {
        self.shared.admit_write()?;
        self.check_update(&update)?;
        for _ in 0..LOOKS_MAX {
            let open = match self.locate(run).await? {
                Located::Open(open) => open,
                Located::Closed(execution) => {
                    return self.closed_update(run, execution.key, update.id).await;
                }
            };
            // Before it is sent, so that no change is missed.
            let watched = open.updates.watch(open.key.run_id, &update.id);
            match self.send_update(run, &open, update.clone()).await? {
                Sent::Taken => return self.follow(run, &open, watched, update.id, wait).await,
                Sent::Closed if run.run_id.is_none() => {}
                Sent::Closed => return self.closed_update(run, open.key, update.id).await,
            }
        }
        Err(not_reached())
    }

    /// How far an update has come, waiting as long as asked. An update that went over
    /// to the run which follows is found there.
    pub async fn describe_update(
        &self,
        run: &RunRef,
        update_id: UpdateId,
        wait: UpdateWait,
    ) -> Result<UpdateResult> {
        self.shared.admit()?;
        let mut at = run.clone();
        // What the run says that was asked about.
        let mut unknown = None;
        for _ in 0..FOLLOWED_MAX {
            let key = match self.locate(&at).await? {
                Located::Open(open) => {
                    let watched = open.updates.watch(open.key.run_id, &update_id);
                    match self.stage(&open, &update_id).await {
                        Some(None) => {
                            self.shared.hold.confirm.held(open.key.hash).await?;
                            let not_found = || not_found(run, open.key.run_id, &update_id);
                            return Err(unknown.unwrap_or_else(not_found));
                        }
                        Some(Some(_)) => {
                            return self.follow(&at, &open, watched, update_id, wait).await;
                        }
                        None => open.key,
                    }
                }
                Located::Closed(execution) => execution.key,
            };
            let Recorded { found, next } = self.recorded_update(key, &update_id).await?;
            let problem = match found {
                Some((run_id, UpdateProgress::Accepted)) => unfinished(run, run_id, &update_id),
                Some((run_id, progress)) => {
                    return Ok(UpdateResult { run_id, update_id, progress });
                }
                None => not_found(run, key.run_id, &update_id),
            };
            let problem = unknown.unwrap_or(problem);
            let Some(next) = next else {
                return Err(problem);
            };
            unknown = Some(problem);
            at.run_id = Some(next);
        }
        Err(unknown.unwrap_or_else(not_reached))
    }

    pub(super) fn check_update(&self, update: &Update) -> Result<()> {
        self.check_payload("the update's input", &update.input)
    }

    /// Waits for an update that a start has brought to a run.
    pub(super) async fn follow_started(
        &self,
        run: &RunRef,
        started: &Started,
        watched: watch::Receiver<Watched>,
        update_id: UpdateId,
        wait: UpdateWait,
    ) -> Result<UpdateResult> {
        let run = RunRef { run_id: Some(started.run_id), ..run.clone() };
        match self.locate(&run).await? {
            Located::Open(open) => self.follow(&run, &open, watched, update_id, wait).await,
            Located::Closed(execution) => {
                let seen = watched.borrow().clone();
                if seen.progress.is_final() {
                    let Watched { run_id, progress } = seen;
                    return Ok(UpdateResult { run_id, update_id, progress });
                }
                self.closed_update(&run, execution.key, update_id).await
            }
        }
    }

    /// Tells a run that a start has found what the start asks for. None if it has
    /// closed meanwhile, and does not know the update.
    pub(super) async fn update_found(&self, run: &RunRef, update: &Update) -> Result<Option<()>> {
        let Located::Open(open) = self.locate(run).await? else {
            let key = self.key_of(run, run.run_id.ok_or_else(no_answer)?);
            return Ok(self.recorded_update(key, &update.id).await?.found.map(drop));
        };
        match self.send_update(run, &open, update.clone()).await? {
            Sent::Taken => Ok(Some(())),
            Sent::Closed => Ok(None),
        }
    }

    async fn send_update(&self, run: &RunRef, open: &Arc<OpenRun>, update: Update) -> Result<Sent> {
        let sent_at = self.shared.clock.now();
        match tell_open(&self.shared, open, Input::Update(update.clone())).await? {
            Ok(()) => {
                update_sent(self, (&open.workflow_id, open.key.run_id), &update, sent_at);
                Ok(Sent::Taken)
            }
            Err(Refusal::Stale) => Ok(Sent::Taken),
            Err(Refusal::Closed) => Ok(Sent::Closed),
            Err(refusal) => Err(ServiceError::new(
                ErrorCode::TooManyUpdates,
                format!(
                    "{refusal} (run {} of workflow id `{}`), and no more are allowed: wait for \
                     some, let the workflow continue as new now and then, or raise \
                     `updates_in_flight_max` or `updates_max`",
                    open.key.run_id, run.workflow_id
                ),
            )
            .with("run_id", open.key.run_id)),
        }
    }

    /// Waits for an update that a run knows, or knew a moment ago.
    async fn follow(
        &self,
        run: &RunRef,
        open: &Arc<OpenRun>,
        mut watched: watch::Receiver<Watched>,
        update_id: UpdateId,
        wait: UpdateWait,
    ) -> Result<UpdateResult> {
        let run_id = open.key.run_id;
        let seen = watched.borrow_and_update().clone();
        let mut now = seen;
        if now.progress == UpdateProgress::Admitted {
            // It may have come further before anybody watched.
            match self.stage(open, &update_id).await {
                Some(Some(UpdateStage::Completed(event_id))) => {
                    let progress = self.outcome(open.key, event_id).await?;
                    return Ok(UpdateResult { run_id, update_id, progress });
                }
                Some(Some(UpdateStage::Accepted)) => now.progress = UpdateProgress::Accepted,
                Some(Some(UpdateStage::Before(run_id))) => {
                    let key = RunKey { hash: open.key.hash, run_id };
                    return self.closed_update(run, key, update_id).await;
                }
                Some(Some(UpdateStage::Admitted) | None) | None => {}
            }
        }
        let heard = async {
            while !wait.is_over(&now.progress) {
                if watched.changed().await.is_err() {
                    // The sender goes with the last change, or with the run.
                    now = watched.borrow().clone();
                    return now.progress.is_final();
                }
                now = watched.borrow_and_update().clone();
            }
            true
        };
        let known = tokio::select! {
            known = tokio::time::timeout(wait.wait, heard) => known.unwrap_or(true),
            () = self.shared.life.stopping.cancelled() => true,
        };
        if !known {
            let key = RunKey { hash: open.key.hash, run_id: now.run_id };
            return self.closed_update(run, key, update_id).await;
        }
        if !matches!(now.progress, UpdateProgress::Completed(_)) {
            // What was rejected has left nothing in the store, and what is not done
            // yet may have been done elsewhere.
            self.shared.hold.confirm.held(open.key.hash).await?;
        }
        Ok(UpdateResult { run_id: now.run_id, update_id, progress: now.progress })
    }

    /// How far a run says that an update has come. None if the run did not say.
    async fn stage(
        &self,
        open: &Arc<OpenRun>,
        update_id: &UpdateId,
    ) -> Option<Option<UpdateStage>> {
        let (answer, answered) = oneshot::channel();
        let message = Message::UpdateStage { update_id: update_id.clone(), answer };
        deliver(&self.shared, open, message).await.ok()?;
        answered.await.ok()
    }

    async fn outcome(&self, key: RunKey, event_id: EventId) -> Result<UpdateProgress> {
        let events = self.shared.store.load_history(key, event_id, 1).await?;
        let progress = events.first().and_then(|event| UpdateProgress::of_event(&event.attributes));
        progress.ok_or_else(|| {
            ServiceError::new(ErrorCode::Internal, format!("event {event_id} is no outcome"))
        })
    }

    /// The outcome of an update of a closed run, or why there is none.
    async fn closed_update(
        &self,
        run: &RunRef,
        key: RunKey,
        update_id: UpdateId,
    ) -> Result<UpdateResult> {
        match self.recorded_update(key, &update_id).await?.found {
            Some((run_id, UpdateProgress::Accepted)) => Err(unfinished(run, run_id, &update_id)),
            Some((run_id, progress)) => Ok(UpdateResult { run_id, update_id, progress }),
            None => Err(closed(run, key.run_id)),
        }
    }

    /// What a run, or one that it follows, has recorded about an update. Reads
    /// histories: only for those who ask after the end of a run.
    async fn recorded_update(&self, key: RunKey, update_id: &UpdateId) -> Result<Recorded> {
        let read = self.read_update(key, update_id).await?;
        let next = read.next;
        if let (None, Some(run_id)) = (&read.progress, read.before) {
            let before = self.read_update(RunKey { run_id, ..key }, update_id).await?;
            return Ok(Recorded { found: before.progress.map(|it| (run_id, it)), next });
        }
        Ok(Recorded { found: read.progress.map(|it| (key.run_id, it)), next })
    }

    async fn read_update(&self, key: RunKey, update_id: &UpdateId) -> Result<Read> {
        let mut from = EventId::FIRST;
        let mut read = Read::default();
        loop {
            let page = self.shared.store.load_history(key, from, PAGE).await?;
            for HistoryEvent { attributes, .. } in &page {
                if let EventAttributes::WorkflowExecutionStarted(started) = attributes {
                    read.before = started.chain.taken.run_of(update_id);
                }
                if update_of(attributes) == Some(update_id) {
                    read.progress = UpdateProgress::of_event(attributes);
                }
            }
            if read.progress.as_ref().is_some_and(UpdateProgress::is_final) {
                return Ok(read);
            }
            match page.last() {
                Some(last) if page.len() >= PAGE as usize => from = last.id.next(),
                last => {
                    read.next = last.and_then(|last| last.attributes.next_run());
                    return Ok(read);
                }
            }
        }
    }
}

/// What histories say about an update.
struct Recorded {
    /// How far it has come, and the run that has it.
    found: Option<(RunId, UpdateProgress)>,
    /// The run that follows the one that was asked about.
    next: Option<RunId>,
}

/// What one history says about an update.
#[derive(Default)]
struct Read {
    progress: Option<UpdateProgress>,
    /// A run before it that has the update.
    before: Option<RunId>,
    /// The run that follows.
    next: Option<RunId>,
}

/// An id for an update whose caller has none.
pub fn made_up_update_id() -> UpdateId {
    #[expect(
        clippy::disallowed_methods,
        reason = "a request without an id gets one here, once, and it is recorded"
    )]
    let id = UpdateId::new(Uuid::now_v7().to_string());
    id.expect("a UUID is a valid id")
}

/// What became of an update on its way to a run.
enum Sent {
    /// The run has it, or had it before, or has rejected it.
    Taken,
    /// The run has closed.
    Closed,
}

/// The update that an event is about.
fn update_of(attributes: &EventAttributes) -> Option<&UpdateId> {
    match attributes {
        EventAttributes::WorkflowExecutionUpdateAccepted(accepted) => Some(&accepted.update_id),
        EventAttributes::WorkflowExecutionUpdateCompleted(completed) => Some(&completed.update_id),
        _ => None,
    }
}

fn unfinished(run: &RunRef, run_id: RunId, update_id: &UpdateId) -> ServiceError {
    ServiceError::new(
        ErrorCode::RunClosed,
        format!(
            "run {run_id} of workflow id `{}` had accepted update {update_id}, and closed before \
             the update was completed",
            run.workflow_id
        ),
    )
    .with("run_id", run_id)
    .with("update_id", update_id)
}

fn not_found(run: &RunRef, run_id: RunId, update_id: &UpdateId) -> ServiceError {
    ServiceError::new(
        ErrorCode::UpdateNotFound,
        format!(
            "run {run_id} of workflow id `{}` knows no update {update_id}: it was never sent, or \
             it was rejected",
            run.workflow_id
        ),
    )
    .with("run_id", run_id)
    .with("update_id", update_id)
}
