//! Plays a program against a cursor, as the host does with WebAssembly.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::replay::{Answer, Budget, CallError, Cursor, Delivery, Offer, Reply};
use dacapo_model::attributes::{AttributeChanges, SearchAttribute};
use dacapo_model::command::{Command, Outcome};
use dacapo_model::event::{ActivityOptions, ChildCancellationType, ChildOptions, HistoryEvent};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{
    ChangeId, OperationId, QueryName, SignalName, TypeName, UpdateId, ValueName, WorkflowId,
};
use dacapo_model::limits::Limits;
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;

use super::program::{End, Program, Step};
use super::simulation::RUN;

const CANCELLATION_TYPES: [ChildCancellationType; 4] = [
    ChildCancellationType::WaitCancellationCompleted,
    ChildCancellationType::WaitCancellationRequested,
    ChildCancellationType::TryCancel,
    ChildCancellationType::Abandon,
];

/// What `next` returned, without what it held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    Outcome(OperationId),
    /// The signal that was sent with this number.
    Signal(u64),
    /// An update that was accepted.
    Update(UpdateId),
    CancelRequest,
}

/// Where a guest stands. Two guests in the same place behave the same from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    started: bool,
    step: usize,
    /// A digest of all that the guest has seen, in order.
    seen: u64,
    /// Started, and neither taken nor given up.
    open: Vec<OperationId>,
    /// Those that end with what a child does about being cancelled.
    patient: BTreeSet<OperationId>,
    sleeping: Option<OperationId>,
    /// What `next` returned so far, in order.
    pub(crate) taken: Vec<Taken>,
    /// The numbers of the signals that were taken, in order.
    pub(crate) signals: Vec<u64>,
    /// Those of them that were given back.
    pub(crate) returned: BTreeSet<u64>,
    /// Updates that were accepted and not answered.
    pub(crate) updates: Vec<UpdateId>,
    /// What was published.
    pub(crate) published: BTreeMap<QueryName, Payload>,
    pub(crate) closed: bool,
}

/// A running program.
pub(crate) struct Guest {
    cursor: Cursor,
    program: Arc<Program>,
    activities: BTreeSet<OperationId>,
    pub(crate) place: Place,
}

/// What a guest made of an offer, and what it asks for now.
pub(crate) type Replied = (Option<Reply>, Vec<Command>);

#[derive(PartialEq)]
enum Progress {
    Went,
    Blocked,
}

impl Guest {
    pub(crate) fn new(program: &Arc<Program>) -> Self {
        Self {
            cursor: Cursor::new(Budget::from(&Limits::default())),
            program: Arc::clone(program),
            activities: BTreeSet::new(),
            place: Place {
                started: false,
                step: 0,
                seen: 0,
                open: Vec::new(),
                patient: BTreeSet::new(),
                sleeping: None,
                taken: Vec::new(),
                signals: Vec::new(),
                returned: BTreeSet::new(),
                updates: Vec::new(),
                published: BTreeMap::new(),
                closed: false,
            },
        }
    }

    /// The same contract as `GuestInstance::advance`.
    pub(crate) fn advance(&mut self, events: Vec<HistoryEvent>) -> Result<Vec<Command>, CallError> {
        self.cursor.extend(events);
        while !self.place.closed && self.step()? == Progress::Went {}
        Ok(self.cursor.take_commands())
    }

    /// Delivers what is not recorded, as `GuestInstance::query` and `offer_update`
    /// do. None if the guest waits for something else.
    pub(crate) fn offer(&mut self, offer: Offer) -> Result<Option<Replied>, CallError> {
        if self.place.closed || !self.cursor.offer(offer) {
            return Ok(None);
        }
        let commands = self.advance(Vec::new())?;
        Ok(Some((self.cursor.take_reply(), commands)))
    }

    fn step(&mut self) -> Result<Progress, CallError> {
        if !self.place.started {
            let Answer::Ready(started) = self.cursor.start()? else {
                return Ok(Progress::Blocked);
            };
            let input = started.input.clone();
            self.see(&input.as_bytes());
            self.place.started = true;
        }
        let steps = self.program.steps.len();
        if self.place.step >= steps * self.program.rounds {
            self.close(self.program.end)?;
            return Ok(Progress::Went);
        }
        let step = self.program.steps[self.place.step % steps].clone();
        if self.perform(&step)? == Progress::Blocked {
            return Ok(Progress::Blocked);
        }
        self.place.step += 1;
        Ok(Progress::Went)
    }

