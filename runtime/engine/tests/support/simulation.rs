//! Plays the service: takes inputs one at a time, lets the guest answer, commits
//! both as one transition, and checks after each commit what must always hold.

mod others;
mod queues;
mod takeover;
mod turns;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::decide::{ActivityControl, ActivityTarget, Input, Report, decide, start};
use dacapo_engine::state::RunState;
use dacapo_model::event::{Chain, HistoryEvent, RunOptions, TimeoutType, WorkflowExecutionStarted};
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{EventId, QueryName, RequestId, RunId, TypeName, UpdateId, UpdateName};
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;
use dacapo_model::update::{AdmittedUpdate, Update};
use uuid::Uuid;

pub(crate) use self::turns::asks_for_nothing_new;
use self::workers::{failure, report};
use super::guest::{Guest, Place, signal_name};
use super::outbox::Outbox;
use super::program::{Program, SIGNAL_NAMES};
use super::relations::{self, Outreach};
use super::script::{Action, HowItCloses, Script};
use super::stored::listing;
use super::tasks::Tasks;
use super::{Checked, ensure};

pub(crate) const RUN: RunId = RunId(Uuid::from_u128(1));

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
    /// What workers have or wait for.
    pub(super) tasks: Tasks,
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
            tasks: Tasks::default(),
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
            Action::Claim(pick) => {
                self.claim(*pick);
                Ok(())
            }
            Action::RenewLease(pick) => {
                self.renew_lease(*pick);
                Ok(())
            }
            Action::ReportLease { pick, how } => self.report_lease(usize::from(*pick), *how),
            Action::Expire { pick, in_time } => self.expire(*pick, *in_time),
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
            let task = self.state.activities.iter().find(|(_, activity)| activity.is_queued());
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
            } else if let Some(event_id) = task.map(|(event_id, _)| *event_id) {
                self.work_on(event_id)?;
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
