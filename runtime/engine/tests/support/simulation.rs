//! Plays the service: takes inputs one at a time, lets the guest answer, commits
//! both as one transition, and checks after each commit what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::decide::{
    ActivityControl, ActivityTarget, Input, Report, decide, implied, start,
};
use dacapo_engine::replay::{CallError, Offer, Reply};
use dacapo_engine::state::{ActivityDuty, Placement, RunState};
use dacapo_engine::transition::Transition;
use dacapo_model::command::Command;
use dacapo_model::event::{
    Chain, EventAttributes, HistoryEvent, OpenAttempt, RunOptions, TimeoutType,
    WorkflowExecutionStarted,
};
use dacapo_model::execution::{Blocked, ExecutionStatus};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{
    EventId, OperationId, QueryName, RequestId, RunId, TypeName, UpdateId, UpdateName,
};
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;
use dacapo_model::update::{AdmittedUpdate, Update};
use uuid::Uuid;

use super::guest::{Guest, Place, signal_name};
use super::outbox::Outbox;
use super::program::{Program, SIGNAL_NAMES};
use super::relations::{self, Outreach};
use super::script::{Action, HowItCloses, HowItEnds, HowItFails, Script};
use super::stored::{listing, stored};
use super::{Checked, ensure};

pub(super) const RUN: RunId = RunId(Uuid::from_u128(1));

/// More inputs than any program here needs to end.
const DRAIN_MAX: usize = 1_000;

/// How long a guest stays in memory. It must make no difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Residency {
    /// Until it faults or its node dies.
    Kept,
    /// Until it waits; launched again, and replayed, before the next input.
    ReplayedBeforeInput,
    /// Until it waits; launched again with a history that ends in the next input.
    ReplayedWithInput,
}

/// What was true when a transition was committed.
pub(crate) struct Commit {
    /// Events in the history.
    pub(crate) events: usize,
    /// Where the guest stood; none while the run is blocked.
    pub(crate) place: Option<Place>,
    /// What the guest was made of.
    pub(crate) program: Arc<Program>,
}

/// One run and the world around it.
pub(crate) struct Simulation {
    pub(crate) program: Arc<Program>,
    residency: Residency,
    pub(super) limits: Limits,
    now: Timestamp,
    pub(crate) state: RunState,
    pub(crate) history: Vec<HistoryEvent>,
    pub(crate) commits: Vec<Commit>,
    guest: Option<Guest>,
    pub(super) place: Option<Place>,
    trap: bool,
    pub(super) outbox: Outbox,
    /// The status that the run's row shows.
    pub(super) shown: ExecutionStatus,
    /// Attempts in the hands of workers.
    pub(super) running: BTreeSet<(EventId, u32)>,
    /// Activities that were asked to cancel while nothing ran for them.
    pub(super) idle_cancels: Vec<(EventId, u32)>,
    /// Secrets of the tokens that were ever given out.
    tokens: Vec<(EventId, String)>,
    /// Attempts that are over.
    returned: Vec<(EventId, u32)>,
    /// What is under way between this run and others.
    pub(super) outreach: Outreach,
    /// Signals sent so far.
    sent: u64,
    /// Rows of updates that wait for the guest.
    pub(super) admitted: BTreeMap<UpdateId, AdmittedUpdate>,
    /// Rows of published values.
    pub(super) published: BTreeMap<QueryName, Payload>,
    /// What callers were told of their updates.
    pub(super) told: BTreeSet<(UpdateId, u8)>,
    /// The signals that the next run gets, if the run continued as new.
    pub(crate) passed_on: Option<Vec<EventId>>,
}

impl Simulation {
    /// Runs a program to its end: by the script first, then by whatever it waits
    /// for.
    pub(crate) fn run(
        program: &Arc<Program>,
        script: &Script,
        residency: Residency,
    ) -> Checked<Self> {
        let mut simulation = Self::start(program, script, residency);
        let end = simulation.play(script);
        end.map_err(|law| format!("{law}\nHistory:\n{}", listing(&simulation.history)))?;
        Ok(simulation)
    }

