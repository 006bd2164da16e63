//! A workflow and an activity without an SDK.

use dacapo::workflow::operations::{self, ActivityOptions};
use dacapo::workflow::types::{Failure, FailureInfo, FailureKind};
use exports::dacapo::workflow::definitions::{self, ModuleDefinitions};
use exports::dacapo::workflow::{activity, workflow};

wit_bindgen::generate!({ path: "../../../wit", world: "module" });

struct Orders;

impl definitions::Guest for Orders {
    fn definitions() -> ModuleDefinitions {
        ModuleDefinitions {
            workflows: vec!["plain_order".into()],
            activities: vec!["charge".into()],
        }
    }
}

impl workflow::Guest for Orders {
    fn run(_workflow_type: String, input: Vec<u8>) -> workflow::Outcome {
        match order(&input) {
            Ok(result) => workflow::Outcome::Completed(result),
            Err(failure) => workflow::Outcome::Failed(failure),
        }
    }
}

/// An activity, a timer and a signal, one after the other.
fn order(input: &[u8]) -> Result<Vec<u8>, Failure> {
    let options = ActivityOptions {
        start_to_close_timeout: None,
        schedule_to_close_timeout: None,
        schedule_to_start_timeout: None,
        heartbeat_timeout: None,
        retry: None,
        task_queue: None,
    };
    let receipt = operations::execute_activity("charge", input, &options)?;
    operations::sleep(1_000_000)?;
    let approval = operations::receive_signal("approve")?;
    let (receipt, approval) = (json(&receipt), json(&approval));
    Ok(format!("{{\"receipt\":{receipt},\"approval\":{approval}}}").into_bytes())
}

impl activity::Guest for Orders {
    fn execute(activity_type: String, input: Vec<u8>) -> Result<Vec<u8>, Failure> {
        match activity_type.as_str() {
            "charge" => Ok(format!("{{\"charged\":{}}}", json(&input)).into_bytes()),
            other => Err(failure(format!("there is one activity: charge, and not {other}"))),
        }
    }
}

fn failure(message: String) -> Failure {
    let info = FailureInfo {
        kind: FailureKind::Application,
        type_name: "UnknownActivityType".to_owned(),
        message,
        non_retryable: true,
        next_retry_delay: None,
        details: None,
    };
    Failure { info, causes: Vec::new() }
}

/// What has no bytes is null.
fn json(payload: &[u8]) -> &str {
    std::str::from_utf8(payload).ok().filter(|text| !text.is_empty()).unwrap_or("null")
}

export!(Orders);
