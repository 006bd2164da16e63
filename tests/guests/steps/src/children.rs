//! Workflows that have to do with other runs.

use std::time::Duration;

use dacapo::{
    ChildCall, ChildCancellation, Failure, ParentClosePolicy, RetryPolicy, SearchValue, external,
    join_all, signals,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The square of its input.
#[dacapo::workflow]
pub(crate) async fn square(number: u64) -> u64 {
    number * number
}

/// `n`: the sum of the squares up to n, each of them by a child.
#[dacapo::workflow]
pub(crate) async fn sum_of_squares(n: u64) -> Result<u64, Failure> {
    let squares = join_all((1..=n).map(square)).await;
    squares.into_iter().sum()
}

/// Waits for a signal `go`, and returns what it says.
#[dacapo::workflow]
pub(crate) async fn linger() -> Result<Value, Failure> {
    signals("go").recv().await
}

/// `n`: starts itself as a child, n generations deep. Returns what the last one says,
/// or the types of the failure of the one that could not start.
#[dacapo::workflow]
pub(crate) async fn descend(generations: u32) -> Value {
    match generations {
        0 => json!("the last"),
        more => descend(more - 1).await.unwrap_or_else(|failure| told(&failure)),
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Family {
    workflow: String,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    workflow_id: Option<String>,
    #[serde(default)]
    policy: String,
    #[serde(default)]
    cancellation: String,
    /// Ends once its child has started.
    #[serde(default)]
    leave: bool,
    #[serde(default)]
    run_timeout_millis: Option<u64>,
    #[serde(default)]
    start_delay_millis: u64,
    /// How often it is tried, at once.
    #[serde(default)]
    attempts: Option<u32>,
    /// What the memo says under `note`, and the search attribute `label`.
    #[serde(default)]
    note: Option<String>,
}

impl Family {
    fn run_options(&self, call: ChildCall<Value>) -> ChildCall<Value> {
        let mut call = call.start_delay(Duration::from_millis(self.start_delay_millis));
        if let Some(millis) = self.run_timeout_millis {
            call = call.run_timeout(Duration::from_millis(millis));
        }
        if let Some(attempts) = self.attempts {
            let at_once = RetryPolicy::new().initial_interval(Duration::from_millis(1));
            call = call.retry(at_once.maximum_attempts(attempts));
        }
        if let Some(note) = &self.note {
            call = call.memo("note", note).search_attribute("label", SearchValue::keyword(note));
        }
        call
    }
}

/// One child by its type name. Returns its result, or the types of its failure and
/// the causes.
#[dacapo::workflow]
pub(crate) async fn family(family: Family) -> Result<Value, Failure> {
    let Family { workflow, input, workflow_id, policy, cancellation, leave, .. } = &family;
    let mut call = ChildCall::<Value>::named(workflow.clone(), input)
        .parent_close_policy(match policy.as_str() {
            "abandon" => ParentClosePolicy::Abandon,
            "request_cancel" => ParentClosePolicy::RequestCancel,
            _ => ParentClosePolicy::Terminate,
        })
        .cancellation(match cancellation.as_str() {
            "requested" => ChildCancellation::WaitRequested,
            "try" => ChildCancellation::Try,
            "abandon" => ChildCancellation::Abandon,
            _ => ChildCancellation::WaitCompleted,
        });
    if let Some(workflow_id) = workflow_id {
        call = call.workflow_id(workflow_id);
    }
    call = family.run_options(call);
    if *leave {
        let child = call.start().await?;
        return Ok(json!({"workflow_id": child.workflow_id(), "run_id": child.run_id()}));
    }
    Ok(call.await.unwrap_or_else(|failure| told(&failure)))
}

/// `text`: starts a child that lingers, sends it the text, and returns what it
/// returns.
#[dacapo::workflow]
pub(crate) async fn nudge(text: String) -> Result<Value, Failure> {
    let child = linger().start().await?;
    child.signal("go", &text).await?;
    child.result().await
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Message {
    to: String,
    /// What the signal `word` says; none to ask the run to cancel.
    #[serde(default)]
    word: Option<Value>,
}

/// Tells other runs something, one after the other. Returns `null` for each, or
/// the type of the failure.
#[dacapo::workflow]
pub(crate) async fn tell(messages: Vec<Message>) -> Vec<Value> {
    let mut answers = Vec::new();
    for Message { to, word } in messages {
        let answer = match word {
            Some(word) => external(to).signal("word", &word).await,
            None => external(to).cancel("told to").await,
        };
        answers.push(answer.err().as_ref().map_or(Value::Null, told));
    }
    answers
}

fn told(failure: &Failure) -> Value {
    failure.chain().map(|info| info.type_name.as_str()).collect()
}