    fn start(program: &Arc<Program>, script: &Script, residency: Residency) -> Self {
        let now = Timestamp::from_micros(1_000_000);
        let (state, _) = start(started(script, now), [], [], now);
        Self {
            program: Arc::clone(program),
            residency,
            limits: Limits {
                pending_operations_max: script.pending_operations_max,
                history_events_max: script.history_events_max,
                signals_max: script.signals_max,
                updates_in_flight_max: script.updates_in_flight_max,
                ..Limits::default()
            },
            now,
            state,
            history: Vec::new(),
            commits: Vec::new(),
            guest: None,
            place: None,
            trap: false,
            outbox: Outbox::default(),
            shown: ExecutionStatus::Running,
            running: BTreeSet::new(),
            idle_cancels: Vec::new(),
            tokens: Vec::new(),
            returned: Vec::new(),
            outreach: Outreach::default(),
            sent: 0,
            admitted: BTreeMap::new(),
            published: BTreeMap::new(),
            told: BTreeSet::new(),
            passed_on: None,
        }
    }

    fn play(&mut self, script: &Script) -> Checked {
        let signals: Vec<_> =
            script.initial_signals.iter().map(|name| self.signal(*name, None)).collect();
        let (state, mut transition) = start(started(script, self.now), signals, [], self.now);
        self.state = state;
        if self.state.guest_may_run() {
            transition.extend(self.turn(&transition.events.clone())?);
        }
        self.commit(transition)?;
        self.end_idle_cancels()?;
        for action in &script.actions {
            self.act(action).map_err(|law| format!("{action:?}: {law}"))?;
        }
        self.drain()
    }

    fn act(&mut self, action: &Action) -> Checked {
        match action {
            Action::Complete(pick) => self.worker_returns(*pick, Ok(Payload::new("1"))),
            Action::Fail(pick, how) => self.worker_returns(*pick, Err(failure(*how))),
            Action::TimeOut { pick, which } => {
                let timeout_type = match which % 4 {
                    0 => TimeoutType::ScheduleToClose,
                    1 => TimeoutType::ScheduleToStart,
                    2 => TimeoutType::Heartbeat,
                    _ => TimeoutType::StartToClose,
                };
                let Some((scheduled_event_id, attempt)) = self.take_running(*pick) else {
                    return Ok(());
                };
                self.feed(Input::ActivityTimedOut { scheduled_event_id, attempt, timeout_type })
            }
            Action::Heartbeat(pick) => self.heartbeat(*pick),
            Action::Open(pick) => self.open(*pick),
            Action::Report { pick, by_token, how } => {
                let target = match by_token {
                    true => self.pick_token(*pick),
                    false => self.pick_activity(*pick).map(ActivityTarget::Operation),
                };
                target.map_or(Ok(()), |activity| {
                    self.feed(Input::ActivityReported { activity, report: report(*how) })
                })
            }
            Action::Control(pick, control) => {
                self.pick_activity(*pick).map_or(Ok(()), |it| self.control(it, *control))
            }
            Action::ReturnAgain(pick) => self.return_again(*pick),
            Action::ChildStarts(pick) => {
                match relations::pick(self.outreach.starting.iter().copied(), *pick) {
                    Some(initiated_event_id) => {
                        self.say(Input::ChildStarted { initiated_event_id })
                    }
                    None => Ok(()),
                }
            }
            Action::ChildCanNotStart(pick) => {
                match relations::pick(self.outreach.starting.iter().copied(), *pick) {
                    Some(initiated_event_id) => self.say(Input::ChildStartFailed {
                        initiated_event_id,
                        failure: relations::failure(),
                    }),
                    None => Ok(()),
                }
            }
            Action::ChildCloses(pick, how) => {
                match relations::pick(self.state.children.keys().copied(), *pick) {
                    Some(initiated_event_id) => self.say(Input::ChildClosed {
                        initiated_event_id,
                        outcome: relations::outcome(*how),
                    }),
                    None => Ok(()),
                }
            }
            Action::ExternalReached { pick, ok } => {
                match relations::pick(self.outreach.reaching.iter().copied(), *pick) {
                    Some(initiated_event_id) => self.say(Input::ExternalReached {
                        initiated_event_id,
                        outcome: if *ok { Ok(()) } else { Err(relations::failure()) },
                    }),
                    None => Ok(()),
                }
            }
            Action::SayAgain(pick) => self.say_again(*pick),
            Action::FromParent { closed, other } => {
                let events = self.history.len();
                self.feed(relations::from_parent(*closed, *other))?;
                ensure!(!other || self.history.len() == events, "it heard another's parent");
                Ok(())
            }
            Action::FireNextRow => match self.outbox.earliest(&self.state) {
                Some((event_id, fire_at)) => {
                    self.now = self.now.max(fire_at);
                    self.feed(row_is_due(event_id))
                }
                None => Ok(()),
            },
            Action::FireAnyRow(pick) => match self.outbox.pick(*pick) {
                Some(event_id) => self.feed(row_is_due(event_id)),
                None => Ok(()),
            },
            Action::MoveClock { millis } => {
                let micros = self.now.as_micros() + millis * 1_000;
                self.now = Timestamp::from_micros(micros);
                Ok(())
            }
            Action::RequestCancel => {
                self.feed(Input::RequestCancel { reason: "enough".to_owned(), request_id: None })
            }
            Action::Signal { name, request } => {
                let signal = self.signal(*name, *request);
                self.feed(Input::Signal(signal))
            }
            Action::Update { request } => {
                let update = Update {
                    id: UpdateId::new(request.to_string()).expect("a valid id"),
                    name: UpdateName::new("do").expect("a valid name"),
                    input: Payload::new(request.to_string()),
                };
                self.feed(Input::Update(update))
            }
            Action::Query { misbehaves } => self.query(*misbehaves),
            Action::Terminate => self.feed(Input::Terminate { reason: "now".to_owned() }),
            Action::TrapNextTurn => {
                self.trap = true;
                Ok(())
            }
            Action::Retry { raise_limits } => {
                if *raise_limits {
                    self.raise_limits();
                }
                self.feed(Input::Retry)
            }
            Action::Crash => self.crash(),
            Action::Move => self.move_on(),
        }
    }