    fn perform(&mut self, step: &Step) -> Result<Progress, CallError> {
        match *step {
            Step::StartActivity { attempts, total_seconds } => {
                // The input tells what was seen before: order matters.
                let input = Payload::new(format!("\"{:016x}\"", self.place.seen));
                let activity_type = TypeName::new("work").expect("a valid name");
                let options = options(attempts, total_seconds);
                let operation = self.cursor.start_activity(activity_type, input, options)?;
                self.place.open.push(operation);
                self.activities.insert(operation);
            }
            Step::StartTimer { millis } => {
                let operation = self.start_timer(millis)?;
                self.place.open.push(operation);
            }
            Step::StartChild { cancellation } => self.start_child(cancellation)?,
            Step::ReachExternal { cancel } => self.reach_external(cancel)?,
            Step::Cancel(pick) => {
                if let Some(operation) = self.pick(pick) {
                    self.cursor.cancel(operation)?;
                    if !self.place.patient.contains(&operation) {
                        self.over(operation);
                    }
                }
            }
            Step::RequestCancel(pick) => {
                if let Some(operation) = self.pick(pick)
                    && self.activities.contains(&operation)
                {
                    let grace = Duration::from_nanos(1_000_000_001);
                    self.cursor.request_cancel_activity(operation, grace)?;
                }
            }
            Step::Upsert(pick) => {
                let note = format!("{:016x}", self.place.seen);
                let mut changes = AttributeChanges::default();
                changes.memo.insert(format!("note {}", pick % 2), Some(note.into()));
                if pick % 3 == 0 {
                    let count = SearchAttribute::Int(self.place.seen.cast_signed());
                    changes.search_attributes.insert("count".to_owned(), Some(count));
                }
                self.cursor.upsert_attributes(changes)?;
                self.see(&format!("{:?}", self.cursor.attributes()));
            }
            Step::Next => return self.next(),
            Step::Wait(pick) => return self.wait(pick),
            Step::ReceiveSignal(name) => return self.receive_signal(name),
            Step::ReturnSignal(pick) => self.return_signal(pick)?,
            Step::AnswerUpdate(pick) => self.answer_update(pick)?,
            Step::Publish(name) => {
                let value = Payload::new(format!("\"{:016x}\"", self.place.seen));
                self.cursor.publish(query_name(name), value)?;
                self.place.published = self.cursor.published().clone();
            }
            Step::Sleep { millis } => return self.sleep(millis),
            Step::SkipIfOdd(steps) => self.skip_if(self.place.seen % 2 == 1, steps),
            Step::SkipIfCancelRequested(steps) => {
                self.skip_if(self.cursor.is_cancel_requested(), steps);
            }
            Step::Version { change } => self.follow_change(change)?,
            Step::RecordedValue(name) => {
                let recorded = self.cursor.recorded_value(value_name(name))?;
                let value = match recorded {
                    Some(value) => value,
                    None => self.record(value_name(name), 5)?,
                };
                self.see(&value.as_bytes());
            }
            Step::LatestValue(name) => {
                let latest = self.cursor.latest_value(value_name(name))?;
                let value = match latest {
                    Some(value) => value,
                    None => self.record(value_name(name), 2)?,
                };
                self.see(&value.as_bytes());
            }
            Step::Close(end) => self.close(end)?,
        }
        Ok(Progress::Went)
    }

    /// The code before the change has no such call. The code after it does as the
    /// code before did, where the run does not follow the change.
    fn follow_change(&mut self, change: u8) -> Result<(), CallError> {
        if self.program.known == 0 {
            return Ok(());
        }
        let change_id = ChangeId::new(format!("change {change}")).expect("a valid id");
        let version = self.cursor.version(change_id, 0, self.program.known)?;
        if version > 0 {
            self.see(&version);
            let timer = self.start_timer(u64::from(version) * 7)?;
            self.place.open.push(timer);
        }
        Ok(())
    }

