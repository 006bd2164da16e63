//! Plays a program against a cursor, as the host does with WebAssembly.

mod messages;
mod operations;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::replay::{Answer, Budget, CallError, Cursor, Offer, Reply};
use dacapo_model::attributes::{AttributeChanges, SearchAttribute};
use dacapo_model::command::{Command, Outcome};
use dacapo_model::event::HistoryEvent;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{OperationId, QueryName, TypeName, UpdateId};
use dacapo_model::limits::Limits;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;

pub(crate) use self::messages::{number_of, signal_name};
use self::operations::options;
use self::values::{query_name, value_name};
use super::program::{End, Program, Step};

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
    pending: Vec<OperationId>,
    /// Those that end with what a child does about being cancelled.
    patient: BTreeSet<OperationId>,
    sleeping: Option<OperationId>,
    /// Until when it waits for whatever is next.
    deadline: Option<Timestamp>,
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
                pending: Vec::new(),
                patient: BTreeSet::new(),
                sleeping: None,
                deadline: None,
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
            Step::StartActivity { attempts, total_seconds, queued } => {
                // The input tells what was seen before: order matters.
                let input = Payload::new(format!("\"{:016x}\"", self.place.seen));
                let activity_type = TypeName::new("work").expect("a valid name");
                let options = options(attempts, total_seconds, queued);
                let operation = self.cursor.start_activity(activity_type, input, options)?;
                self.place.pending.push(operation);
                self.activities.insert(operation);
            }
            Step::StartTimer { millis } => {
                let operation = self.start_timer(millis)?;
                self.place.pending.push(operation);
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
            Step::NextUntil { millis } => return self.next_until(millis),
            Step::TryNext => {
                if let Some(delivery) = self.cursor.try_next() {
                    self.take(delivery)?;
                }
            }
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

    fn pick(&self, pick: u8) -> Option<OperationId> {
        let pending = &self.place.pending;
        (!pending.is_empty()).then(|| pending[usize::from(pick) % pending.len()])
    }

    fn over(&mut self, operation: OperationId) {
        self.place.pending.retain(|other| *other != operation);
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
