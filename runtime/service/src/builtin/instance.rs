//! What the runtime sees of a program: an instance as any other.

use async_trait::async_trait;
use dacapo_engine::guest::{Asked, GuestInstance, Offered, Trace};
use dacapo_engine::replay::{Answer, Budget, Cursor, Offer, Reply};
use dacapo_model::code::ErrorCode;
use dacapo_model::command::Command;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Blocked;
use dacapo_model::query::Query;
use dacapo_model::time::Timestamp;
use dacapo_model::update::Update;

use super::Version;
use super::program::{Fault, Program};

/// About what a program and its cursor hold besides what the run was started with.
const BYTES: usize = 4 * 1024;

pub(super) struct Instance {
    version: &'static Version,
    cursor: Cursor,
    /// None until the start of the run is recorded.
    program: Option<Box<dyn Program>>,
    /// Of the input, which the cursor holds.
    input_bytes: usize,
}

impl Instance {
    pub(super) fn new(version: &'static Version, budget: Budget) -> Self {
        Self { version, cursor: Cursor::new(budget), program: None, input_bytes: 0 }
    }

    pub(super) fn trace(&self) -> Trace {
        Trace {
            waiting: self.cursor.waiting().cloned(),
            backtrace: None,
            untaken_signals: self.cursor.untaken_signals(),
            report: None,
        }
    }

    fn go_on(&mut self) -> Result<(), Fault> {
        let Self { version, cursor, program, input_bytes } = self;
        let program = match program {
            Some(program) => program,
            None => {
                let Answer::Ready(started) = cursor.start()? else {
                    return Ok(());
                };
                let started = started.clone();
                *input_bytes = started.input.len();
                program.insert((version.begin)(&started, cursor)?)
            }
        };
        if cursor.is_closed() {
            return Ok(());
        }
        program.go_on(cursor)
    }
}

#[async_trait]
impl GuestInstance for Instance {
    async fn advance(&mut self, events: Vec<HistoryEvent>) -> Result<Vec<Command>, Blocked> {
        if !self.cursor.is_closed() {
            self.cursor.extend(events);
            self.go_on()?;
        }
        Ok(self.cursor.take_commands())
    }

    async fn query(&mut self, query: Query) -> Asked {
        if !self.cursor.offer(Offer::Query(query)) {
            return self.cursor.waiting().cloned().map_or(Asked::Ended, Asked::Elsewhere);
        }
        match (self.go_on(), self.cursor.take_reply()) {
            (Ok(()), Some(Reply::Answered(answer))) => Asked::Answered(answer),
            (Ok(()), _) => Asked::Broken(undecided()),
            (Err(fault), _) => Asked::Broken(fault.into()),
        }
    }

    async fn offer_update(&mut self, update: Update, at: Timestamp) -> Offered {
        if !self.cursor.offer(Offer::Update { update, at }) {
            return Offered::Elsewhere;
        }
        match (self.go_on(), self.cursor.take_reply()) {
            (Ok(()), Some(Reply::Accepted)) => Offered::Accepted(self.cursor.take_commands()),
            (Ok(()), Some(Reply::Rejected(failure))) => Offered::Rejected(failure),
            (Ok(()), _) => Offered::Broken(undecided()),
            (Err(fault), Some(Reply::Accepted)) => Offered::Faulted(fault.into()),
            (Err(fault), _) => Offered::Broken(fault.into()),
        }
    }

    fn bytes(&self) -> usize {
        BYTES + self.input_bytes
    }
}

fn undecided() -> Blocked {
    Blocked {
        code: ErrorCode::Internal.as_str().to_owned(),
        message: "a built-in workflow went on without an answer".to_owned(),
        backtrace: None,
        nondeterminism: None,
    }
}
