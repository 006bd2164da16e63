//! What a schedule does when it is asked something.

use dacapo_engine::replay::Cursor;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::time::Timestamp;
use dacapo_model::update;

use super::overlap::Verdict;
use super::requests::{ActionsAsked, Request, Update};
use super::{Next, Schedule};
use crate::builtin::program::Fault;
use crate::types::OverlapPolicy;

impl Schedule {
    /// Takes a request. False if it was rejected.
    pub(super) fn asked(
        &mut self,
        cursor: &mut Cursor,
        update: &update::Update,
    ) -> Result<bool, Fault> {
        let request = match Request::read(&update.input) {
            Ok(request) => request,
            Err(error) => {
                let message = format!("a schedule can't read update `{}`: {error}", update.name);
                let failure = Failure::new(FailureKind::Application, "InvalidRequest", message);
                cursor.reject_update(&update.id, failure.non_retryable())?;
                return Ok(false);
            }
        };
        self.requests += 1;
        cursor.accept_update(&update.id)?;
        let before = self.state.counters.actions;
        let asked = self.follow(cursor, request)?;
        let starting = match self.behaviour.waits_for_starts && asked.started > 0 {
            true => (before + 1..=self.state.counters.actions).collect(),
            false => Vec::new(),
        };
        self.unanswered.answer(cursor, update.id.clone(), asked, starting)?;
        Ok(true)
    }

    /// Does what was asked for.
    fn follow(&mut self, cursor: &mut Cursor, request: Request) -> Result<ActionsAsked, Fault> {
        let mut asked = ActionsAsked::default();
        let own = self.definition.policies.overlap;
        match request {
            Request::Pause { note } => self.set_paused(cursor, true, note.unwrap_or_default())?,
            Request::Resume { note } => {
                if self.state.paused {
                    self.look_from(cursor.now());
                }
                self.set_paused(cursor, false, note.unwrap_or_default())?;
            }
            Request::Update(update) => {
                // What is due by now is done as it was said before.
                self.take_due(cursor)?;
                let Update { definition, note, remaining_actions } = *update;
                let same_times = definition.spec == self.definition.spec;
                self.definition = definition;
                self.is_changed = true;
                self.state.updated_at = Some(cursor.now());
                if let Some(remaining) = remaining_actions {
                    self.state.remaining_actions = remaining;
                }
                if let Some(note) = note {
                    self.set_paused(cursor, self.state.paused, note)?;
                }
                match same_times {
                    true => self.next = Next::Unknown,
                    false => self.look_from(cursor.now()),
                }
            }
            Request::Trigger { overlap } => {
                let time = cursor.now();
                self.take_asked(cursor, time, overlap.unwrap_or(own), &mut asked)?;
            }
            Request::Backfill { times, overlap } => {
                for time in times {
                    self.take_asked(cursor, time, overlap.unwrap_or(own), &mut asked)?;
                }
            }
        }
        Ok(asked)
    }

    fn take_asked(
        &mut self,
        cursor: &mut Cursor,
        time: Timestamp,
        overlap: OverlapPolicy,
        asked: &mut ActionsAsked,
    ) -> Result<(), Fault> {
        match self.take(cursor, time, overlap, true)? {
            Verdict::Start => {
                asked.started += 1;
                let id = self.state.running.last().map(|it| it.action.workflow_id.to_string());
                asked.workflow_id = id;
            }
            Verdict::Buffer | Verdict::BufferInstead => asked.buffered += 1,
            Verdict::Skip => asked.skipped += 1,
            Verdict::Drop => asked.dropped += 1,
        }
        Ok(())
    }
}