    fn start_child(&mut self, cancellation: u8) -> Result<(), CallError> {
        let cancellation_type = CANCELLATION_TYPES[usize::from(cancellation)];
        let input = Payload::new(format!("\"{:016x}\"", self.place.seen));
        let workflow_type = TypeName::new("child").expect("a valid name");
        let is_odd = cancellation % 2 == 1;
        let options = ChildOptions {
            cancellation_type,
            run_timeout: is_odd.then(|| Duration::from_secs(60)),
            retry: is_odd.then(RetryPolicy::default),
            ..ChildOptions::default()
        };
        let (started, closed) = self.cursor.start_child(workflow_type, input, options)?;
        self.place.open.extend([started, closed]);
        if matches!(
            cancellation_type,
            ChildCancellationType::WaitCancellationCompleted
                | ChildCancellationType::WaitCancellationRequested
        ) {
            self.place.patient.insert(closed);
        }
        Ok(())
    }

    /// A value that is another under other code.
    fn record(&mut self, name: ValueName, kinds: u64) -> Result<Payload, CallError> {
        let value = format!("{} {}", self.program.known, self.place.seen % kinds);
        self.cursor.record_value(name, Payload::new(value.clone()))?;
        Ok(Payload::new(value))
    }

    fn reach_external(&mut self, cancel: bool) -> Result<(), CallError> {
        let seen = format!("\"{:016x}\"", self.place.seen);
        let other = WorkflowId::new("other").expect("a valid id");
        let operation = match cancel {
            true => self.cursor.cancel_external(other, None, seen)?,
            false => {
                self.cursor.signal_external(other, None, signal_name(0), Payload::new(seen))?
            }
        };
        self.place.open.push(operation);
        Ok(())
    }

    fn next(&mut self) -> Result<Progress, CallError> {
        if self.place.open.is_empty() {
            return Ok(Progress::Went);
        }
        let delivery = loop {
            let Answer::Ready(delivery) = self.cursor.next()? else {
                return Ok(Progress::Blocked);
            };
            match delivery {
                Delivery::Query { id, input, .. } => {
                    if input.as_bytes() == b"misbehave" {
                        self.start_timer(1)?;
                    }
                    self.cursor
                        .respond_query(&id, Ok(Payload::new(self.place.seen.to_string())))?;
                }
                // Its number says whether the program will do it.
                Delivery::Update(update) if number_of(&update.input).is_multiple_of(3) => {
                    let failure = Failure::new(FailureKind::Application, "Odd", "no");
                    self.cursor.reject_update(&update.id, failure)?;
                }
                other => break other,
            }
        };
        self.see(&format!("{delivery:?} at {}", self.cursor.now()));
        let run_id = self.cursor.seen_run_id().unwrap_or(RUN);
        self.see(&format!("{:?} {run_id}", self.cursor.history_size()));
        match delivery {
            Delivery::Completed { operation_id, .. } => {
                let open = &self.place.open;
                assert!(open.contains(&operation_id), "`next` returned {operation_id}: it is over");
                self.over(operation_id);
                self.place.taken.push(Taken::Outcome(operation_id));
            }
            Delivery::Signal { input, .. } => {
                let number = number_of(&input);
                self.place.taken.push(Taken::Signal(number));
                self.place.signals.push(number);
            }
            Delivery::Update(update) => {
                self.cursor.accept_update(&update.id)?;
                self.place.taken.push(Taken::Update(update.id.clone()));
                self.place.updates.push(update.id);
            }
            Delivery::Query { .. } => unreachable!("it was answered"),
            Delivery::CancelRequested { .. } => self.place.taken.push(Taken::CancelRequest),
        }
        Ok(Progress::Went)
    }

    fn wait(&mut self, pick: u8) -> Result<Progress, CallError> {
        let Some(operation) = self.pick(pick) else {
            return Ok(Progress::Went);
        };
        let Answer::Ready(outcome) = self.cursor.wait(operation)? else {
            return Ok(Progress::Blocked);
        };
        self.see(&format!("{operation}: {outcome:?} at {}", self.cursor.now()));
        self.over(operation);
        Ok(Progress::Went)
    }

    fn receive_signal(&mut self, name: u8) -> Result<Progress, CallError> {
        let Answer::Ready(received) = self.cursor.receive_signal(&signal_name(name))? else {
            return Ok(Progress::Blocked);
        };
        self.see(&format!("signal {name}: {received:?} at {}", self.cursor.now()));
        self.place.signals.extend(received.ok().as_ref().map(number_of));
        Ok(Progress::Went)
    }