    /// Does whatever the run waits for, until it is closed.
    fn drain(&mut self) -> Checked {
        self.trap = false;
        for _ in 0..DRAIN_MAX {
            if !self.state.status.is_open() {
                return Ok(());
            }
            let paused = self.state.activities.values().find(|activity| activity.paused);
            let open = self.state.activities.values().find(|activity| activity.outside().is_some());
            if self.state.status == ExecutionStatus::Blocked {
                self.raise_limits();
                self.feed(Input::Retry)?;
            } else if let Some(operation_id) = paused.map(|activity| activity.operation_id) {
                self.raise_limits();
                self.control(operation_id, ActivityControl::Unpause)?;
            } else if let Some(operation_id) = open.map(|activity| activity.operation_id) {
                let activity = ActivityTarget::Operation(operation_id);
                let report = Report::Completed(Payload::new("3"));
                self.feed(Input::ActivityReported { activity, report })?;
            } else if !self.running.is_empty() {
                self.worker_returns(0, Ok(Payload::new("1")))?;
            } else if !self.outreach.starting.is_empty() {
                self.act(&Action::ChildStarts(0))?;
            } else if !self.outreach.reaching.is_empty() {
                self.act(&Action::ExternalReached { pick: 0, ok: true })?;
            } else if !self.state.children.is_empty() {
                self.act(&Action::ChildCloses(0, HowItCloses::Completed))?;
            } else if !self.outbox.is_empty() {
                self.act(&Action::FireNextRow)?;
            } else {
                // All that is left to wait for.
                let events = self.history.len();
                self.raise_limits();
                for name in 0..SIGNAL_NAMES {
                    self.act(&Action::Signal { name, request: None })?;
                }
                ensure!(self.history.len() > events, "the run is open, and takes no signals");
            }
        }
        Err("the run does not end".to_owned())
    }

    fn pick_activity(&self, pick: u8) -> Option<OperationId> {
        let activities = &self.state.activities;
        let nth = usize::from(pick) % activities.len().max(1);
        activities.values().nth(nth).map(|activity| activity.operation_id)
    }

    fn pick_token(&self, pick: u8) -> Option<ActivityTarget> {
        let nth = usize::from(pick) % self.tokens.len().max(1);
        let (scheduled_event_id, digest) = self.tokens.get(nth)?.clone();
        Some(ActivityTarget::Token { scheduled_event_id, digest })
    }

    fn control(&mut self, operation_id: OperationId, control: ActivityControl) -> Checked {
        self.feed(Input::ControlActivity { operation_id, control, reason: String::new() })
    }

    /// Also one that is over may try.
    fn heartbeat(&mut self, pick: u8) -> Checked {
        let nth = usize::from(pick) % self.state.activities.len().max(1);
        let picked = self.state.activities.iter().nth(nth);
        let Some((scheduled_event_id, attempt)) = picked.map(|(id, it)| (*id, it.attempt)) else {
            return Ok(());
        };
        let details = (!pick.is_multiple_of(3)).then(|| Payload::new(pick.to_string()));
        let heard_at = self.now;
        self.feed(Input::ActivityHeartbeat { scheduled_event_id, attempt, details, heard_at })
    }

