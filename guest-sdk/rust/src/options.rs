//! How an activity is to be run: timeouts and retries.

use std::time::Duration;

use crate::bindings::dacapo::workflow::children::ModuleRef;
use crate::bindings::dacapo::workflow::operations as wit;
use crate::bindings::dacapo::workflow::task_queues::TaskPlacement;
use crate::bindings::dacapo::workflow::types as wit_types;
use crate::failure::Failure;
use crate::run::OnCancel;
use crate::time::nanos;

/// Timeouts, retries and the place where an activity runs.
///
/// Without any of them an attempt may take 60 s, and a failed one is tried
/// again without end; see [`RetryPolicy`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActivityOptions {
    start_to_close: Option<Duration>,
    schedule_to_close: Option<Duration>,
    schedule_to_start: Option<Duration>,
    heartbeat: Option<Duration>,
    retry: Option<RetryPolicy>,
    task_queue: Option<String>,
    priority: Option<u8>,
    fairness_key: Option<String>,
    fairness_weight: Option<f64>,
    /// Boxed: few name one.
    module: Option<Box<(String, Option<u32>)>>,
    cancellation: CancellationType,
    cancellation_grace: Option<Duration>,
}

/// What becomes of an activity that a workflow waits for when the run is asked to
/// cancel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancellationType {
    /// The wait ends at once. The activity is told; one that listens may clean up
    /// for 10 s, one that has never looked is stopped.
    #[default]
    TryCancel,
    /// The activity is asked to cancel, and the wait goes on until it has ended,
    /// which it has when its grace period is over.
    WaitCancellationCompleted,
    /// The wait ends at once, and the activity goes on as if nothing had happened.
    /// It is still the run's: it ends with it.
    Abandon,
}

impl ActivityOptions {
    /// Options that leave everything at its default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limit for one attempt. Running out of it is retried.
    #[must_use]
    pub fn start_to_close(mut self, limit: Duration) -> Self {
        self.start_to_close = Some(limit);
        self
    }

    /// Limit from scheduling to the final outcome, over all attempts and the
    /// waits between them.
    #[must_use]
    pub fn schedule_to_close(mut self, limit: Duration) -> Self {
        self.schedule_to_close = Some(limit);
        self
    }

    /// Limit for the time until an attempt begins: until a worker takes the task,
    /// or a slot for activities of this module is free. Not retried.
    #[must_use]
    pub fn schedule_to_start(mut self, limit: Duration) -> Self {
        self.schedule_to_start = Some(limit);
        self
    }

    /// Longest silence of an attempt that says that it is alive with
    /// [`heartbeat`](crate::heartbeat()). Running out of it is retried.
    #[must_use]
    pub fn heartbeat(mut self, limit: Duration) -> Self {
        self.heartbeat = Some(limit);
        self
    }

