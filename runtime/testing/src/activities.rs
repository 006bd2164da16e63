//! Activities that the test answers, and what was asked of all of them.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dacapo_engine::guest::ActivityTask;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{OperationId, RunId};
use dacapo_model::payload::Payload;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::attempt::Attempt;

/// A failure as an activity raises it, for the closures that replace activities.
/// It is retried as its policy says; [`ActivityFailure::non_retryable`] rules that
/// out.
pub fn failure(type_name: impl Into<String>, message: impl Into<String>) -> ActivityFailure {
    let failure = Failure::new(FailureKind::Application, type_name, message);
    ActivityFailure(Box::new(failure))
}

/// How an activity ends that was asked to cancel and does so.
pub fn cancelled(message: impl Into<String>) -> ActivityFailure {
    ActivityFailure(Box::new(Failure::new(FailureKind::Cancelled, "Cancelled", message)))
}

/// A failure of an activity that the test answers, made by [`failure`] or
/// [`cancelled`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityFailure(pub(crate) Box<Failure>);

impl ActivityFailure {
    /// The same failure, never retried.
    #[must_use]
    pub fn non_retryable(mut self) -> Self {
        self.0.info.non_retryable = true;
        self
    }

    /// The same failure, retried after `delay` whatever the policy says.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.info.next_retry_delay = Some(delay);
        self
    }
}

type Answered = BoxFuture<'static, Result<Payload, ActivityFailure>>;

/// What stands for an activity.
#[derive(Clone)]
pub(crate) struct Stub(Arc<dyn Fn(Attempt) -> Answered + Send + Sync>);

impl Stub {
    /// Given the attempt, and the input of the call.
    pub(crate) fn new<I, O, F>(activity: impl Fn(Attempt, I) -> F + Send + Sync + 'static) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
        F: Future<Output = Result<O, ActivityFailure>> + Send + 'static,
    {
        let activity = Arc::new(activity);
        Self(Arc::new(move |attempt| {
            let activity = Arc::clone(&activity);
            Box::pin(async move {
                let name = attempt.task().activity_type.clone();
                let ended = {
                    let input = input(attempt.task())?;
                    activity(attempt, input)
                };
                let output = ended.await?;
                serde_json::to_vec(&output).map(Payload::new).map_err(|error| {
                    let message =
                        format!("the test's answer to activity `{name}` is no JSON: {error}");
                    failure("InvalidResult", message).non_retryable()
                })
            })
        }))
    }

    /// Hangs, whatever the input.
    pub(crate) fn hangs() -> Self {
        Self(Arc::new(|attempt| Box::pin(async move { attempt.hang().await })))
    }

    /// Left open for somebody else to complete, whatever the input.
    pub(crate) fn completes_later() -> Self {
        Self(Arc::new(|attempt| {
            Box::pin(async move {
                attempt.complete_later().await?;
                Ok(Payload::default())
            })
        }))
    }

    pub(crate) fn answer(&self, attempt: Attempt) -> Answered {
        (self.0)(attempt)
    }
}

fn input<I: DeserializeOwned>(task: &ActivityTask) -> Result<I, ActivityFailure> {
    decode(task.input.as_bytes()).map_err(|error| {
        let (name, expected) = (&task.activity_type, type_name::<I>());
        let message = format!(
            "the test answers activity `{name}` with a closure that takes a `{expected}`, and it \
             was called with `{}`: {error}",
            String::from_utf8_lossy(task.input.as_bytes())
        );
        failure("InvalidInput", message).non_retryable()
    })
}

/// What the test says about activities, and what it may ask.
#[derive(Default)]
pub(crate) struct Activities {
    stubs: Mutex<BTreeMap<String, Stub>>,
    attempts: Mutex<BTreeMap<String, Vec<Asked>>>,
    /// How many attempts hang.
    hanging: watch::Sender<usize>,
    /// How much closures do that the server does not know of.
    working: AtomicUsize,
}

/// An attempt that was asked for.
#[derive(Debug, Clone)]
struct Asked {
    run_id: RunId,
    operation_id: OperationId,
    number: u32,
    input: Payload,
    /// By which it is completed from outside, if it was left open.
    token: Option<String>,
}

impl Activities {
    pub(crate) fn replace(&self, name: &str, stub: Stub) {
        self.stubs.lock().insert(name.to_owned(), stub);
    }