    fn open(&mut self, pick: u8) -> Checked {
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

    /// A signal that says which one it is.
    fn signal(&mut self, name: u8, request: Option<u8>) -> Signal {
        self.sent += 1;
        Signal {
            name: signal_name(name),
            input: Payload::new(self.sent.to_string()),
            request_id: request
                .map(|request| RequestId::new(request.to_string()).expect("a valid id")),
        }
    }

    fn raise_limits(&mut self) {
        self.limits = Limits::default();
    }

    fn take_running(&mut self, pick: u8) -> Option<(EventId, u32)> {
        let nth = usize::from(pick) % self.running.len().max(1);
        let attempt = self.running.iter().nth(nth).copied()?;
        self.running.remove(&attempt);
        self.returned.push(attempt);
        Some(attempt)
    }

    fn worker_returns(&mut self, pick: u8, outcome: Result<Payload, Failure>) -> Checked {
        match self.take_running(pick) {
            Some((scheduled_event_id, attempt)) => {
                self.feed(Input::ActivityReturned { scheduled_event_id, attempt, outcome })
            }
            None => Ok(()),
        }
    }

    /// Another run says something, once.
    fn say(&mut self, input: Input) -> Checked {
        match &input {
            Input::ChildStarted { initiated_event_id }
            | Input::ChildStartFailed { initiated_event_id, .. }
            | Input::ChildClosed { initiated_event_id, .. } => {
                self.outreach.starting.remove(initiated_event_id);
            }
            Input::ExternalReached { initiated_event_id, .. } => {
                self.outreach.reaching.remove(initiated_event_id);
            }
            _ => {}
        }
        if let Input::ChildClosed { initiated_event_id, .. } = &input {
            let child = self.state.children.get(initiated_event_id);
            if let Some(cancel) = child.and_then(|child| child.cancel) {
                self.outreach.reaching.remove(&cancel);
            }
        }
        self.outreach.said.push(input.clone());
        if let Some(first) = implied(&self.state, &input) {
            self.feed(first)?;
            // Whoever was to be told of it is told that it is over.
            let (_, reaching) = Outreach::needed(&self.state);
            self.outreach.reaching.retain(|id| reaching.contains(id));
        }
        self.feed(input)?;
        let (_, reaching) = Outreach::needed(&self.state);
        self.outreach.reaching.retain(|id| reaching.contains(id));
        self.check_outreach()
    }

    /// What was said before changes nothing.
    fn say_again(&mut self, pick: u8) -> Checked {
        let Some(at) = relations::pick(0..self.outreach.said.len(), pick) else {
            return Ok(());
        };
        let events = self.history.len();
        self.feed(self.outreach.said[at].clone())?;
        ensure!(self.history.len() == events, "what another run said was recorded again");
        Ok(())
    }

    pub(super) fn check_outreach(&self) -> Checked {
        self.outreach.check(&self.state)
    }

    /// What an attempt says after it is over changes nothing.
    fn return_again(&mut self, pick: u8) -> Checked {
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

    /// The node dies. What is known afterwards comes out of the store alone.
    fn crash(&mut self) -> Checked {
        self.guest = None;
        self.running.clear();
        self.state = self.recovered()?;
        self.idle_cancels.clear();
        self.outreach.resume(&self.state);
        let interrupted = self.state.activities.iter();
        let interrupted = interrupted.filter(|(_, a)| a.placement == Placement::Here);
        self.running = interrupted.map(|(id, activity)| (*id, activity.attempt)).collect();
        let mut lost = Vec::new();
        for (id, activity) in &self.state.activities {
            match activity.duty() {
                Some(ActivityDuty::ReportStopped) => {
                    self.idle_cancels.push((*id, activity.attempt));
                }
                Some(ActivityDuty::ReportLost) => lost.push((*id, activity.attempt)),
                Some(ActivityDuty::RunAttempt) | None => {}
            }
        }
        self.end_idle_cancels()?;
        for (scheduled_event_id, attempt) in lost {
            if !self.running.remove(&(scheduled_event_id, attempt)) {
                continue;
            }
            let outcome = Err(Failure::new(FailureKind::Application, "Lost", "the node died"));
            self.feed(Input::ActivityReturned { scheduled_event_id, attempt, outcome })?;
        }
        Ok(())
    }

    /// Nothing runs that could say that it has ended.
    fn end_idle_cancels(&mut self) -> Checked {
        while let Some((scheduled_event_id, attempt)) = self.idle_cancels.pop() {
            self.running.remove(&(scheduled_event_id, attempt));
            let failure = Failure::new(FailureKind::Cancelled, "Cancelled", "nothing runs");
            self.feed(Input::ActivityStopped { scheduled_event_id, attempt, failure })?;
        }
        Ok(())
    }

    /// The run is replayed with changed code, which must fit it, and goes on with
    /// that from where it stands.
    fn move_on(&mut self) -> Checked {
        if !self.state.status.is_open() {
            return Ok(());
        }
        let program = self.program.changed();
        if self.state.delayed_until.is_some() {
            // Nothing to replay.
            let module_digest = ModuleDigest([program.known as u8; 32]);
            self.program = program;
            return self.feed(Input::Move { module_digest });
        }
        let mut guest = Guest::new(&program);
        let commands = guest
            .advance(stored(&self.history))
            .map_err(|error| format!("code that knows its past does not fit: {error}"))?;
        let module_digest = ModuleDigest([program.known as u8; 32]);
        let mut transition = Transition::default();
        for input in [Input::Move { module_digest }, Input::GuestTurn { run_id: RUN, commands }] {
            let step = decide(&mut self.state, input, self.now, &self.limits)
                .map_err(|refusal| format!("a move was refused: {refusal}"))?;
            transition.extend(step);
        }
        self.program = program;
        // What the code before has published since the last event stays in its row,
        // until the name is published again: the new code knows nothing of it.
        self.published.clone_from(&guest.place.published);
        self.guest = (self.state.status != ExecutionStatus::Blocked).then_some(guest);
        self.place = self.guest.as_ref().map(|guest| guest.place.clone());
        self.commit(transition)
    }

    /// Decides one input, lets the guest answer it, and commits both.
    fn feed(&mut self, input: Input) -> Checked {
        let before = self.state.clone();
        let retries = input == Input::Retry;
        let asks = matches!(input, Input::Update(_));
        match decide(&mut self.state, input, self.now, &self.limits) {
            Err(refusal) => {
                ensure!(self.state == before, "refused ({refusal}), and changed the state");
                Ok(())
            }
            Ok(mut transition) => {
                let mut events = transition.events.iter();
                let wakes = retries || asks || events.any(|event| event.attributes.wakes_guest());
                if wakes && self.state.guest_may_run() {
                    transition.extend(self.turn(&transition.events.clone())?);
                }
                self.commit(transition)?;
                self.end_idle_cancels()
            }
        }
    }

    /// Runs the guest until it waits, ends or traps. `fresh` was just decided.
    fn turn(&mut self, fresh: &[HistoryEvent]) -> Checked<Transition> {
        let input = if std::mem::take(&mut self.trap) {
            self.guest = None;
            Input::GuestFault { blocked: trap() }
        } else {
            let (mut guest, events) = self.awake(fresh)?;
            let commands = guest
                .advance(events)
                .map_err(|error| format!("a deterministic guest does not fit: {error}"))?;
            self.guest = Some(guest);
            Input::GuestTurn { run_id: RUN, commands }
        };
        let transition = decide(&mut self.state, input, self.now, &self.limits)
            .map_err(|refusal| format!("a turn was refused: {refusal}"))?;
        let mut transition = transition;
        self.offer_updates(&mut transition)?;
        if self.state.status == ExecutionStatus::Blocked {
            self.guest = None;
        }
        self.place = self.guest.as_ref().map(|guest| guest.place.clone());
        Ok(transition)
    }

    /// Offers the guest what waits for it, for as long as it decides.
    fn offer_updates(&mut self, transition: &mut Transition) -> Checked {
        while self.state.status == ExecutionStatus::Running
            && let Some(update) = self.state.updates.first_admitted().cloned()
            && let Some(guest) = &mut self.guest
        {
            let at = self.now.max(self.state.last_event_at);
            let update_id = update.id.clone();
            let offered = guest
                .offer(Offer::Update { update, at })
                .map_err(|error| format!("a guest that behaves is told: {error}"))?;
            let input = match offered {
                None => break,
                Some((Some(Reply::Accepted), commands)) => {
                    Input::GuestTurn { run_id: RUN, commands }
                }
                Some((Some(Reply::Rejected(failure)), commands)) => {
                    ensure!(commands.is_empty(), "a rejection asks for {commands:?}");
                    Input::UpdateRejected { update_id, failure }
                }
                Some((reply, _)) => return Err(format!("an update is answered with {reply:?}")),
            };
            let step = decide(&mut self.state, input, self.now, &self.limits)
                .map_err(|refusal| format!("a decision was refused: {refusal}"))?;
            transition.extend(step);
        }
        Ok(())
    }

    /// Whatever the guest makes of a query, the run is as it was.
    fn query(&mut self, misbehaves: bool) -> Checked {
        let Some(guest) = &mut self.guest else {
            return Ok(());
        };
        let before = guest.place.clone();
        let input = Payload::new(if misbehaves { "misbehave" } else { "behave" });
        let name = QueryName::new("seen").expect("a valid name");
        match guest.offer(Offer::Query(Query { name, input })) {
            Ok(None) => {}
            Ok(Some((reply, commands))) => {
                ensure!(matches!(reply, Some(Reply::Answered(Ok(_)))), "answered {reply:?}");
                ensure!(commands.is_empty(), "a query asks for {commands:?}");
                ensure!(guest.place == before, "a query has moved the guest");
            }
            Err(CallError::DuringQuery { .. }) if misbehaves => self.guest = None,
            Err(error) => return Err(format!("a query: {error}")),
        }
        Ok(())
    }

    /// A guest, and the events it has not seen.
    fn awake(&mut self, fresh: &[HistoryEvent]) -> Checked<(Guest, Vec<HistoryEvent>)> {
        if self.residency == Residency::Kept
            && let Some(guest) = self.guest.take()
        {
            return Ok((guest, fresh.to_vec()));
        }
        let mut guest = Guest::new(&self.program);
        // Before the end of a delay there is nothing to replay.
        let begins = fresh
            .iter()
            .any(|it| matches!(it.attributes, EventAttributes::WorkflowExecutionDelayEnded {}));
        let replay_first =
            self.residency == Residency::ReplayedBeforeInput && !fresh.is_empty() && !begins;
        if replay_first && !self.history.is_empty() {
            let commands =
                guest.advance(stored(&self.history)).map_err(|error| format!("replay: {error}"))?;
            ensure!(asks_for_nothing_new(&commands), "replay asks for something new: {commands:?}");
            return Ok((guest, fresh.to_vec()));
        }
        let whole = [self.history.as_slice(), fresh].concat();
        Ok((guest, stored(&whole)))
    }
}

/// What the last activation has published is published again: the guest does not
/// know that it was stored.
pub(crate) fn asks_for_nothing_new(commands: &[Command]) -> bool {
    commands.iter().all(|command| matches!(command, Command::Publish { .. }))
}

fn row_is_due(event_id: EventId) -> Input {
    match event_id {
        EventId::FIRST => Input::RunTimerDue { run_id: RUN },
        event_id => Input::TimerDue { event_id },
    }
}

fn started(script: &Script, now: Timestamp) -> WorkflowExecutionStarted {
    let retry = script
        .attempts
        .map(|maximum_attempts| RetryPolicy { maximum_attempts, ..RetryPolicy::default() });
    WorkflowExecutionStarted {
        workflow_type: TypeName::new("program").expect("a valid name"),
        module_digest: ModuleDigest([0; 32]),
        input: Payload::new("\"begin\""),
        engine_version: dacapo_engine::compat::ENGINE_VERSION,
        request_id: None,
        environment: [("MODE".to_owned(), "test".to_owned())].into(),
        arguments: vec!["program".to_owned()],
        continued_from: None,
        initial_signals: 0,
        parent: Some(Box::new(relations::parent())),
        options: RunOptions {
            delayed_until: script.delay_millis.map(|it| now.after(Duration::from_millis(it))),
            run_timeout: script.run_timeout_millis.map(Duration::from_millis),
            retry,
            ..RunOptions::default()
        },
        chain: Chain::default(),
    }
}

fn failure(how: HowItFails) -> Failure {
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

fn report(how: HowItEnds) -> Report {
    match how {
        HowItEnds::Completed => Report::Completed(Payload::new("4")),
        HowItEnds::Failed => Report::Failed(failure(HowItFails::Plainly)),
        HowItEnds::Canceled => {
            Report::Canceled(Failure::new(FailureKind::Cancelled, "Cancelled", "as asked"))
        }
    }
}

fn trap() -> Blocked {
    Blocked {
        code: "guest_trap".to_owned(),
        message: "unreachable".to_owned(),
        backtrace: None,
        nondeterminism: None,
    }
}