    /// When and how often a failed attempt is tried again.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Lets the workers of this queue run the activity instead of the runtime: programs
    /// in any language, which have to know its type. At most 255 bytes without control
    /// characters.
    #[must_use]
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.task_queue = Some(name.into());
        self
    }

    /// Which tasks of the [task queue](Self::task_queue) come first: those with 1, then
    /// those with 2, and so on to 5. Default: 3.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Whose task it is in the [task queue](Self::task_queue), such as a tenant's: tasks
    /// of one priority are handed out in turn by key, so that no key with many of them
    /// holds up the others. At most 64 bytes without control characters.
    #[must_use]
    pub fn fairness_key(mut self, key: impl Into<String>) -> Self {
        self.fairness_key = Some(key.into());
        self
    }

    /// How many turns its [key](Self::fairness_key) has for each turn of one with the
    /// weight 1, from 0.001 to 1000. Default: 1.
    #[must_use]
    pub fn fairness_weight(mut self, weight: f64) -> Self {
        self.fairness_weight = Some(weight);
        self
    }

    /// The module that defines the activity, by name: each attempt runs its newest version
    /// when it begins. Without it, this module does.
    #[must_use]
    pub fn module(mut self, name: impl Into<String>) -> Self {
        self.module = Some(Box::new((name.into(), None)));
        self
    }

    /// The module that defines the activity, and a certain version of it.
    #[must_use]
    pub fn module_version(mut self, name: impl Into<String>, version: u32) -> Self {
        self.module = Some(Box::new((name.into(), Some(version))));
        self
    }

    /// What becomes of the activity when the run is asked to cancel.
    #[must_use]
    pub fn cancellation(mut self, cancellation: CancellationType) -> Self {
        self.cancellation = cancellation;
        self
    }

    /// How long an activity may take to end with
    /// [`WaitCancellationCompleted`](CancellationType::WaitCancellationCompleted).
    /// Default: 10 s; at most a day.
    #[must_use]
    pub fn cancellation_grace(mut self, grace: Duration) -> Self {
        self.cancellation_grace = Some(grace);
        self
    }

    /// Whether another program is to run it.
    pub(crate) fn has_queue(&self) -> bool {
        self.task_queue.is_some()
    }

    /// The module that defines it, if it is another.
    pub(crate) fn other_module(&self) -> Option<ModuleRef> {
        let (name, version) = *self.module.clone()?;
        Some(ModuleRef { name, version })
    }

    /// Whether it says which tasks of a queue come first.
    pub(crate) fn has_preference(&self) -> bool {
        self.priority.is_some() || self.fairness_key.is_some() || self.fairness_weight.is_some()
    }

    /// What is to be said about the queue besides its name.
    pub(crate) fn placement(&self) -> Option<TaskPlacement> {
        let queue = self.task_queue.clone().filter(|_| self.has_preference())?;
        Some(TaskPlacement {
            queue,
            priority: self.priority,
            fairness_key: self.fairness_key.clone(),
            fairness_weight: self.fairness_weight,
        })
    }

    pub(crate) fn on_cancel(&self) -> OnCancel {
        match self.cancellation {
            CancellationType::TryCancel => OnCancel::GiveUp,
            CancellationType::WaitCancellationCompleted => OnCancel::Ask(self.cancellation_grace),
            CancellationType::Abandon => OnCancel::Leave,
        }
    }

    pub(crate) fn to_wit(&self) -> wit::ActivityOptions {
        wit::ActivityOptions {
            start_to_close_timeout: self.start_to_close.map(nanos),
            schedule_to_close_timeout: self.schedule_to_close.map(nanos),
            schedule_to_start_timeout: self.schedule_to_start.map(nanos),
            heartbeat_timeout: self.heartbeat.map(nanos),
            retry: self.retry.as_ref().map(RetryPolicy::to_wit),
            task_queue: self.task_queue.clone(),
        }
    }
}

/// When and how often a failed activity, or a failed child, is tried again.
///
/// The default waits 1 s, then 2 s, 4 s and so on up to 100 s, and never gives
/// up. From attempt 12 on each wait is at least 100 ms. A failure that is [non-retryable](crate::Failure::non_retryable) ends
/// the activity whatever the policy says.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    initial_interval: Duration,
    backoff_coefficient: f64,
    maximum_interval: Option<Duration>,
    maximum_attempts: u32,
    non_retryable_types: Vec<String>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_secs(1),
            backoff_coefficient: 2.0,
            maximum_interval: None,
            maximum_attempts: 0,
            non_retryable_types: Vec::new(),
        }
    }
}

impl RetryPolicy {
    /// The default policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs the activity at most once, even if the node dies while it runs.
    pub fn never() -> Self {
        Self::new().maximum_attempts(1)
    }

    /// The wait before the second attempt.
    #[must_use]
    pub fn initial_interval(mut self, interval: Duration) -> Self {
        self.initial_interval = interval;
        self
    }

    /// Factor from one wait to the next; less than 1 counts as 1.
    #[must_use]
    pub fn backoff_coefficient(mut self, coefficient: f64) -> Self {
        self.backoff_coefficient = coefficient.max(1.0);
        self
    }

    /// No wait is longer than this. Default: 100 times the initial interval.
    #[must_use]
    pub fn maximum_interval(mut self, interval: Duration) -> Self {
        self.maximum_interval = Some(interval);
        self
    }

    /// Attempts in total; 0 means no limit.
    #[must_use]
    pub fn maximum_attempts(mut self, attempts: u32) -> Self {
        self.maximum_attempts = attempts;
        self
    }

