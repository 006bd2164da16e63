//! The run that an action starts: its id, and what it is told.

use dacapo_model::event::{ChildCancellationType, ChildOptions, ModuleRef, ParentClosePolicy};
use dacapo_model::ids::WorkflowId;
use dacapo_model::json::Json;
use dacapo_model::time::Timestamp;
use serde_json::{Value, json};

use super::state::State;
use crate::types::ScheduleAction;

/// The name in the memo of a run under which it finds what its schedule tells it.
pub(crate) const MEMO: &str = "schedule";

/// The workflow id of an action that was due then.
pub(crate) fn workflow_id(template: &str, id: &str, time: Timestamp) -> String {
    template.replace("{time}", &time_text(time)).replace("{id}", id)
}

/// How a run is started for a time.
pub(super) fn options(
    action: &ScheduleAction,
    id: &str,
    workflow_id: WorkflowId,
    scheduled_time: Timestamp,
    state: &State,
) -> ChildOptions {
    let mut attributes = action.attributes.clone();
    for with_result in [true, false] {
        let told = told(id, scheduled_time, state, with_result).to_string();
        if let Ok(told) = Json::parse(&told) {
            attributes.memo.insert(MEMO.to_owned(), told);
        }
        // Within the bounds of a memo without the result, which was checked.
        if attributes.check().is_ok() {
            break;
        }
    }
    let module = action.module.clone().map(|name| ModuleRef { name, version: None });
    ChildOptions {
        workflow_id: Some(workflow_id),
        reuse_policy: action.reuse_policy,
        parent_close_policy: ParentClosePolicy::Abandon,
        cancellation_type: ChildCancellationType::Abandon,
        module,
        run_timeout: action.run_timeout,
        execution_timeout: action.execution_timeout,
        retry: action.retry.clone(),
        attributes,
        ..ChildOptions::default()
    }
}

fn told(id: &str, scheduled_time: Timestamp, state: &State, with_result: bool) -> Value {
    let mut told = json!({ "schedule_id": id, "scheduled_time": scheduled_time });
    if let Some(result) = state.last_result.as_ref().filter(|_| with_result) {
        match serde_json::from_slice(result.as_bytes()) {
            Ok(Value::Null) | Err(_) if result.is_empty() => {}
            Ok(result) => told["last_result"] = result,
            Err(_) => told["last_result_base64"] = json!(result),
        }
    }
    if let Some(failure) = &state.last_failure {
        told["last_failure"] = json!(failure);
    }
    told
}

/// RFC 3339, with a fraction only if there is one.
fn time_text(time: Timestamp) -> String {
    time.to_string().replace(".000000Z", "Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_the_schedule_and_the_time() {
        let at = Timestamp::from_micros(1_717_200_000_000_000);
        assert_eq!(workflow_id("{id}-{time}", "daily", at), "daily-2024-06-01T00:00:00Z");
        let between = Timestamp::from_micros(1_717_200_000_000_001);
        assert_eq!(workflow_id("x/{time}", "daily", between), "x/2024-06-01T00:00:00.000001Z");
    }
}
