//! An agent that answers customers: a model decides what to do next, tools do it, and
//! a person has the last word about large refunds. The whole conversation is durable:
//! a crash neither asks the model again nor refunds anything twice.

mod desk;
mod messages;
mod model;
mod retrying;
mod shop;
mod tools;
mod transcript;

use std::time::Duration;

use dacapo::{Failure, continue_as_new, updates_finished};
use serde::{Deserialize, Serialize};

use desk::{Decision, Desk, Question};
use messages::{Message, ToolCall};
use model::{chat, patient};
use shop::{find_order, refund_order};
use tools::Tool;
use transcript::Transcript;

dacapo::module! {
    workflows: [agent],
    activities: [chat, find_order, refund_order],
}

/// Bytes of what a customer may write.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// Calls of the model in one run. A larger budget is cut to this, so that no history
/// outgrows its limit.
const BUDGET_MAX: u32 = 50;

/// Tools that one reply of the model may call.
const CALLS_MAX: usize = 8;

/// What a customer wants.
#[derive(Serialize, Deserialize)]
struct Task {
    request: String,
    /// Calls of the model until a person is asked whether to go on.
    #[serde(default = "default_budget")]
    budget: u32,
    /// How long a question waits for a person.
    #[serde(default = "default_patience_seconds")]
    patience_seconds: u64,
    /// Only of a run that goes on where another one stopped.
    #[serde(default)]
    progress: Progress,
}

fn default_budget() -> u32 {
    10
}

fn default_patience_seconds() -> u64 {
    24 * 3_600
}

/// How far it has come, over all runs.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    /// Calls of the model so far.
    steps: u32,
    transcript: Transcript,
}

/// What the customer is told.
#[derive(Serialize)]
struct Answer {
    text: String,
    steps: u32,
}

/// Calls the model and the tools it asks for, until it has an answer.
#[dacapo::workflow]
async fn agent(task: Task) -> Result<Answer, Failure> {
    if task.request.len() > REQUEST_BYTES_MAX {
        let message = format!("a request may have {REQUEST_BYTES_MAX} bytes");
        return Err(Failure::application("RequestTooLong", message).non_retryable());
    }
    let Task { request, budget, patience_seconds, progress } = task;
    let Progress { mut steps, mut transcript } = progress;
    let desk = Desk::open(Duration::from_secs(patience_seconds))?;

    for _step in 0..budget.clamp(1, BUDGET_MAX) {
        let reply = chat(transcript.messages(&request)).options(patient()).await?;
        steps += 1;
        if reply.tool_calls().is_empty() {
            return Ok(Answer { text: reply.content.unwrap_or_default(), steps });
        }
        let mut results = Vec::new();
        for (number, call) in (1..).zip(reply.tool_calls()) {
            let result = if number <= CALLS_MAX {
                let question_id = format!("{steps}.{number}");
                carry_out(call, question_id, &desk).await?
            } else {
                format!("error: at most {CALLS_MAX} tools at a time")
            };
            results.push(Message::tool(&call.id, result));
        }
        transcript.add(reply, results);
    }

    let question = Question::more_steps(steps);
    if let Decision { approved: false, reason, .. } = desk.ask(question).await? {
        let message = format!("no answer after {steps} steps, and {reason}");
        return Err(Failure::application("OutOfSteps", message).non_retryable());
    }
    // The next run begins with an empty history and the transcript, whose size is
    // bounded; so neither grows without end, however often somebody says yes.
    updates_finished().await?;
    let progress = Progress { steps, transcript };
    continue_as_new(&Task { request, budget, patience_seconds, progress }).await
}

/// What a call of a tool came to, as the model is told. What goes wrong is for the
/// model to deal with; only a cancelled run ends here.
async fn carry_out(call: &ToolCall, question_id: String, desk: &Desk) -> Result<String, Failure> {
    let tool = match Tool::of(call) {
        Ok(tool) => tool,
        Err(problem) => return Ok(format!("error: {problem}")),
    };
    if tool.needs_approval() {
        let decision = desk.ask(Question::about(question_id, call)).await?;
        if !decision.approved {
            return Ok(format!("error: {}", decision.reason));
        }
    }
    match tool.run().await {
        Ok(result) => Ok(result),
        Err(failure) if failure.is_cancelled() => Err(failure),
        Err(failure) => Ok(format!("error: {}", tools::reason(&failure))),
    }
}
