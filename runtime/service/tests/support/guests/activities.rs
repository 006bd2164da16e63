//! What activities do, by their types, and how they are asked for.

use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::guest::{ActivityTask, AttemptLink};
use dacapo_model::event::ActivityOptions;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::QueueName;
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::task::TaskRoute;

use super::ScriptedHost;

impl ScriptedHost {
    pub(super) async fn attempt(
        &self,
        task: ActivityTask,
        link: Arc<dyn AttemptLink>,
    ) -> Result<Payload, Failure> {
        let input = String::from_utf8_lossy(task.input.as_bytes()).into_owned();
        let key = (task.activity_type.as_str().to_owned(), input);
        *self.attempts.lock().entry(key).or_default() += 1;
        match task.activity_type.as_str() {
            "gated" | "gated-once" => {
                self.gate.acquire().await.expect("the gate stays").forget();
                Ok(task.input)
            }
            "flaky" if task.attempt < 3 => {
                Err(Failure::new(FailureKind::Application, "Flaky", "not yet"))
            }
            // Fails at first, and then waits for the gate.
            "second" if task.attempt == 1 => {
                Err(Failure::new(FailureKind::Application, "Flaky", "not yet"))
            }
            "second" => {
                self.gate.acquire().await.expect("the gate stays").forget();
                Ok(task.input)
            }
            "never" | "brief" => std::future::pending().await,
            // Says that it has come to 7 and fails; the next attempt returns that.
            "beating" => match task.heartbeat_details {
                Some(details) => Ok(details),
                None => {
                    link.heartbeat(Some(Payload::new("6")));
                    link.heartbeat(Some(Payload::new("7")));
                    Err(Failure::new(FailureKind::Application, "Flaky", "not yet"))
                }
            },
            "later" => {
                let token = link.complete_later().await?;
                self.tokens.lock().push(token);
                Ok(Payload::new("ignored"))
            }
            // Ends when it is told to, and says so.
            "polite" => {
                link.signals();
                self.gate.add_permits(1);
                link.cancel_requested().await;
                let mut failure = Failure::new(FailureKind::Cancelled, "Cancelled", "half done");
                failure.info.details = Some(Payload::new("17"));
                Err(failure)
            }
            // Makes way while it is paused.
            "yielding" if task.attempt == 1 => {
                self.gate.add_permits(1);
                while !link.signals().paused {
                    tokio::task::yield_now().await;
                }
                Err(Failure::new(FailureKind::Application, "ActivityPaused", "makes way"))
            }
            _ => Ok(task.input),
        }
    }
}

/// The queue of activities that workers run.
pub fn queue() -> QueueName {
    QueueName::new("emails").expect("valid")
}

pub(super) fn options(activity: &str) -> ActivityOptions {
    let initial_interval = Duration::from_millis(5);
    let retry = RetryPolicy {
        initial_interval,
        maximum_interval: initial_interval,
        maximum_attempts: if matches!(activity, "once" | "gated-once" | "brief" | "remote-once") {
            1
        } else {
            0
        },
        ..RetryPolicy::default()
    };
    ActivityOptions {
        start_to_close_timeout: Duration::from_millis(match activity {
            "brief" => 200,
            _ => 60_000,
        }),
        retry,
        // Workers make the attempts of these.
        task_queue: activity.starts_with("remote").then(|| TaskRoute::to(queue())),
        ..ActivityOptions::unnamed()
    }
}
