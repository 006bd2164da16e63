//! The model, as an activity.

use std::time::Duration;

use dacapo::{ActivityOptions, Failure, RetryPolicy, http};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::messages::Message;
use crate::retrying::accepted;
use crate::tools::specification;

/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;

#[derive(Serialize)]
struct Request {
    model: String,
    messages: Vec<Message>,
    tools: Value,
}

#[derive(Deserialize)]
struct Response {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

/// Asks the model what to do next. `MODEL_URL` is the base URL of the service, such
/// as `https://api.openai.com/v1`, and `MODEL` the name of the model. The secret
/// `MODEL_API_KEY` is put in by the server: this code sees a placeholder.
#[dacapo::activity]
pub(crate) fn chat(messages: Vec<Message>) -> Result<Message, Failure> {
    let base = std::env::var("MODEL_URL").map_err(|_| {
        // Retried, so that the run goes on when somebody has set it.
        Failure::application("NotConfigured", "give the activities the variable MODEL_URL")
    })?;
    let model = std::env::var("MODEL").unwrap_or_else(|_| "rules".to_owned());
    let mut request = http::post(format!("{}/chat/completions", base.trim_end_matches('/')))
        .timeout(Duration::from_secs(50))
        .max_body_bytes(ANSWER_BYTES_MAX)
        .json(&Request { model, messages, tools: specification() });
    if let Ok(key) = std::env::var("MODEL_API_KEY") {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let response: Response = accepted(request.send()?)?.json()?;
    let choice = response.choices.into_iter().next();
    choice
        .map(|choice| choice.message)
        .ok_or_else(|| Failure::application("NoChoice", "the model has answered without a choice"))
}

/// Services for models are busy or away now and then: an hour is nothing to a run
/// that survives everything.
pub(crate) fn patient() -> ActivityOptions {
    let retry = RetryPolicy::new().maximum_interval(Duration::from_secs(60));
    ActivityOptions::new()
        .start_to_close(Duration::from_secs(60))
        .schedule_to_close(Duration::from_secs(3_600))
        .retry(retry)
}
