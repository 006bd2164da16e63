//! A run from the store. The same whether it was asleep or the node has died.

use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::state::RunState;
use dacapo_model::event::{HistoryEvent, Role};
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::EventId;
use dacapo_model::timer::TimerKind;
use dacapo_store::Store;
use dacapo_store::error::StoreError;
use dacapo_store::task::{LeasedTask, TaskAttempt, TaskPlace};

use super::OpenRun;
use super::actor::{Actor, Stop, context_in_trace};
use super::fault::{state_of, with_end};
use super::settle::{Asked, Tries, Verdicts};
use crate::backoff::Backoff;
use crate::delivery::is_here;
use crate::health::now;
use crate::loader::StoredRun;
use crate::log_limit::LogLimit;
use crate::runtime::Shared;
use crate::salvage::{Fault, is_fault, is_unreadable, salvage};
use crate::types::Closing;
use crate::update_watch::UpdateProgress;

/// The pauses before the store is asked again.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// All runs can't be read at the same time.
static LOG: LogLimit = LogLimit::new();

/// What is done again and again while a run can't be read for long: telling those who
/// wait for it.
pub(super) type Tell<'a> = &'a mut (dyn FnMut() + Send);

/// A run as the store has it.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) execution: Execution,
    pub(crate) state: RunState,
    /// All of it, for the guest's first activation here.
    pub(crate) history: Vec<HistoryEvent>,
    /// How it closed, if it did.
    pub(crate) closing: Option<Closing>,
    /// True if the last thing recorded is something that the guest has not
    /// answered: it must run now.
    pub(crate) needs_activation: bool,
    /// Why nothing can go on with its history. Then that is what comes before, and
    /// the state is blocked.
    pub(crate) fault: Option<Fault>,
    /// All its timer rows, by their events, if there is a fault.
    pub(crate) timer_rows: Vec<EventId>,
    /// All its tasks, by their events, if there is a fault.
    pub(crate) tasks: Vec<EventId>,
}

impl Loaded {
    /// Whether something is to be said about its history, or is said that is not so
    /// any more.
    pub(crate) fn shows_fault(&self) -> bool {
        self.fault.is_some() || self.execution.blocked.iter().any(|it| is_fault(&it.code))
    }

    /// Takes the rows of its tasks into account. They are not read together with the rest:
    /// few runs have any.
    async fn take_tasks(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let key = self.execution.key;
        if self.fault.is_some() {
            let tasks = store.run_tasks(key).await.unwrap_or_else(|error| {
                tracing::error!(run_id = %key, %error, "tasks of a damaged run can't be read");
                Vec::new()
            });
            self.tasks = tasks.iter().map(|place| place.task().1).collect();
        } else if self.state.has_tasks() {
            for place in store.run_tasks(key).await? {
                let (TaskPlace::Queue(row) | TaskPlace::Hand(LeasedTask { task: row, .. })) = place;
                let TaskAttempt { number, last_failure, details, .. } = row.attempt;
                let event_id = row.event_id;
                self.state.note_task(event_id, number, row.visible_at, last_failure, details);
            }
        }
        Ok(())
    }

    /// It may have done so after its row was read.
    fn has_closed(&self) -> bool {
        self.closing.is_some() || !self.execution.status.is_open()
    }
}

/// Puts a run together from its rows.
pub(crate) fn assemble(stored: StoredRun) -> Loaded {
    let StoredRun { execution, mut history, timers, updates, fault } = stored;
    let (mut state, fault) = state_of(&execution, &mut history, fault);
    if let Some(fault) = fault {
        let timer_rows = timers.iter().map(|row| row.event_id).collect();
        for admitted in updates {
            state.updates.admit(admitted);
        }
        let (closing, needs_activation) = (None, false);
        let fault = Some(fault);
        let tasks = Vec::new();
        return Loaded {
            execution,
            state,
            history,
            closing,
            needs_activation,
            fault,
            timer_rows,
            tasks,
        };
    }
    for timer in timers {
        let (event_id, fire_at) = (timer.event_id, timer.fire_at);
        match timer.kind {
            TimerKind::Timer => {
                state.note_timer(event_id, fire_at);
            }
            // History says it.
            TimerKind::StartDelay | TimerKind::RunTimeout => {}
            TimerKind::ActivityRetry { attempt, last_failure, details } => {
                state.plan_retry(event_id, attempt, fire_at, last_failure, details);
            }
            TimerKind::ActivityHeartbeat { attempt, last_failure, details } => {
                state.note_heartbeat(event_id, attempt, last_failure, details);
            }
            TimerKind::ActivityTimeout { last_failure, details, .. } => {
                state.note_deadline(event_id, fire_at, last_failure, details);
            }
        }
    }
    for admitted in updates {
        state.updates.admit(admitted);
    }
    // A retry of a blocked run changes its row before its history.
    if state.status == ExecutionStatus::Blocked && execution.status == ExecutionStatus::Running {
        state.status = ExecutionStatus::Running;
    }
    let last = history.last();
    let needs_activation =
        state.guest_may_run() && (is_unanswered(&history) || !state.updates.none_admitted());
    let closing = last.filter(|event| event.attributes.is_closing()).map(|event| Closing {
        status: state.status,
        attributes: event.attributes.clone(),
        closed_at: event.time,
    });
    let (timer_rows, tasks) = (Vec::new(), Vec::new());
    Loaded { execution, state, history, closing, needs_activation, fault, timer_rows, tasks }
}

