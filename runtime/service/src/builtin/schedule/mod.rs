//! Starts runs at certain times. The run has what is in [`Recorded`] as its input; its
//! environment and its arguments are those of the runs that it starts, which are its
//! children, and outlive it.
//!
//! ```text
//!  waits ─▶ the next time ─────▶ look which are due, recorded ─▶ overlap policy ─▶ child
//!        ─▶ a child has ended ─▶ remember how ─────────────────▶ what waits ─────▶ child
//!        ─▶ a request ─────────▶ pause, trigger, ...
//! ```
//!
//! A run that becomes long or old continues as new. Children of a run before it tell their
//! end by a signal (`relations/followed.rs`).

mod action;
mod answers;
mod asked;
mod behaviour;
mod ended;
mod look;
mod overlap;
mod requests;
mod state;

use std::time::Duration;

use dacapo_engine::replay::{Answer, Cursor, Delivery};
use dacapo_model::attributes::AttributeChanges;
use dacapo_model::command::Outcome;
use dacapo_model::event::{
    ContinuationOptions, EventAttributes, HistoryEvent, WorkflowExecutionStarted,
};
use dacapo_model::failure::Failure;
use dacapo_model::ids::{OperationId, QueryName, RunId, WorkflowId};
use dacapo_model::json::Json;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use serde::Serialize;
use serde_json::json;

pub(crate) use self::action::{MEMO, workflow_id};
use self::answers::Unanswered;
use self::behaviour::{Behaviour, VERSION_1, VERSION_2};
pub(crate) use self::ended::closed_signal;
use self::ended::{Closed, Ended, closed_of};
use self::look::look;
use self::overlap::{Verdict, decide, may_start};
pub use self::requests::ActionsAsked;
pub(crate) use self::requests::{Request, Update};
use self::state::{Ending, Running};
pub(crate) use self::state::{Recorded, State};
use super::program::{Fault, Program, decline};
use crate::types::{ActionStatus, BufferedAction, OverlapPolicy, ScheduledAction};

/// Events after which a run continues as new. Each action makes about six, and each time
/// that the run wakes, it reads all of them.
const EVENTS_MAX: u64 = 1_000;

/// Requests after which it does. Their events do not count before something else has
/// happened, and a run takes only so many.
const REQUESTS_MAX: u64 = 250;

/// Looks for what is due in one turn. After a long downtime there may be very many.
const LOOKS_MAX: usize = 20;

/// Starts, and bytes of their inputs, of which a run has not heard yet that they were done.
/// Those of one turn are one transition, which others wait for.
const STARTING_MAX: usize = 50;
const STARTING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// No timer runs for longer: what is due later is looked for again.
const WAIT_MAX: Duration = Duration::from_secs(300 * 24 * 3600);

/// What a schedule publishes: how it is, and what it does if that was changed.
pub(crate) const STATUS: &str = "status";
pub(crate) const DEFINITION: &str = "definition";

/// What the memo of a schedule says, for lists.
pub(crate) const PAUSED: &str = "paused";
pub(crate) const NOTE: &str = "note";

struct Schedule {
    behaviour: Behaviour,
    id: String,
    definition: crate::types::ScheduleDefinition,
    state: State,
    next: Next,
    /// The definition is not the one that the run began with.
    is_changed: bool,
    /// Those that this run has taken.
    requests: u64,
    unanswered: Unanswered,
}

/// When the schedule is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It is to be looked for.
    Unknown,
    /// Then. It was found out at the second time.
    At(Timestamp, Timestamp),
    /// It is to be looked for once there is room for a start.
    WithRoom,
    /// Not by itself.
    Never,
}

/// What a run of a schedule was started with.
pub(crate) fn recorded(started: &WorkflowExecutionStarted) -> Result<Recorded, String> {
    serde_json::from_slice(started.input.as_bytes()).map_err(|error| error.to_string())
}

/// The runs that a run of a schedule has taken over from those before it.
pub(crate) fn followed_by(history: &[HistoryEvent]) -> Vec<(WorkflowId, RunId)> {
    let Some(EventAttributes::WorkflowExecutionStarted(started)) =
        history.first().map(|event| &event.attributes)
    else {
        return Vec::new();
    };
    let running = recorded(started).map(|recorded| recorded.state.running).unwrap_or_default();
    let actions = running.into_iter().map(|running| running.action);
    actions.filter_map(|action| Some((action.workflow_id, action.run_id?))).collect()
}

pub(super) fn begin_1(
    started: &WorkflowExecutionStarted,
    cursor: &mut Cursor,
) -> Result<Box<dyn Program>, Fault> {
    begin(VERSION_1, started, cursor)
}