    /// Failure types that end the activity at once.
    #[must_use]
    pub fn non_retryable_types<T: Into<String>>(
        mut self,
        types: impl IntoIterator<Item = T>,
    ) -> Self {
        self.non_retryable_types = types.into_iter().map(Into::into).collect();
        self
    }

    /// The wait after `attempt` (from 1) has failed, or `None` if it was the last:
    /// the rule by which the runtime tries activities again. What an activity
    /// raised is the cause of its failure here, so causes count as well.
    pub(crate) fn delay_after(&self, attempt: u32, failure: &Failure) -> Option<Duration> {
        let permanent = failure.is_cancelled()
            || failure.chain().any(|info| {
                info.non_retryable || self.non_retryable_types.contains(&info.type_name)
            });
        if permanent || (self.maximum_attempts != 0 && attempt >= self.maximum_attempts) {
            return None;
        }
        let wanted = failure.chain().find_map(|info| info.next_retry_delay);
        Some(wanted.unwrap_or_else(|| self.backoff(attempt)))
    }

    fn backoff(&self, attempt: u32) -> Duration {
        let maximum =
            self.maximum_interval.unwrap_or_else(|| self.initial_interval.saturating_mul(100));
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.initial_interval.as_secs_f64() * self.backoff_coefficient.powi(exponent);
        // Overflow to infinity is a wait of the maximum, not an error.
        Duration::try_from_secs_f64(seconds).unwrap_or(maximum).min(maximum)
    }

    pub(crate) fn to_wit(&self) -> wit_types::RetryPolicy {
        wit_types::RetryPolicy {
            // Zero would ask for the default of 1 s; what was meant is no wait,
            // and a microsecond is the least that is kept.
            initial_interval: nanos(self.initial_interval).max(1_000),
            backoff_coefficient: self.backoff_coefficient,
            maximum_interval: self.maximum_interval.map(nanos),
            maximum_attempts: self.maximum_attempts,
            non_retryable_types: self.non_retryable_types.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_for_what_was_not_set() {
        let options = ActivityOptions::new().to_wit();
        assert_eq!(options.start_to_close_timeout, None);
        assert_eq!(options.schedule_to_close_timeout, None);
        assert!(options.retry.is_none());
        assert_eq!(options.task_queue, None);
        assert!(ActivityOptions::new().placement().is_none());
    }

    #[test]
    fn a_queue_is_placed_only_if_there_is_more_to_say_than_its_name() {
        let queue = ActivityOptions::new().task_queue("emails");
        assert_eq!(queue.to_wit().task_queue.as_deref(), Some("emails"));
        assert!(queue.placement().is_none());
        let placement = queue
            .priority(1)
            .fairness_key("tenant-7")
            .fairness_weight(2.0)
            .placement()
            .expect("there is more to say");
        assert_eq!((placement.queue.as_str(), placement.priority), ("emails", Some(1)));
        assert_eq!(placement.fairness_key.as_deref(), Some("tenant-7"));
        assert_eq!(placement.fairness_weight, Some(2.0));
    }

    #[test]
    fn another_module_is_named_with_or_without_a_version() {
        let named = |options: ActivityOptions| {
            options.other_module().map(|module| (module.name, module.version))
        };
        assert_eq!(named(ActivityOptions::new()), None);
        let newest = ActivityOptions::new().module("payments");
        assert_eq!(named(newest), Some(("payments".to_owned(), None)));
        let second = ActivityOptions::new().module_version("payments", 2);
        assert_eq!(named(second), Some(("payments".to_owned(), Some(2))));
    }

    #[test]
    fn limits_are_sent_in_nanoseconds() {
        let options = ActivityOptions::new()
            .start_to_close(Duration::from_millis(1))
            .schedule_to_close(Duration::MAX)
            .to_wit();
        assert_eq!(options.start_to_close_timeout, Some(1_000_000));
        assert_eq!(options.schedule_to_close_timeout, Some(u64::MAX));
    }

    #[test]
    fn a_policy_never_sends_what_the_runtime_would_read_differently() {
        let policy = RetryPolicy::never()
            .initial_interval(Duration::ZERO)
            .backoff_coefficient(f64::NAN)
            .to_wit();
        assert_eq!(policy.initial_interval, 1_000);
        assert_eq!(policy.backoff_coefficient, 1.0);
        assert_eq!(policy.maximum_attempts, 1);
    }
}