/// A transition holds an input and what the guest did about it. If an input is
/// the last event that the guest has to do with, the guest did nothing, or has not
/// been asked. An update is an event only once the guest has accepted it.
fn is_unanswered(history: &[HistoryEvent]) -> bool {
    let mut roles = history.iter().rev().map(|event| event.attributes.role());
    roles.find_map(|role| match role {
        Role::Input | Role::FirstActivation | Role::Interruption => Some(true),
        Role::AcceptedInput | Role::Command | Role::ClosingCommand => Some(false),
        Role::ClosedFromOutside | Role::Note => None,
    }) == Some(true)
}

/// Takes a run from the store. Waits while the store does not answer; once that has
/// taken long enough, whoever waits is to be told, again and again as more come.
pub(super) async fn load(
    shared: &Arc<Shared>,
    run: &Arc<OpenRun>,
    tell: Tell<'_>,
) -> Result<Loaded, Stop> {
    look(shared, run, tell).await?.ok_or(Stop::Gone)
}

/// Takes a run from the store, if it is there.
async fn look(
    shared: &Arc<Shared>,
    run: &Arc<OpenRun>,
    tell: Tell<'_>,
) -> Result<Option<Loaded>, Stop> {
    let mut backoff = BACKOFF;
    let begun = now();
    loop {
        match try_load(shared, run).await {
            // It has closed, and nobody can say how: who waits for it looks into the store.
            Ok(Some(loaded)) if loaded.fault.is_some() && loaded.has_closed() => {
                shared.directory.remove(run);
                run.close();
                return Err(Stop::Gone);
            }
            Ok(found) => return Ok(found),
            Err(error @ StoreError::Unavailable { .. }) => unread(shared, run, &error),
            Err(error) => {
                tracing::error!(run_id = %run.key, error = ?error, "run can't be loaded");
                return Err(Stop::Gone);
            }
        }
        if shared.hold.health.is_over(begun) {
            tell();
        }
        pause(shared, &mut backoff).await?;
    }
}

/// Takes a run from the store after a commit that has no verdict. It may be done
/// while the run is read, table by table: then it is read again.
pub(super) async fn look_after_failure(
    shared: &Arc<Shared>,
    run: &Arc<OpenRun>,
    tell: Tell<'_>,
) -> Result<Option<Loaded>, Stop> {
    let mut before = last_event(shared, run, tell).await?;
    loop {
        let found = look(shared, run, tell).await?;
        let after = last_event(shared, run, tell).await?;
        if after == before {
            return Ok(found);
        }
        before = after;
    }
}

async fn last_event(
    shared: &Shared,
    run: &OpenRun,
    tell: Tell<'_>,
) -> Result<Option<EventId>, Stop> {
    let mut backoff = BACKOFF;
    let begun = now();
    loop {
        match shared.store.last_event(run.key).await {
            Ok(event) => return Ok(event.map(|event| event.id)),
            Err(error @ StoreError::Unavailable { .. }) => unread(shared, run, &error),
            // What is wrong with it is found by who reads all of it.
            Err(_) => return Ok(None),
        }
        if shared.hold.health.is_over(begun) {
            tell();
        }
        pause(shared, &mut backoff).await?;
    }
}

fn unread(shared: &Shared, run: &OpenRun, error: &StoreError) {
    shared.hold.health.suspect();
    if let Some(withheld) = LOG.allows() {
        tracing::warn!(
            run_id = %run.key, error = ?error, withheld,
            "a run can't be read; trying again"
        );
    }
}

/// Waits before the store is asked again, each time longer.
async fn pause(shared: &Shared, backoff: &mut Backoff) -> Result<(), Stop> {
    tokio::select! {
        () = shared.life.halted.cancelled() => Err(Stop::Gone),
        () = backoff.wait() => Ok(()),
    }
}

