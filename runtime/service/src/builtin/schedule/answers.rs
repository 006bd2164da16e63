//! Requests that are answered once it is known whether the runs were started that they have
//! asked for.

use dacapo_engine::replay::{CallError, Cursor};
use dacapo_model::ids::UpdateId;

use super::json_payload;
use super::requests::ActionsAsked;
use crate::types::{ActionFailure, ScheduledAction};

/// Requests whose answers are to come.
#[derive(Default)]
pub(super) struct Unanswered(Vec<Request>);

struct Request {
    update_id: UpdateId,
    asked: ActionsAsked,
    /// Numbers of the actions that are starting.
    starting: Vec<u64>,
}

impl Unanswered {
    /// Answers a request, at once if nothing is starting for it.
    pub(super) fn answer(
        &mut self,
        cursor: &mut Cursor,
        update_id: UpdateId,
        asked: ActionsAsked,
        starting: Vec<u64>,
    ) -> Result<(), CallError> {
        if starting.is_empty() {
            return cursor.complete_update(&update_id, Ok(json_payload(&asked)));
        }
        self.0.push(Request { update_id, asked, starting });
        Ok(())
    }

    /// An action has started, or could not.
    pub(super) fn start_is_over(
        &mut self,
        cursor: &mut Cursor,
        action: &ScheduledAction,
        failure: Option<&ActionFailure>,
    ) -> Result<(), CallError> {
        let starts = |request: &Request| request.starting.contains(&action.number);
        let Some(at) = self.0.iter().position(starts) else { return Ok(()) };
        let Request { asked, starting, .. } = &mut self.0[at];
        starting.retain(|number| *number != action.number);
        if let Some(failure) = failure {
            asked.started -= 1;
            asked.failed += 1;
            asked.failure = Some(failure.clone());
            if asked.workflow_id.as_deref() == Some(action.workflow_id.as_str()) {
                asked.workflow_id = None;
            }
        }
        if starting.is_empty() {
            let Request { update_id, asked, .. } = self.0.remove(at);
            cursor.complete_update(&update_id, Ok(json_payload(&asked)))?;
        }
        Ok(())
    }
}
