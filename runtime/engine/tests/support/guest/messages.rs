//! What a program is told: outcomes, signals, queries, updates.

use std::time::Duration;

use dacapo_engine::replay::{Answer, CallError, Delivery};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::SignalName;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;

use super::{Guest, Progress, Taken};
use crate::support::simulation::RUN;

/// How far deadlines are apart.
const DEADLINES_MICROS: i64 = 1_000_000;

impl Guest {
    pub(super) fn next(&mut self) -> Result<Progress, CallError> {
        if self.place.pending.is_empty() {
            return Ok(Progress::Went);
        }
        loop {
            let Answer::Ready(delivery) = self.cursor.next()? else {
                return Ok(Progress::Blocked);
            };
            if self.take(delivery)? {
                return Ok(Progress::Went);
            }
        }
    }

    /// Deadlines are of a grid, so that one wait may have that of another.
    pub(super) fn next_until(&mut self, millis: u64) -> Result<Progress, CallError> {
        let deadline = match self.place.deadline {
            Some(deadline) => deadline,
            None => {
                let wanted = self.cursor.now().after(Duration::from_millis(millis)).as_micros();
                Timestamp::from_micros(wanted - wanted % DEADLINES_MICROS)
            }
        };
        self.place.deadline = Some(deadline);
        loop {
            match self.cursor.next_until(deadline)? {
                Answer::Blocked => return Ok(Progress::Blocked),
                Answer::Ready(None) => self.see(&format!("nothing until {}", self.cursor.now())),
                Answer::Ready(Some(delivery)) => {
                    if !self.take(delivery)? {
                        continue;
                    }
                }
            }
            self.place.deadline = None;
            return Ok(Progress::Went);
        }
    }

    /// Takes a delivery. False if nothing may come of it but another wait.
    pub(super) fn take(&mut self, delivery: Delivery) -> Result<bool, CallError> {
        match delivery {
            Delivery::Query { id, input, .. } => {
                if input.as_bytes() == b"misbehave" {
                    self.start_timer(1)?;
                }
                self.cursor.respond_query(&id, Ok(Payload::new(self.place.seen.to_string())))?;
                return Ok(false);
            }
            // Its number says whether the program will do it.
            Delivery::Update(update) if number_of(&update.input).is_multiple_of(3) => {
                let failure = Failure::new(FailureKind::Application, "Odd", "no");
                self.cursor.reject_update(&update.id, failure)?;
                return Ok(false);
            }
            _ => {}
        }
        self.see(&format!("{delivery:?} at {}", self.cursor.now()));
        let run_id = self.cursor.seen_run_id().unwrap_or(RUN);
        self.see(&format!("{:?} {run_id}", self.cursor.history_size()));
        match delivery {
            Delivery::Completed { operation_id, .. } => {
                let pending = &self.place.pending;
                assert!(
                    pending.contains(&operation_id),
                    "`next` returned {operation_id}: it is over"
                );
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
        Ok(true)
    }

    pub(super) fn receive_signal(&mut self, name: u8) -> Result<Progress, CallError> {
        let Answer::Ready(received) = self.cursor.receive_signal(&signal_name(name))? else {
            return Ok(Progress::Blocked);
        };
        self.see(&format!("signal {name}: {received:?} at {}", self.cursor.now()));
        self.place.signals.extend(received.ok().as_ref().map(number_of));
        Ok(Progress::Went)
    }

    pub(super) fn return_signal(&mut self, pick: u8) -> Result<(), CallError> {
        let taken = &self.place.signals;
        if taken.is_empty() {
            return Ok(());
        }
        let index = usize::from(pick) % taken.len();
        self.place.returned.insert(taken[index]);
        self.cursor.return_signal(index as u32 + 1)
    }

    pub(super) fn answer_update(&mut self, pick: u8) -> Result<(), CallError> {
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
}

pub(crate) fn signal_name(name: u8) -> SignalName {
    SignalName::new(format!("signal {name}")).expect("a valid name")
}

/// Each signal and each update says which one it is.
pub(crate) fn number_of(input: &Payload) -> u64 {
    let text = std::str::from_utf8(input.as_bytes()).expect("text");
    text.parse().expect("a number")
}
