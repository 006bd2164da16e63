//! Tells a schedule something: requests that its run records as updates. One with the id of
//! a former one is that one.

use std::collections::BTreeMap;
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{RequestId, ScheduleId, UpdateId};
use dacapo_model::time::Timestamp;
use dacapo_model::update::Update;

use super::super::{UpdateWait, WaitFor, made_up_update_id};
use super::check::check_note;
use super::describe::Found;
use super::times::times;
use super::{invalid, run_of};
use crate::builtin::schedule::{self, ActionsAsked, Request};
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;
use crate::types::{OverlapPolicy, ScheduleDefinition};
use crate::update_watch::UpdateProgress;

/// A schedule answers at once, if its node can.
const WAIT: Duration = Duration::from_secs(10);

/// Actions of one backfill.
const BACKFILL_MAX: usize = 1_000;

/// Another definition for a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateScheduleRequest {
    /// What it does from now on.
    pub definition: ScheduleDefinition,
    /// Environment variables of the runs that it starts: the same as before.
    pub environment: BTreeMap<String, String>,
    /// Command-line arguments of the runs that it starts: the same as before.
    pub arguments: Vec<String>,
    /// Another note; none leaves it as it is.
    pub note: Option<String>,
    /// Another number of actions, or no bound; none leaves it as it is.
    pub remaining_actions: Option<Option<u64>>,
}

/// Times whose actions are to be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackfillRequest {
    /// The first.
    pub from: Timestamp,
    /// The last.
    pub to: Timestamp,
    /// What to do if a run is open; none means as the schedule always does.
    pub overlap: Option<OverlapPolicy>,
}

impl Tenant {
    /// Lets a schedule take no action by itself.
    pub async fn pause_schedule(
        &self,
        schedule_id: &ScheduleId,
        note: Option<String>,
        request_id: Option<RequestId>,
    ) -> Result<()> {
        check_note(note.as_deref().unwrap_or_default())?;
        self.ask_schedule(schedule_id, Request::Pause { note }, request_id).await.map(drop)
    }

    /// Lets a schedule go on. What was due meanwhile is not made up for.
    pub async fn resume_schedule(
        &self,
        schedule_id: &ScheduleId,
        note: Option<String>,
        request_id: Option<RequestId>,
    ) -> Result<()> {
        check_note(note.as_deref().unwrap_or_default())?;
        self.ask_schedule(schedule_id, Request::Resume { note }, request_id).await.map(drop)
    }

    /// Gives a schedule another definition. What it has done and what is open stays.
    pub async fn update_schedule(
        &self,
        schedule_id: &ScheduleId,
        request: UpdateScheduleRequest,
        request_id: Option<RequestId>,
    ) -> Result<()> {
        let UpdateScheduleRequest { mut definition, note, remaining_actions, .. } = request;
        let Found { started, .. } = self.find_schedule(schedule_id).await?;
        let asked = (request.environment, request.arguments);
        if asked != (started.environment, started.arguments) {
            return Err(invalid(
                "environment and arguments of a schedule can't be changed: say the same as before, \
                 or delete the schedule and make another",
            ));
        }
        check_note(note.as_deref().unwrap_or_default())?;
        self.check_definition(schedule_id.as_str(), &mut definition).await?;
        let update = schedule::Update { definition, note, remaining_actions };
        let request = Request::Update(Box::new(update));
        self.check_payload("the definition", &request.input())?;
        self.ask_schedule(schedule_id, request, request_id).await.map(drop)
    }

    /// Takes the action now, whether or not the schedule is paused.
    pub async fn trigger_schedule(
        &self,
        schedule_id: &ScheduleId,
        overlap: Option<OverlapPolicy>,
        request_id: Option<RequestId>,
    ) -> Result<ActionsAsked> {
        self.ask_schedule(schedule_id, Request::Trigger { overlap }, request_id).await
    }

    /// Takes the actions of a stretch of time as if it were now.
    pub async fn backfill_schedule(
        &self,
        schedule_id: &ScheduleId,
        request: BackfillRequest,
        request_id: Option<RequestId>,
    ) -> Result<ActionsAsked> {
        let BackfillRequest { from, to, overlap } = request;
        if from > to {
            return Err(invalid("`from` is after `to`"));
        }
        let Found { definition, .. } = self.find_schedule(schedule_id).await?;
        let found = times(&definition.spec, schedule_id, from, to, BACKFILL_MAX)?;
        if found.more {
            return Err(invalid(format!(
                "there are more than {BACKFILL_MAX} times from {from} to {to}: fill in a shorter \
                 stretch, and the next one when it is done"
            )));
        }
        let times = found.times.into_iter().map(|due| due.nominal).collect();
        self.ask_schedule(schedule_id, Request::Backfill { times, overlap }, request_id).await
    }

    async fn ask_schedule(
        &self,
        schedule_id: &ScheduleId,
        request: Request,
        request_id: Option<RequestId>,
    ) -> Result<ActionsAsked> {
        let id = match request_id {
            // One of another kind is another request.
            Some(request_id) => UpdateId::new(format!("{}/{request_id}", request.name()))?,
            None => made_up_update_id(),
        };
        let update = Update { id, name: request.name(), input: request.input() };
        let wait = UpdateWait { wait_for: WaitFor::Completed, wait: WAIT };
        let asked = self.update_run(&run_of(schedule_id)?, update, wait).await;
        let asked = asked.map_err(|error| self.told_of_schedule(schedule_id, error))?;
        match asked.progress {
            UpdateProgress::Completed(Ok(answer)) => {
                let read = serde_json::from_slice(answer.as_bytes());
                read.map_err(|error| ServiceError::new(ErrorCode::Internal, error.to_string()))
            }
            UpdateProgress::Completed(Err(failure)) | UpdateProgress::Rejected(failure) => {
                Err(invalid(failure.info.message))
            }
            UpdateProgress::Accepted => Err(ServiceError::new(
                ErrorCode::Unavailable,
                format!(
                    "schedule `{schedule_id}` has done it, and waits to hear whether the runs have \
                     started: their namespace may have no room for them now. `dacapo schedule show \
                     {schedule_id}` tells. The same request id makes a repeat safe"
                ),
            )),
            _ => Err(ServiceError::new(
                ErrorCode::Unavailable,
                format!(
                    "schedule `{schedule_id}` has not answered yet, and will: it may be blocked. \
                     The same request id makes a repeat safe"
                ),
            )),
        }
    }
}
