//! Other runs.

use dacapo::{
    Failure, ParentClosePolicy, continue_as_new, continued_failure, external, signals,
    workflow_info,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::activities::noop;
use crate::failures::fails;
use crate::messages::signal;
use crate::{failure_of, types};

#[dacapo::workflow]
pub(crate) async fn square(number: u64) -> u64 {
    number * number
}

#[derive(Deserialize)]
pub(crate) struct Number {
    number: u64,
}

#[dacapo::workflow]
pub(crate) async fn parent(input: Number) -> Result<u64, Failure> {
    square(input.number).await
}

#[dacapo::workflow]
pub(crate) async fn parent_of_failure() -> Result<Vec<String>, Failure> {
    Ok(types(&failure_of(fails().await)?))
}

#[derive(Deserialize)]
pub(crate) struct Nudge {
    text: String,
}

#[dacapo::workflow]
pub(crate) async fn nudge(input: Nudge) -> Result<Value, Failure> {
    let child = signal().start().await?;
    child.signal("go", &input.text).await?;
    child.result().await
}

#[derive(Deserialize)]
pub(crate) struct Leave {
    policy: String,
    workflow_id: String,
}

#[dacapo::workflow]
pub(crate) async fn leaves(input: Leave) -> Result<Value, Failure> {
    let policy = match input.policy.as_str() {
        "abandon" => ParentClosePolicy::Abandon,
        "request_cancel" => ParentClosePolicy::RequestCancel,
        _ => ParentClosePolicy::Terminate,
    };
    let child = signal().workflow_id(input.workflow_id).parent_close_policy(policy).start().await?;
    Ok(json!({"workflow_id": child.workflow_id()}))
}

#[derive(Deserialize)]
pub(crate) struct To {
    to: String,
}

#[dacapo::workflow]
pub(crate) async fn tells(input: To) -> Result<Value, Failure> {
    external(input.to).signal("go", &5).await?;
    let refused = external("nobody-has-this-id").signal("go", &5).await;
    Ok(json!([null, types(&failure_of(refused)?)]))
}

#[dacapo::workflow]
pub(crate) async fn cancels(input: To) -> Result<(), Failure> {
    external(input.to).cancel("enough").await
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Relay {
    count: usize,
    taken: Vec<u64>,
}

#[dacapo::workflow]
pub(crate) async fn relay(mut relay: Relay) -> Result<Vec<u64>, Failure> {
    if relay.taken.is_empty() {
        signals::<Value>("begin").recv().await?;
    }
    relay.taken.push(signals("word").recv().await?);
    noop().await?;
    if relay.taken.len() == relay.count {
        return Ok(relay.taken);
    }
    continue_as_new(&relay).await
}

#[dacapo::workflow]
pub(crate) async fn tries() -> Result<Value, Failure> {
    let attempt = workflow_info().attempt;
    if attempt == 1 {
        return Err(Failure::application("NotYet", "attempt 1"));
    }
    Ok(json!({"attempt": attempt, "before": continued_failure().map(|it| it.info.type_name)}))
}
