//! What a schedule may not be told to do.

use std::time::Duration;

use dacapo_model::ids::WorkflowId;
use dacapo_model::limits::{ID_BYTES_MAX, MEMO_BYTES_MAX, TIMER_MAX};
use dacapo_model::time::{Timestamp, whole_micros};
use dacapo_schedule::Schedule;

use super::super::check_start::{check_options, check_own_id};
use super::invalid;
use crate::builtin::schedule::{MEMO, workflow_id};
use crate::error::Result;
use crate::tenancy::Tenant;
use crate::types::{ScheduleDefinition, StartOptions};

/// The workflow id of an action that names none.
pub const WORKFLOW_ID_DEFAULT: &str = "{id}-{time}";

/// How late an action may be, unless something else is asked for: a year.
pub const CATCHUP_WINDOW_DEFAULT: Duration = Duration::from_secs(365 * 24 * 3600);

/// The shortest. What takes a moment is not missed.
const CATCHUP_WINDOW_MIN: Duration = Duration::from_secs(10);

/// Bytes of a note.
const NOTE_BYTES_MAX: usize = 1024;

/// Bytes of a memo that are left for what a schedule tells its runs.
const TOLD_BYTES_MAX: usize = 10 * 1024;

pub(super) fn check_note(note: &str) -> Result<()> {
    if note.len() <= NOTE_BYTES_MAX {
        return Ok(());
    }
    Err(invalid(format!("the note has {} bytes; at most {NOTE_BYTES_MAX} are allowed", note.len())))
}

impl Tenant {
    /// Refuses what breaks a rule, and what could never be done.
    pub(super) async fn check_definition(
        &self,
        id: &str,
        definition: &mut ScheduleDefinition,
    ) -> Result<()> {
        let ScheduleDefinition { spec, action, policies } = definition;
        let schedule = Schedule::new(spec, id).map_err(|error| invalid(error.to_string()))?;
        let now = self.shared.clock.now();
        if !spec.is_empty() {
            let next = schedule.next_after(now).map_err(|error| invalid(error.to_string()))?;
            if next.is_none() {
                return Err(invalid(
                    "the schedule has no time after now: look at end_at, at the years that it \
                     names, and at its exclusions. One that is only to be triggered names no times",
                ));
            }
        }
        policies.catchup_window = whole_micros(policies.catchup_window);
        if !(CATCHUP_WINDOW_MIN..=TIMER_MAX).contains(&policies.catchup_window) {
            return Err(invalid(format!(
                "the catch-up window must be {} to {} seconds",
                CATCHUP_WINDOW_MIN.as_secs(),
                TIMER_MAX.as_secs()
            )));
        }
        self.check_payload("the input", &action.input)?;
        let mut options = StartOptions {
            run_timeout: action.run_timeout,
            execution_timeout: action.execution_timeout,
            start_delay: None,
            retry: action.retry.take(),
            attributes: std::mem::take(&mut action.attributes),
            inferred: std::mem::take(&mut action.inferred),
        };
        check_options(&mut options)?;
        self.fit_search_attributes(&mut options).await?;
        let StartOptions { run_timeout, execution_timeout, retry, attributes, .. } = options;
        action.run_timeout = run_timeout;
        action.execution_timeout = execution_timeout;
        action.retry = retry;
        action.attributes = attributes;
        if action.attributes.memo.contains_key(MEMO) {
            return Err(invalid(format!(
                "memo `{MEMO}` is what a schedule tells its runs: choose another name"
            )));
        }
        if action.attributes.bytes() > MEMO_BYTES_MAX - TOLD_BYTES_MAX {
            return Err(invalid(format!(
                "the memo and the search attributes have more than {} bytes together; the rest is \
                 for what the schedule tells its runs",
                MEMO_BYTES_MAX - TOLD_BYTES_MAX
            )));
        }
        check_workflow_id(&action.workflow_id, id)?;
        let (namespace, catalog) = (&self.namespace, &self.shared.catalog);
        let (workflow_type, module) = (&action.workflow_type, action.module.as_ref());
        catalog.look_up(|it| it.resolve(namespace, workflow_type, module)).await.map(drop)
    }
}

fn check_workflow_id(template: &str, id: &str) -> Result<()> {
    let rest = template.replace("{id}", "").replace("{time}", "");
    if rest.contains(['{', '}']) {
        return Err(invalid(
            "the workflow id of the action may name {id}, the schedule, and {time}, when it was \
             due, and has no other braces",
        ));
    }
    // With a fraction, a time is as long as it can be.
    let longest = workflow_id(template, id, Timestamp::from_micros(1));
    let made = WorkflowId::addressable(&longest).map_err(|error| {
        invalid(format!(
            "the workflow ids of the runs would not be valid, such as `{longest}` ({error}): each \
             has at most {ID_BYTES_MAX} bytes"
        ))
    })?;
    check_own_id(&made)
}