    fn return_signal(&mut self, pick: u8) -> Result<(), CallError> {
        let taken = &self.place.signals;
        if taken.is_empty() {
            return Ok(());
        }
        let index = usize::from(pick) % taken.len();
        self.place.returned.insert(taken[index]);
        self.cursor.return_signal(index as u32 + 1)
    }

    fn answer_update(&mut self, pick: u8) -> Result<(), CallError> {
        if self.place.updates.is_empty() {
            return Ok(());
        }
        let update_id = self.place.updates.remove(usize::from(pick) % self.place.updates.len());
        let seen = format!("\"{:016x}\"", self.place.seen);
        let outcome = match self.place.seen % 2 {
            0 => Ok(Payload::new(seen)),
            _ => Err(Failure::new(FailureKind::Application, "Odd", seen)),
        };
        self.cursor.complete_update(&update_id, outcome)
    }

    fn sleep(&mut self, millis: u64) -> Result<Progress, CallError> {
        let timer = match self.place.sleeping {
            Some(timer) => timer,
            None => self.start_timer(millis)?,
        };
        self.place.sleeping = Some(timer);
        if self.cursor.wait_undisturbed(timer)? == Answer::Blocked {
            return Ok(Progress::Blocked);
        }
        self.place.sleeping = None;
        self.see(&format!("slept until {}", self.cursor.now()));
        Ok(Progress::Went)
    }

    fn close(&mut self, end: End) -> Result<(), CallError> {
        let seen = format!("\"{:016x}\"", self.place.seen);
        self.cursor.close(match end {
            End::Completed => Outcome::Completed(Payload::new(seen)),
            End::Failed => {
                let mut failure = Failure::new(FailureKind::Application, "Odd", seen);
                failure.info.next_retry_delay = Some(Duration::from_nanos(self.place.seen));
                Outcome::Failed { failure, unread_signals: Vec::new() }
            }
            End::Cancelled => Outcome::Cancelled(seen),
            End::ContinuedAsNew => Outcome::ContinueAsNew {
                workflow_type: TypeName::new("program").expect("a valid name"),
                input: Payload::new(seen),
                options: Box::default(),
                unread_signals: Vec::new(),
            },
        })?;
        self.place.closed = true;
        Ok(())
    }

    fn start_timer(&mut self, millis: u64) -> Result<OperationId, CallError> {
        let fire_at = self.cursor.now().after(Duration::from_millis(millis));
        self.cursor.start_timer(fire_at)
    }

    fn pick(&self, pick: u8) -> Option<OperationId> {
        let open = &self.place.open;
        (!open.is_empty()).then(|| open[usize::from(pick) % open.len()])
    }

    fn over(&mut self, operation: OperationId) {
        self.place.open.retain(|open| *open != operation);
    }

    fn see(&mut self, what: &impl Hash) {
        let mut hasher = DefaultHasher::new();
        self.place.seen.hash(&mut hasher);
        what.hash(&mut hasher);
        self.place.seen = hasher.finish();
    }

    fn skip_if(&mut self, condition: bool, steps: u8) {
        if condition {
            self.place.step += usize::from(steps);
        }
    }
}

fn value_name(name: u8) -> ValueName {
    ValueName::new(format!("value {name}")).expect("a valid name")
}

pub(crate) fn signal_name(name: u8) -> SignalName {
    SignalName::new(format!("signal {name}")).expect("a valid name")
}

fn query_name(name: u8) -> QueryName {
    QueryName::new(format!("value {name}")).expect("a valid name")
}

/// Each signal and each update says which one it is.
pub(crate) fn number_of(input: &Payload) -> u64 {
    let text = std::str::from_utf8(input.as_bytes()).expect("text");
    text.parse().expect("a number")
}

/// Durations that no store keeps exactly are asked for on purpose.
fn options(attempts: u32, total_seconds: Option<u64>) -> ActivityOptions {
    ActivityOptions {
        start_to_close_timeout: Duration::from_nanos(1_000_000_001),
        schedule_to_close_timeout: total_seconds.map(Duration::from_secs),
        heartbeat_timeout: (attempts == 3).then(|| Duration::from_nanos(300_000_001)),
        retry: RetryPolicy {
            initial_interval: Duration::from_nanos(500_000_500),
            backoff_coefficient: 1.7,
            maximum_attempts: attempts,
            ..RetryPolicy::default()
        },
        ..ActivityOptions::unnamed()
    }
}
