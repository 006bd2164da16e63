//! The workflow `counter`, which takes updates and answers queries.

use dacapo_engine::replay::{Answer, CallError, Cursor, Delivery};
use dacapo_model::command::Outcome;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{OperationId, QueryName, TypeName, UpdateId};
use dacapo_model::payload::Payload;
use dacapo_model::update::Update;

use super::activities::options;
use super::text;

/// Begins with the number in its input, and publishes its `total`. The update `add`
/// adds a number and answers with the total; what is no number is rejected. `slow`
/// does an activity first, `gated` one that waits for the gate; `ignore` is not
/// decided about, `fault` is accepted by a guest that can't go on while the host is
/// faulty, `again` continues as new, and `end` completes the run without an answer.
/// The query `seen` tells how many updates were accepted, `misbehave` starts a timer.
/// While it has been told to `pause`, it waits for the activity only.
pub struct Counter {
    total: i64,
    accepted: u32,
    /// What waits for its activity: the update, and the number.
    open: Vec<(OperationId, UpdateId, i64)>,
    /// It waits for this alone.
    paused: Option<OperationId>,
    is_faulty: bool,
    published: bool,
}

impl Counter {
    pub(super) fn new(total: i64, is_faulty: bool) -> Self {
        Self { total, accepted: 0, open: Vec::new(), paused: None, is_faulty, published: false }
    }

    pub(super) fn run(&mut self, cursor: &mut Cursor) -> Result<(), CallError> {
        if !self.published {
            self.published = true;
            self.publish(cursor)?;
        }
        while !cursor.is_closed() {
            if let Some(operation) = self.paused {
                if cursor.wait(operation)? == Answer::Blocked {
                    return Ok(());
                }
                self.paused = None;
                self.finish(cursor, operation)?;
                continue;
            }
            match cursor.next()? {
                Answer::Blocked => return Ok(()),
                Answer::Ready(Delivery::Query { id, name, .. }) => {
                    self.answer(cursor, &id, &name)?
                }
                Answer::Ready(Delivery::Update(update)) => self.decide(cursor, update)?,
                Answer::Ready(Delivery::Completed { operation_id, .. }) => {
                    self.finish(cursor, operation_id)?;
                }
                Answer::Ready(Delivery::Signal { input, .. }) => {
                    self.total += text(&input).parse().unwrap_or(0);
                    self.publish(cursor)?;
                }
                Answer::Ready(Delivery::CancelRequested { reason }) => {
                    cursor.close(Outcome::Cancelled(reason))?;
                }
            }
        }
        Ok(())
    }

    fn answer(&self, cursor: &mut Cursor, id: &str, name: &QueryName) -> Result<(), CallError> {
        match name.as_str() {
            "seen" => cursor.respond_query(id, Ok(Payload::new(self.accepted.to_string()))),
            "misbehave" => cursor.start_timer(cursor.now()).map(drop),
            "silent" => Ok(()),
            other => {
                let message = format!("no query {other}; there is: seen");
                let failure = Failure::new(FailureKind::Application, "UnknownQuery", message);
                cursor.respond_query(id, Err(failure))
            }
        }
    }

    fn decide(&mut self, cursor: &mut Cursor, update: Update) -> Result<(), CallError> {
        let number = text(&update.input).parse::<i64>();
        match (update.name.as_str(), number) {
            ("ignore", _) => return Ok(()),
            (_, Err(_)) => {
                let failure = Failure::new(FailureKind::Application, "NoNumber", "not a number");
                return cursor.reject_update(&update.id, failure);
            }
            _ => {}
        }
        let number = text(&update.input).parse().unwrap_or(0);
        cursor.accept_update(&update.id)?;
        self.accepted += 1;
        match update.name.as_str() {
            "fault" if self.is_faulty => Err(CallError::UnknownOperation(OperationId(99))),
            name @ ("slow" | "gated" | "pause") => {
                let activity = if name == "slow" { "step" } else { "gated" };
                let activity_type = TypeName::new(activity).expect("valid");
                let operation =
                    cursor.start_activity(activity_type, update.input, options(activity))?;
                self.open.push((operation, update.id, number));
                if name == "pause" {
                    self.paused = Some(operation);
                }
                Ok(())
            }
            "again" => cursor.close(Outcome::ContinueAsNew {
                workflow_type: TypeName::new("counter").expect("valid"),
                input: Payload::new(self.total.to_string()),
                options: Box::default(),
                unread_signals: Vec::new(),
            }),
            "end" => cursor.close(Outcome::Completed(Payload::new(self.total.to_string()))),
            _ => self.add(cursor, &update.id, number),
        }
    }

    fn finish(&mut self, cursor: &mut Cursor, operation: OperationId) -> Result<(), CallError> {
        let Some(at) = self.open.iter().position(|(open, ..)| *open == operation) else {
            return Ok(());
        };
        let (_, update_id, number) = self.open.remove(at);
        self.add(cursor, &update_id, number)
    }

    fn add(&mut self, cursor: &mut Cursor, id: &UpdateId, number: i64) -> Result<(), CallError> {
        self.total += number;
        self.publish(cursor)?;
        cursor.complete_update(id, Ok(Payload::new(self.total.to_string())))
    }

    fn publish(&self, cursor: &mut Cursor) -> Result<(), CallError> {
        let name = QueryName::new("total").expect("valid");
        cursor.publish(name, Payload::new(self.total.to_string()))
    }
}
