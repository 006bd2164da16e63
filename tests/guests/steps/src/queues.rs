//! Steps that workers of a task queue make.

use dacapo::{ActivityCall, Failure, try_join_all};
use serde::Deserialize;
use serde_json::Value;

use crate::workflows::Options;

#[derive(Deserialize)]
pub(crate) struct Remote {
    queue: String,
    /// `step` without it.
    activity: Option<String>,
    steps: u32,
    #[serde(default)]
    options: Options,
}

impl Remote {
    /// The calls, with 0, 1, 2 and so on as their inputs.
    fn calls(self) -> impl Iterator<Item = ActivityCall<Value>> {
        let options = self.options.build().task_queue(self.queue);
        let activity = self.activity.unwrap_or_else(|| "step".to_owned());
        (0..self.steps)
            .map(move |step| ActivityCall::named(activity.clone(), &step).options(options.clone()))
    }
}

/// `{"queue": "name", "activity": "step", "steps": n, "options": {..}}`: n activities of
/// the queue, one after the other, with 0 to n - 1 as their inputs. Returns their results.
#[dacapo::workflow]
pub(crate) async fn remote_sequential(input: Remote) -> Result<Vec<Value>, Failure> {
    let mut results = Vec::new();
    for call in input.calls() {
        results.push(call.await?);
    }
    Ok(results)
}

/// The same, all at once.
#[dacapo::workflow]
pub(crate) async fn remote_fan_out(input: Remote) -> Result<Vec<Value>, Failure> {
    try_join_all(input.calls()).await
}