async fn try_load(shared: &Arc<Shared>, run: &OpenRun) -> Result<Option<Loaded>, StoreError> {
    let Some(mut stored) = shared.loader.load(run.key).await? else {
        return Ok(None);
    };
    if run.may_have_admitted() {
        match shared.store.run_updates(&[run.key]).await {
            Ok(updates) => {
                stored.updates = updates.into_iter().map(|(_, admitted)| admitted).collect();
                run.set_admitted(!stored.updates.is_empty());
            }
            Err(error) if is_unreadable(&error) => {
                let Some(salvaged) = salvage(&*shared.store, run.key).await? else {
                    return Ok(None);
                };
                stored = salvaged;
            }
            Err(error) => return Err(error),
        }
    }
    let mut loaded = assemble(stored);
    loaded.take_tasks(&*shared.store).await?;
    if loaded.fault.is_some() && loaded.has_closed() {
        loaded = with_end(&*shared.store, loaded).await?;
    }
    if loaded.has_closed() {
        adopt_follower(shared, run, &loaded.state).await?;
    }
    Ok(Some(loaded))
}

/// A run that was closed by a commit that seemed to fail may have started
/// another in the same commit. Somebody must run it.
async fn adopt_follower(
    shared: &Arc<Shared>,
    run: &OpenRun,
    state: &RunState,
) -> Result<(), StoreError> {
    let latest = shared.store.find_execution(&run.namespace, &run.workflow_id, None).await?;
    if let Some(latest) = latest
        && latest.status.is_open()
        && !is_here(shared, latest.key.run_id)
    {
        let follower = shared.directory.follow(&latest);
        // What this run had not decided about went over to it.
        follower.set_admitted(true);
        let mut watched = run.updates.watched();
        watched.retain(|update_id| state.updates.stage(update_id).is_none());
        run.updates.hand_over(watched.iter(), &follower.updates, follower.key.run_id);
        super::wake(shared, &follower);
    }
    Ok(())
}

impl Actor {
    /// Takes the run as the store has it, instead of what is in memory.
    pub(super) async fn reload(&mut self) -> Result<(), Stop> {
        self.reload_with(Vec::new(), &mut Tries::default()).await.map(drop)
    }

    /// The same for inputs that were tried. Gives those back that nobody has been told
    /// about, and what was decided about them if one of the tries was done.
    pub(super) async fn reload_with(
        &mut self,
        mut inputs: Vec<Asked>,
        tries: &mut Tries,
    ) -> Result<(Vec<Asked>, Option<Verdicts>), Stop> {
        self.drop_guest();
        let (shared, run) = (self.shared.clone(), self.run.clone());
        let (mailbox, in_turn) = (&mut self.mailbox, &mut self.in_turn);
        let postponed = &mut self.postponed;
        let mut tell = || {
            for (input, answer) in inputs.drain(..) {
                postponed.input(input, answer);
            }
            in_turn.drain(..).for_each(|message| postponed.message(message));
            postponed.mailbox(mailbox);
        };
        let found = look_after_failure(&shared, &run, &mut tell).await?;
        let loaded = found.ok_or(Stop::Gone)?;
        let done = tries.done(&loaded.history).map(|done| {
            // Nothing in the store tells of them; and who waits has to hear of it before
            // the run closes.
            for (update_id, failure) in done.rejected {
                self.tell(&update_id, UpdateProgress::Rejected(failure));
            }
            self.shared.traces.ended(done.spans);
            done.verdicts
        });
        self.adopt(loaded);
        self.show_fault().await?;
        Ok((inputs, done))
    }

    /// Goes on from what was loaded: starts again what may have been lost.
    pub(super) fn adopt(&mut self, loaded: Loaded) {
        self.execution = loaded.execution;
        if self.context.module_digest != self.execution.module_digest {
            self.context = Arc::new(context_in_trace(&self.run, &self.execution));
        }
        self.state = loaded.state;
        self.closing = loaded.closing;
        self.published = None;
        self.needs_activation = loaded.needs_activation;
        self.fault = loaded.fault;
        (self.timer_rows, self.tasks) = (loaded.timer_rows, loaded.tasks);
        self.run.set_faulted(self.fault.is_some());
        if self.fault.is_some() {
            // What it waits for may have come: that is not known.
            self.attempts.stop_all();
            self.heartbeats.clear();
            self.history = Some(loaded.history);
            return;
        }
        // Those that still run here are not made a second time.
        for (event_id, attempt) in self.attempts.numbers() {
            self.state.note_begun(event_id, attempt);
        }
        self.resume_activities();
        self.resume_timers();
        self.resume_relations(&loaded.history);
        self.history = Some(loaded.history);
        self.tell_all();
        self.publish();
    }
}