pub(super) fn begin_2(
    started: &WorkflowExecutionStarted,
    cursor: &mut Cursor,
) -> Result<Box<dyn Program>, Fault> {
    begin(VERSION_2, started, cursor)
}

fn begin(
    behaviour: Behaviour,
    started: &WorkflowExecutionStarted,
    cursor: &mut Cursor,
) -> Result<Box<dyn Program>, Fault> {
    let Recorded { id, definition, mut state } = recorded(started).map_err(Fault::Unreadable)?;
    state.created_at.get_or_insert(cursor.started_at());
    state.acted_until.get_or_insert(cursor.started_at());
    let mut schedule = Schedule {
        behaviour,
        id,
        definition,
        state,
        next: Next::Unknown,
        is_changed: false,
        requests: 0,
        unanswered: Unanswered::default(),
    };
    // The run before this one may have ended before those were told.
    for running in schedule.state.running.iter().filter(|running| running.ending.is_some()) {
        behaviour.end(cursor, running)?;
    }
    schedule.act(cursor)?;
    Ok(Box::new(schedule))
}

impl Program for Schedule {
    fn go_on(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        while !cursor.is_closed() {
            if cursor.wait_until(self.deadline())? == Answer::Blocked {
                return Ok(());
            }
            match cursor.try_next() {
                // Nothing may follow from one that was rejected.
                Some(Delivery::Update(update)) if !self.asked(cursor, &update)? => continue,
                Some(Delivery::Update(_)) => {}
                Some(delivery @ Delivery::Query { .. }) => {
                    decline(cursor, delivery)?;
                    continue;
                }
                Some(Delivery::Completed { operation_id, outcome }) => {
                    self.completed(cursor, operation_id, outcome)?;
                }
                Some(Delivery::Signal { name, input }) => {
                    if let Some(Closed { run_id, ended }) = closed_of(&name, &input) {
                        self.closed(cursor, |it| it.action.run_id == Some(run_id), ended)?;
                    }
                }
                Some(Delivery::CancelRequested { reason }) => {
                    cursor.close(Outcome::Cancelled(reason))?;
                    return Ok(());
                }
                None => {}
            }
            self.act(cursor)?;
        }
        Ok(())
    }
}

impl Schedule {
    fn deadline(&self) -> Option<Timestamp> {
        match self.next {
            Next::At(at, found_at) => Some(at.min(found_at.after(WAIT_MAX))),
            Next::Never | Next::Unknown | Next::WithRoom => None,
        }
    }

    /// Does all that is to be done now.
    fn act(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        self.take_due(cursor)?;
        self.take_buffered(cursor)?;
        self.publish(cursor)?;
        self.continue_if_over(cursor)
    }

    /// Has a run of this schedule that is long, or that has many starts in flight, still a
    /// start to give? If not, a confirmation is to come, or another run goes on.
    fn has_room(&self, cursor: &Cursor) -> bool {
        let running = self.state.running.iter();
        let starting = running.filter(|running| running.action.run_id.is_none()).count();
        let bytes = starting * self.definition.action.input.len();
        starting < STARTING_MAX && bytes < STARTING_BYTES_MAX && !self.is_long(cursor)
    }

    fn take_due(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        for looks in 0.. {
            let now = cursor.now();
            let idle =
                self.state.paused || self.state.is_exhausted() || self.definition.spec.is_empty();
            if idle {
                self.next = Next::Never;
                return Ok(());
            }
            match self.next {
                Next::Unknown | Next::WithRoom => {}
                Next::At(at, _) if at <= now => {}
                Next::At(at, found_at) => {
                    if found_at.after(WAIT_MAX) <= now {
                        self.next = Next::At(at, now);
                    }
                    return Ok(());
                }
                Next::Never => return Ok(()),
            }
            if !self.has_room(cursor) {
                self.next = Next::WithRoom;
                return Ok(());
            }
            if looks == LOOKS_MAX {
                self.next = Next::At(now.after(Duration::from_millis(1)), now);
                return Ok(());
            }
            let after = self.state.acted_until.unwrap_or(cursor.started_at());
            let window = self.definition.policies.catchup_window;
            let found = look(cursor, &self.definition.spec, &self.id, after, window)?;
            self.state.acted_until = Some(found.until.max(after));
            self.state.counters.missed += found.missed;
            self.next = found.next.map_or(Next::Never, |at| Next::At(at, now));
            if let Some(problem) = found.problem {
                self.set_paused(cursor, true, problem)?;
            }
            let policy = self.definition.policies.overlap;
            for time in found.due {
                if self.state.is_exhausted() {
                    break;
                }
                let verdict = self.take(cursor, time, policy, false)?;
                if let (Some(left), Verdict::Start | Verdict::Buffer | Verdict::BufferInstead) =
                    (&mut self.state.remaining_actions, verdict)
                {
                    *left = left.saturating_sub(1);
                }
            }
        }
        Ok(())
    }