    pub(crate) fn stub(&self, name: &str) -> Option<Stub> {
        self.stubs.lock().get(name).cloned()
    }

    pub(crate) fn record(&self, task: &ActivityTask) {
        let asked = Asked {
            run_id: task.run.run_id,
            operation_id: task.operation_id,
            number: task.attempt,
            input: task.input.clone(),
            token: None,
        };
        let name = task.activity_type.as_str().to_owned();
        self.attempts.lock().entry(name).or_default().push(asked);
    }

    pub(crate) fn record_token(&self, task: &ActivityTask, token: &str) {
        let mut attempts = self.attempts.lock();
        let asked = attempts.entry(task.activity_type.as_str().to_owned()).or_default();
        let is_it = |asked: &&mut Asked| {
            asked.call() == (task.run.run_id, task.operation_id) && asked.number == task.attempt
        };
        if let Some(asked) = asked.iter_mut().rev().find(is_it) {
            asked.token = Some(token.to_owned());
        }
    }

    pub(crate) fn calls(&self, name: &str) -> Calls {
        let attempts = self.attempts.lock().get(name).cloned().unwrap_or_default();
        Calls { name: name.to_owned(), attempts }
    }

    /// Follows how many attempts hang.
    pub(crate) fn hanging(&self) -> watch::Receiver<usize> {
        self.hanging.subscribe()
    }

    /// A closure does something that the server does not know of.
    pub(crate) fn work(self: &Arc<Self>) -> Working {
        self.working.fetch_add(1, Ordering::SeqCst);
        Working(Arc::clone(self))
    }

    /// How much that is.
    pub(crate) fn working(&self) -> usize {
        self.working.load(Ordering::SeqCst)
    }

    /// One more attempt waits for something that only time, or the test, can
    /// bring about, until the guard is dropped.
    pub(crate) fn hang(self: &Arc<Self>) -> Hanging {
        self.hanging.send_modify(|hanging| *hanging += 1);
        Hanging(Arc::clone(self))
    }
}

/// Something that a closure does for a task queue, until it is dropped.
pub(crate) struct Working(Arc<Activities>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) struct Hanging(Arc<Activities>);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.hanging.send_modify(|hanging| *hanging -= 1);
    }
}

/// No bytes at all is how a call without an argument says `null`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(if bytes.is_empty() { b"null" } else { bytes })
}

/// The calls of an activity, replaced or not, in the order of their first
/// attempts. Made by [`TestEnv::calls`](crate::TestEnv::calls).
#[derive(Debug, Clone)]
pub struct Calls {
    name: String,
    attempts: Vec<Asked>,
}

impl Calls {
    /// How often workflows called it.
    pub fn count(&self) -> usize {
        self.attempts.iter().map(Asked::call).collect::<BTreeSet<_>>().len()
    }

    /// How often it was tried: more than the calls, if attempts failed.
    pub fn attempts(&self) -> usize {
        self.attempts.len()
    }

    /// The arguments, one for each call.
    ///
    /// # Panics
    ///
    /// If one of them is not a `T`.
    #[track_caller]
    pub fn inputs<T: DeserializeOwned>(&self) -> Vec<T> {
        let mut seen = BTreeSet::new();
        let first = self.attempts.iter().filter(|attempt| seen.insert(attempt.call()));
        let decoded = first.map(|attempt| decode(attempt.input.as_bytes()));
        match decoded.collect() {
            Ok(inputs) => inputs,
            Err(error) => {
                let expected = type_name::<T>();
                panic!("activity `{}` was not called with a `{expected}`: {error}", self.name)
            }
        }
    }

    /// The tokens of the attempts that were left open for somebody else to
    /// complete, in their order, whatever became of them. See
    /// [`TestEnv::activity_by_token`](crate::TestEnv::activity_by_token).
    pub fn tokens(&self) -> Vec<String> {
        self.attempts.iter().filter_map(|attempt| attempt.token.clone()).collect()
    }
}

impl Asked {
    fn call(&self) -> (RunId, OperationId) {
        (self.run_id, self.operation_id)
    }
}
