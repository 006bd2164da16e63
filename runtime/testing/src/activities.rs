//! Activities that the test answers, and what was asked of all of them.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::guest::ActivityTask;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{OperationId, RunId};
use dacapo_model::payload::Payload;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// A failure as an activity raises it, for the closures that replace activities.
/// It is retried as its policy says; [`ActivityFailure::non_retryable`] rules that
/// out.
pub fn failure(type_name: impl Into<String>, message: impl Into<String>) -> ActivityFailure {
    let failure = Failure::new(FailureKind::Application, type_name, message);
    ActivityFailure(Box::new(failure))
}

/// A failure of an activity that the test answers, made by [`failure`].
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

type Answer = dyn Fn(&ActivityTask) -> Result<Payload, ActivityFailure> + Send + Sync;

/// What stands for an activity.
#[derive(Clone)]
pub(crate) enum Stub {
    Answer(Arc<Answer>),
    Hang,
}

/// What the test says about activities, and what it may ask.
#[derive(Default)]
pub(crate) struct Activities {
    stubs: Mutex<BTreeMap<String, Stub>>,
    attempts: Mutex<BTreeMap<String, Vec<Attempt>>>,
    /// How many attempts hang.
    hanging: watch::Sender<usize>,
}

#[derive(Debug, Clone)]
struct Attempt {
    run_id: RunId,
    operation_id: OperationId,
    input: Payload,
}

impl Activities {
    pub(crate) fn replace(&self, name: &str, stub: Stub) {
        self.stubs.lock().insert(name.to_owned(), stub);
    }

    pub(crate) fn stub(&self, name: &str) -> Option<Stub> {
        self.stubs.lock().get(name).cloned()
    }

    pub(crate) fn record(&self, task: &ActivityTask) {
        let attempt = Attempt {
            run_id: task.run.run_id,
            operation_id: task.operation_id,
            input: task.input.clone(),
        };
        let name = task.activity_type.as_str().to_owned();
        self.attempts.lock().entry(name).or_default().push(attempt);
    }

    pub(crate) fn calls(&self, name: &str) -> Calls {
        let attempts = self.attempts.lock().get(name).cloned().unwrap_or_default();
        Calls { name: name.to_owned(), attempts }
    }

    /// Follows how many attempts hang.
    pub(crate) fn hanging(&self) -> watch::Receiver<usize> {
        self.hanging.subscribe()
    }

    /// Never returns. The attempt ends with its timeout, or when it is cancelled.
    pub(crate) async fn hang(&self) -> ! {
        let _hanging = Hanging::begin(&self.hanging);
        std::future::pending().await
    }
}

struct Hanging<'a>(&'a watch::Sender<usize>);

impl<'a> Hanging<'a> {
    fn begin(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|hanging| *hanging += 1);
        Self(count)
    }
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|hanging| *hanging -= 1);
    }
}

/// A stub of a closure that is given the number of the attempt, from 1.
pub(crate) fn answer<I: DeserializeOwned, O: Serialize>(
    activity: impl Fn(u32, I) -> Result<O, ActivityFailure> + Send + Sync + 'static,
) -> Stub {
    Stub::Answer(Arc::new(move |task| {
        let name = &task.activity_type;
        let input = decode(task.input.as_bytes()).map_err(|error| {
            let expected = type_name::<I>();
            let message = format!(
                "the test answers activity `{name}` with a closure that takes a `{expected}`, and \
                 it was called with `{}`: {error}",
                String::from_utf8_lossy(task.input.as_bytes())
            );
            failure("InvalidInput", message).non_retryable()
        })?;
        let output = activity(task.attempt, input)?;
        serde_json::to_vec(&output).map(Payload::new).map_err(|error| {
            let message = format!("the test's answer to activity `{name}` is no JSON: {error}");
            failure("InvalidResult", message).non_retryable()
        })
    }))
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
    attempts: Vec<Attempt>,
}

impl Calls {
    /// How often workflows called it.
    pub fn count(&self) -> usize {
        self.attempts.iter().map(Attempt::call).collect::<BTreeSet<_>>().len()
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
}

impl Attempt {
    fn call(&self) -> (RunId, OperationId) {
        (self.run_id, self.operation_id)
    }
}