    /// Takes an action, or does with it what the policy says.
    fn take(
        &mut self,
        cursor: &mut Cursor,
        scheduled_time: Timestamp,
        overlap: OverlapPolicy,
        manual: bool,
    ) -> Result<Verdict, Fault> {
        let (running, buffered) = (self.state.running.len(), self.state.buffered.len());
        let verdict = decide(overlap, running, buffered, self.has_room(cursor));
        let action = BufferedAction { scheduled_time, overlap, manual };
        match verdict {
            Verdict::Start => self.start(cursor, &action)?,
            Verdict::Buffer => self.state.buffered.push_back(action),
            Verdict::BufferInstead => {
                self.state.counters.skipped += buffered as u64;
                self.state.buffered.clear();
                self.state.buffered.push_back(action);
                let ending = match overlap {
                    OverlapPolicy::TerminateOther => Ending::Terminate,
                    _ => Ending::Cancel,
                };
                self.end_running(cursor, ending)?;
            }
            Verdict::Skip => self.state.counters.skipped += 1,
            Verdict::Drop => self.state.counters.buffer_dropped += 1,
        }
        Ok(verdict)
    }

    /// Starts what has waited. While the schedule is paused, only what somebody has asked for.
    fn take_buffered(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        let paused = self.state.paused;
        while self.has_room(cursor) {
            let may = |action: &BufferedAction| action.manual || !paused;
            let Some(first) = self.state.buffered.iter().position(may) else {
                return Ok(());
            };
            if !may_start(self.state.buffered[first].overlap, self.state.running.len()) {
                return Ok(());
            }
            if let Some(action) = self.state.buffered.remove(first) {
                self.start(cursor, &action)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, cursor: &mut Cursor, buffered: &BufferedAction) -> Result<(), Fault> {
        let action = &self.definition.action;
        let time = buffered.scheduled_time;
        let workflow_id = WorkflowId::new(workflow_id(&action.workflow_id, &self.id, time))
            .map_err(|error| Fault::Unreadable(error.to_string()))?;
        let options = action::options(action, &self.id, workflow_id.clone(), time, &self.state);
        let (workflow_type, input) = (action.workflow_type.clone(), action.input.clone());
        let operations = cursor.start_child(workflow_type, input, options)?;
        self.state.counters.actions += 1;
        let action = ScheduledAction {
            number: self.state.counters.actions,
            scheduled_time: time,
            taken_at: cursor.now(),
            manual: buffered.manual,
            workflow_id,
            run_id: None,
            status: ActionStatus::Running,
            ended_at: None,
            failure: None,
        };
        self.state.remember(&action);
        let running = Running { action, ending: None, operations: Some(operations) };
        self.state.running.push(running);
        Ok(())
    }

    /// Tells all that are open to end. One that is just starting is told when it has.
    fn end_running(&mut self, cursor: &mut Cursor, ending: Ending) -> Result<(), Fault> {
        for running in &mut self.state.running {
            if running.ending != Some(ending) {
                running.ending = Some(ending);
                if running.action.run_id.is_some() {
                    self.behaviour.end(cursor, running)?;
                }
            }
        }
        Ok(())
    }

    fn completed(
        &mut self,
        cursor: &mut Cursor,
        operation: OperationId,
        outcome: Result<Payload, Failure>,
    ) -> Result<(), Fault> {
        let is_start =
            |it: &&mut Running| it.operations.is_some_and(|(start, _)| start == operation);
        if let Some(running) = self.state.running.iter_mut().find(is_start) {
            match outcome {
                Ok(started) => {
                    running.action.run_id = run_id_of(&started);
                    if running.ending.is_some() {
                        self.behaviour.end(cursor, running)?;
                    }
                    let action = running.action.clone();
                    match self.behaviour.forgets_for_good {
                        true => self.state.recall(&action),
                        false => self.state.remember(&action),
                    }
                    self.unanswered.start_is_over(cursor, &action, None)?;
                }
                Err(failure) => {
                    self.state.counters.start_failures += 1;
                    let action = running.action.clone();
                    let (number, ended) = (action.number, Ended::not_started(failure));
                    self.unanswered.start_is_over(cursor, &action, ended.failure.as_ref())?;
                    self.closed(cursor, |it| it.action.number == number, ended)?;
                }
            }
            return Ok(());
        }
        let is_end = |it: &Running| it.operations.is_some_and(|(_, end)| end == operation);
        self.closed(cursor, is_end, Ended::of_operation(outcome))
    }

    /// A run has ended that the schedule started. Others are not its business.
    fn closed(
        &mut self,
        cursor: &mut Cursor,
        which: impl Fn(&Running) -> bool,
        ended: Ended,
    ) -> Result<(), Fault> {
        let Some(at) = self.state.running.iter().position(which) else {
            return Ok(());
        };
        let mut action = self.state.running.remove(at).action;
        let Ended { status, result, failure } = ended;
        action.status = status;
        action.ended_at = Some(cursor.now());
        action.failure.clone_from(&failure);
        self.state.recall(&action);
        match status {
            ActionStatus::Completed => {
                self.state.last_result = result;
                self.state.last_failure = None;
            }
            ActionStatus::Failed | ActionStatus::TimedOut => {
                if self.definition.policies.pause_on_failure && !self.state.paused {
                    let message = failure.as_ref().map_or("", |it| &it.message);
                    let note = format!("paused, since `{}` failed: {message}", action.workflow_id);
                    self.set_paused(cursor, true, note)?;
                }
                self.state.last_failure = failure;
            }
            _ => {}
        }
        Ok(())
    }

    /// Times before this one are nobody's business any more.
    fn look_from(&mut self, now: Timestamp) {
        self.state.acted_until = self.state.acted_until.max(Some(now));
        self.next = Next::Unknown;
    }

    fn set_paused(&mut self, cursor: &mut Cursor, paused: bool, note: String) -> Result<(), Fault> {
        if (self.state.paused, &self.state.note) != (paused, &note) {
            let memo = [(PAUSED, json!(paused)), (NOTE, json!(note))];
            let memo = memo.into_iter().filter_map(|(name, value)| {
                Some((name.to_owned(), Some(Json::parse(&value.to_string()).ok()?)))
            });
            let memo = memo.collect();
            cursor.upsert_attributes(AttributeChanges { memo, ..AttributeChanges::default() })?;
        }
        self.state.paused = paused;
        self.state.note = note;
        Ok(())
    }

    fn publish(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        let status = json_payload(&self.state.shown(cursor.started_at()));
        publish(cursor, STATUS, status)?;
        if self.is_changed {
            publish(cursor, DEFINITION, json_payload(&self.definition))?;
        }
        Ok(())
    }

    fn is_long(&self, cursor: &Cursor) -> bool {
        self.requests >= REQUESTS_MAX
            || cursor.history_size().events >= EVENTS_MAX
            || cursor.is_continue_as_new_suggested()
    }

    fn is_old(&self, cursor: &Cursor) -> bool {
        let age_max = self.behaviour.age_max;
        age_max.is_some_and(|max| cursor.now() >= cursor.started_at().after(max))
    }

    /// Lets another run go on in the place of one that is long or old. Each start must be
    /// known to have been done: the next run could not repeat it.
    fn continue_if_over(&mut self, cursor: &mut Cursor) -> Result<(), Fault> {
        let is_over = self.is_long(cursor) || self.is_old(cursor);
        let all_started = self.state.running.iter().all(|it| it.action.run_id.is_some());
        if !is_over || !all_started {
            return Ok(());
        }
        let recorded = Recorded {
            id: self.id.clone(),
            definition: self.definition.clone(),
            state: self.state.clone(),
        };
        cursor.close(Outcome::ContinueAsNew {
            workflow_type: self.definition.action.workflow_type.clone(),
            input: json_payload(&recorded),
            options: Box::<ContinuationOptions>::default(),
            unread_signals: Vec::new(),
        })?;
        Ok(())
    }
}

fn publish(cursor: &mut Cursor, name: &str, value: Payload) -> Result<(), Fault> {
    let name = QueryName::new(name).map_err(|error| Fault::Unreadable(error.to_string()))?;
    cursor.publish(name, value)?;
    Ok(())
}

fn json_payload(value: &impl Serialize) -> Payload {
    Payload::from(serde_json::to_vec(value).expect("it is plain data"))
}

/// What the cursor tells of a child that has started.
fn run_id_of(started: &Payload) -> Option<RunId> {
    let started: serde_json::Value = serde_json::from_slice(started.as_bytes()).ok()?;
    started.get("run_id")?.as_str()?.parse().ok()
}
