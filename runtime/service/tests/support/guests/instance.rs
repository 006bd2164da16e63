//! What the runtime sees of a guest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use dacapo_engine::guest::{Asked, GuestInstance, Offered};
use dacapo_engine::replay::{Answer, CallError, Cursor, Offer, Reply};
use dacapo_model::command::Command;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Blocked;
use dacapo_model::query::Query;
use dacapo_model::time::Timestamp;
use dacapo_model::update::Update;

use super::program::Program;

pub(super) struct Instance {
    pub(super) cursor: Cursor,
    pub(super) program: Option<Program>,
    pub(super) faulty: bool,
    pub(super) reordered: bool,
    pub(super) live: Arc<AtomicUsize>,
    pub(super) bytes: Arc<AtomicUsize>,
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl GuestInstance for Instance {
    async fn advance(&mut self, events: Vec<HistoryEvent>) -> Result<Vec<Command>, Blocked> {
        self.cursor.extend(events);
        self.go_on().map_err(blocked)?;
        Ok(self.cursor.take_commands())
    }

    async fn query(&mut self, query: Query) -> Asked {
        if !self.cursor.offer(Offer::Query(query)) {
            return self.cursor.waiting().cloned().map_or(Asked::Ended, Asked::Elsewhere);
        }
        match (self.go_on(), self.cursor.take_reply()) {
            (Ok(()), Some(Reply::Answered(answer))) => Asked::Answered(answer),
            (Ok(()), reply) => panic!("a query was answered with {reply:?}"),
            (Err(error), _) => Asked::Broken(blocked(error)),
        }
    }

    async fn offer_update(&mut self, update: Update, at: Timestamp) -> Offered {
        if !self.cursor.offer(Offer::Update { update, at }) {
            return Offered::Elsewhere;
        }
        match (self.go_on(), self.cursor.take_reply()) {
            (Ok(()), Some(Reply::Accepted)) => Offered::Accepted(self.cursor.take_commands()),
            (Ok(()), Some(Reply::Rejected(failure))) => Offered::Rejected(failure),
            (Ok(()), reply) => panic!("an update was answered with {reply:?}"),
            (Err(error), Some(Reply::Accepted)) => Offered::Faulted(blocked(error)),
            (Err(error), _) => Offered::Broken(blocked(error)),
        }
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }
}

fn blocked(message: String) -> Blocked {
    Blocked { code: "nondeterminism".to_owned(), message, backtrace: None, nondeterminism: None }
}

impl Instance {
    fn go_on(&mut self) -> Result<(), String> {
        if self.cursor.is_closed() {
            return Ok(());
        }
        let text = |error: CallError| error.to_string();
        if self.program.is_none() {
            let Answer::Ready(start) = self.cursor.start().map_err(text)? else {
                return Ok(());
            };
            let start = start.clone();
            if start.workflow_type.as_str() == "faulty" && self.faulty {
                return Err("this guest is faulty".to_owned());
            }
            let begun = Program::begin(&start, &mut self.cursor, self.reordered, self.faulty);
            self.program = Some(begun.map_err(text)?);
        }
        let Some(program) = &mut self.program else {
            return Ok(());
        };
        program.run(&mut self.cursor).map_err(text)
    }
}
